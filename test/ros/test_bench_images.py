"""Cost of images, measured as `uplift bench` does; the test does not check its size."""

import pytest

from uplift_ros.lab.bench.bench import image_rows


def test_a_skipped_image_costs_less_than_in_a_plain_subscriber():
    plain, skipped = image_rows(1.0)
    assert (plain.name, skipped.name, skipped.ratio_to) == ("image plain", "image skipped", "image plain")
    assert skipped.ms_p50 < plain.ms_p50
    assert skipped.ratio == pytest.approx(plain.ms_p50 / skipped.ms_p50)
