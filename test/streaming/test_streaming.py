import pytest

from uplift_ros import streaming
from uplift_ros.streaming.refiner import StreamingRefiner
from uplift_ros.streaming.uplifter import StreamingUplifter


def test_the_package_has_the_two_streams_and_nothing_else():
    assert streaming.StreamingUplifter is StreamingUplifter
    assert streaming.StreamingRefiner is StreamingRefiner
    with pytest.raises(AttributeError, match="StreamingDownlifter"):
        streaming.StreamingDownlifter  # noqa: B018
