"""The camera of an image as it was received: cropped, binned, rectified, turned (REP-104), or from a file."""

from dataclasses import replace

import numpy as np
import pytest

from uplift_ros.camera import Camera
from uplift_ros.intrinsics import Calibration, is_rectified, load_calibration

SENSOR = Calibration(
    640,
    480,
    k=(600.0, 0, 330.0, 0, 610.0, 250.0, 0, 0, 1),
    d=(-0.3, 0.1, 0.002, 0.003, 0.01),
    p=(500.0, 0, 320.0, 0, 0, 510.0, 240.0, 0, 0, 0, 1, 0),
)
RAW = Camera(600, 610, 330, 250, 640, 480, SENSOR.d)
POINTS = np.array([[0.2, -0.3, 2.0], [-0.4, 0.1, 3.0], [0.0, 0.0, 1.0]])


def test_the_whole_image_of_the_sensor_has_its_own_camera():
    assert SENSOR.for_image(640, 480) == RAW
    assert replace(SENSOR, binning=(1, 1), roi=(0, 0, 640, 480)).for_image(640, 480) == RAW


@pytest.mark.parametrize(
    ("roi", "image"),
    [((100, 50, 320, 240), (320, 240)), ((100, 50, 0, 0), (320, 240)), ((320, 240, 320, 240), (320, 240))],
)
def test_a_region_of_interest_moves_the_principal_point_and_keeps_the_distortion(roi, image):
    camera = replace(SENSOR, roi=roi).for_image(*image)
    np.testing.assert_allclose(camera.project(POINTS), RAW.project(POINTS) - roi[:2])
    assert (camera.width, camera.height) == image
    assert camera.distortion == RAW.distortion


@pytest.mark.parametrize("bins", [(2, 2), (4, 2), (1, 3)])
def test_binned_pixels_lie_in_the_middle_of_those_that_they_are_made_of(bins):
    camera = replace(SENSOR, binning=bins).for_image(640 // bins[0], 480 // bins[1])
    # the middle of the first b pixels is (b - 1) / 2
    np.testing.assert_allclose(camera.project(POINTS) * bins + (np.array(bins) - 1) / 2, RAW.project(POINTS))


def test_a_region_is_in_pixels_of_the_sensor_also_where_it_is_binned():
    camera = replace(SENSOR, roi=(100, 50, 400, 300), binning=(2, 2)).for_image(200, 150)
    np.testing.assert_allclose(camera.project(POINTS) * 2 + 0.5 + (100, 50), RAW.project(POINTS))


def test_an_odd_region_may_be_binned_to_either_size():
    assert replace(SENSOR, roi=(0, 0, 401, 301), binning=(2, 2)).for_image(200, 151).width == 200


@pytest.mark.parametrize("roi", [(160, 80, 320, 240), (160, 80, 0, 0)])
def test_where_the_size_is_the_images_k_may_be_the_sensors(roi):
    sensor = Calibration(320, 240, (307.0, 0, 319.5, 0, 307.0, 199.5, 0, 0, 1), roi=roi)
    assert sensor.for_image(320, 240) == Camera(307, 307, 159.5, 119.5, 320, 240)


@pytest.mark.parametrize("binning", [(1, 1), (2, 2)])
def test_where_the_size_is_the_images_k_may_be_the_images_too(binning):
    image = Calibration(320, 240, (307.0, 0, 159.5, 0, 307.0, 119.5, 0, 0, 1), binning=binning, roi=(160, 80, 320, 240))
    assert image.for_image(320, 240) == Camera(307, 307, 159.5, 119.5, 320, 240)


def test_where_the_size_is_the_binned_images_k_may_be_the_sensors():
    sensor = Calibration(320, 240, (614.0, 0, 319.5, 0, 614.0, 239.5, 0, 0, 1), binning=(2, 2))
    assert sensor.for_image(320, 240) == Camera(307, 307, 159.5, 119.5, 320, 240)


def test_rectified_images_are_projected_by_p_without_distortion():
    assert replace(SENSOR, rectified=True).for_image(640, 480) == Camera(500, 510, 320, 240, 640, 480)
    cropped = replace(SENSOR, rectified=True, roi=(100, 50, 320, 240)).for_image(320, 240)
    assert (cropped.cx, cropped.cy, cropped.distortion) == (220, 190, ())


def test_rectified_images_need_p_alone():
    assert replace(SENSOR, rectified=True, k=(0.0,) * 9).for_image(640, 480).fx == 500


@pytest.mark.parametrize("model", ["", "none", "pinhole", "Plumb_Bob", "inverse_brown_conrady"])
@pytest.mark.parametrize("d", [(), (0.0,) * 5])
def test_without_distortion_the_name_of_its_model_means_nothing(model, d):
    assert replace(SENSOR, model=model, d=d).for_image(640, 480) == replace(RAW, distortion=())


@pytest.mark.parametrize(
    ("change", "image", "named"),
    [
        ({"k": (0.0,) * 9}, (640, 480), r"camera_info\.k"),
        ({"rectified": True, "p": (0.0,) * 12}, (640, 480), r"camera_info\.p"),
        ({"k": (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)}, (640, 480), r"camera_info\.k.*pixels"),
        ({"k": (0.9, 0, 0.5, 0, 1.2, 0.5, 0, 0, 1.0)}, (640, 480), r"camera_info\.k.*pixels"),
        ({"k": (600.0, 0, 0, 0, 610.0, 0, 330.0, 250.0, 1)}, (640, 480), r"camera_info\.k.*principal point"),
        ({"rectified": True, "p": (1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1, 0)}, (640, 480), r"camera_info\.p"),
        ({"k": (600.0, 0, 330.0, 0, 1800.0, 250.0, 0, 0, 1)}, (640, 480), r"camera_info\.k.*square pixels.*fy=1800"),
        ({"k": (600.0, 0, 330.0, 0, 1.0, 250.0, 0, 0, 1)}, (640, 480), r"camera_info\.k.*square pixels"),
        ({"k": (float("nan"), 0, 330.0, 0, 600.0, 250.0, 0, 0, 1)}, (640, 480), r"camera_info\.k.*fx=nan"),
        ({"width": 0, "height": 0}, (640, 480), "width and height"),
        ({}, (320, 240), "640x480.*320x240"),
        ({"binning": (2, 2)}, (160, 120), "binning"),
        ({"roi": (10, 20, 100, 90)}, (320, 240), "roi"),
    ],
)
def test_what_cannot_be_reconciled_is_named(change, image, named):
    with pytest.raises(ValueError, match=named):
        replace(SENSOR, **change).for_image(*image)


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_an_image_turned_upright_has_the_camera_turned_with_it(model):
    distortion = {"plumb_bob": (-0.2, 0.05, 0.004, -0.006, 0.01), "equidistant": (0.1, 0.02, -0.01, 0.003)}
    d = distortion.get(model, (-0.2, 0.05, 0.004, -0.006, 0.01, 0.02, 0.01, 0.003, 0.002, -0.001, 0.004, 0.003))
    sensor = replace(SENSOR, d=d, model=model)
    upright = sensor.for_image(480, 640)
    x, y = sensor.for_image(640, 480).project(POINTS).T
    turned = POINTS[:, [1, 0, 2]] * (-1, 1, 1)  # clockwise: what was up is right
    np.testing.assert_allclose(upright.project(turned), np.stack([480 - 1 - y, x], -1), atol=1e-9)


def test_exchanged_width_and_height_are_exchanged_back_if_that_puts_the_principal_point_in_the_middle():
    exchanged = replace(SENSOR, width=480, height=640)
    assert exchanged.for_image(640, 480) == RAW
    assert "exchanged" in exchanged.guess(640, 480)
    assert "rotated clockwise" in SENSOR.guess(480, 640)
    assert SENSOR.guess(640, 480) == ""
    assert replace(SENSOR, orientation=6).guess(480, 640) == ""


@pytest.mark.parametrize(
    ("orientation", "size", "seen", "place"),
    [
        (1, (640, 480), lambda x, y, z: (x, y, z), lambda x, y: (x, y)),
        (6, (480, 640), lambda x, y, z: (-y, x, z), lambda x, y: (479 - y, x)),
        (3, (640, 480), lambda x, y, z: (-x, -y, z), lambda x, y: (639 - x, 479 - y)),
        (8, (480, 640), lambda x, y, z: (y, -x, z), lambda x, y: (y, 639 - x)),
    ],
)
def test_the_orientation_of_exif_moves_the_principal_point_with_the_image(orientation, size, seen, place):
    upright = replace(SENSOR, orientation=orientation).for_image(*size)
    points = np.stack(seen(*POINTS.T), -1)
    expected = np.stack(place(*SENSOR.for_image(640, 480).project(POINTS).T), -1)
    np.testing.assert_allclose(upright.project(points), expected, atol=1e-9)
    assert (upright.width, upright.height) == size


@pytest.mark.parametrize(("orientation", "size"), [(2, (640, 480)), (7, (480, 640)), (1, (480, 640)), (8, (640, 480))])
def test_an_orientation_that_mirrors_or_contradicts_the_size_is_refused(orientation, size):
    with pytest.raises(ValueError, match="camera_info"):
        replace(SENSOR, orientation=orientation).for_image(*size)


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("/camera/image_rect", True),
        ("/camera/image_rect_color/compressed", True),
        ("image_rect_raw", True),
        ("/camera/image_raw", False),
        ("/image_rectified_later/image_raw", False),
        ("/camera/image_raw/compressed", False),
        ("", False),
    ],
)
def test_rectified_topics_are_known_by_their_name(topic, expected):
    assert is_rectified(topic) is expected


FILE = """
image_width: 640
image_height: 480
camera_name: eye
camera_matrix: {rows: 3, cols: 3, data: [600, 0, 330, 0, 610, 250, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.3, 0.1, 0.002, 0.003, 0.01]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [500, 0, 320, 0, 0, 510, 240, 0, 0, 0, 1, 0]}
"""


def test_a_calibration_file_of_ros_is_read(tmp_path):
    (tmp_path / "eye.yaml").write_text(FILE)
    calibration = load_calibration(tmp_path / "eye.yaml")
    assert calibration.for_image(640, 480) == RAW
    assert replace(calibration, rectified=True).for_image(640, 480).fx == 500


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("image_width: 640", "", "image_width"),
        ("data: [600, 0, 330, 0, 610", "data: [600, 0, 330, 0", "camera_matrix .*9 .*8"),
        ("data: [600", "data: [soft", "camera_matrix .*data"),
        ("plumb_bob", "fish", "distortion_model .*fish"),
        (FILE, "just words", "expected image_width"),
        (FILE, "{a: [", "while parsing"),
    ],
)
def test_an_invalid_calibration_file_is_refused_with_its_name_in_one_line(tmp_path, old, new, named):
    (tmp_path / "eye.yaml").write_text(FILE.replace(old, new))
    with pytest.raises(ValueError, match=rf"eye\.yaml: .*{named}") as caught:
        load_calibration(tmp_path / "eye.yaml")
    assert "\n" not in str(caught.value)
