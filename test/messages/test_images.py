import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from support.pictures import exif

from uplift_ros.messages.images import DEEP, TO_RGB, exif_orientation, to_metres, to_rgb

COLOURS = [(200, 40, 60), (30, 190, 80), (20, 60, 210), (120, 120, 120)]
"""RGB; even a swap of two channels changes each but the last."""

PATTERNS = {"rggb": (0, 1, 1, 2), "bggr": (2, 1, 1, 0), "gbrg": (1, 2, 0, 1), "grbg": (1, 0, 2, 1)}


def message(pixels: np.ndarray, encoding: str, padding: int = 0) -> SimpleNamespace:
    """An Image of (H, W, bytes per pixel), with rows padded at their end."""
    height, width = pixels.shape[:2]
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)), constant_values=255)
    return SimpleNamespace(height=height, width=width, encoding=encoding, step=rows.shape[1], data=rows.tobytes())


def encode(colour: tuple[int, int, int], encoding: str, height: int = 8, width: int = 12) -> np.ndarray:
    """An image of one colour in an encoding of sensor_msgs/Image."""
    rgb = np.full((height, width, 3), colour, np.uint8)
    alpha = np.full((height, width, 1), 255, np.uint8)
    if encoding.startswith("bayer"):
        mosaic = np.empty((height, width, 1), np.uint8)
        for cell, channel in enumerate(PATTERNS[encoding[6:10]]):
            mosaic[cell // 2 :: 2, cell % 2 :: 2] = colour[channel]
        return mosaic
    if encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        # Video range (BT.601), which cameras send: Y from 16 to 235, U and V from 16 to 240.
        red, green, blue = colour
        y = round(16 + 0.257 * red + 0.504 * green + 0.098 * blue)
        u = round(128 - 0.148 * red - 0.291 * green + 0.439 * blue)
        v = round(128 + 0.439 * red - 0.368 * green - 0.071 * blue)
        pair = [u, y, v, y] if encoding in ("yuv422", "uyvy") else [y, u, y, v]
        return np.tile(np.array(pair, np.uint8), (height, width // 2)).reshape(height, width, 2)
    return {
        "rgb8": rgb,
        "bgr8": rgb[..., ::-1],
        "8UC3": rgb[..., ::-1],
        "rgba8": np.concatenate([rgb, alpha], 2),
        "bgra8": np.concatenate([rgb[..., ::-1], alpha], 2),
        "8UC4": np.concatenate([rgb[..., ::-1], alpha], 2),
    }[encoding]


@pytest.mark.parametrize("encoding", sorted(set(TO_RGB) - {"mono8", "8UC1"}))
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_encoding_gives_its_colour_back(encoding, colour):
    image = to_rgb(message(encode(colour, encoding), encoding))
    assert image.shape == (8, 12, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[4, 6].astype(int), colour, atol=4)


@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("encoding", sorted(DEEP))
def test_of_two_bytes_in_a_channel_the_upper_one_is_kept(encoding, is_bigendian):
    random = np.random.default_rng(0)
    shallow = random.integers(0, 256, (8, 12, TO_RGB[DEEP[encoding]][0]), np.uint8)
    lower = random.integers(0, 256, shallow.shape, np.uint8)
    both = np.stack([shallow, lower] if is_bigendian else [lower, shallow], -1)
    image = message(both, encoding, padding=6)
    image.is_bigendian = is_bigendian
    np.testing.assert_array_equal(to_rgb(image), to_rgb(message(shallow, DEEP[encoding])))


def test_all_bayer_patterns_and_grey_come_with_eight_and_sixteen_bits():
    patterns = {f"bayer_{pattern}" for pattern in PATTERNS} | {"mono"}
    assert {f"{name}8" for name in patterns} <= set(TO_RGB)
    assert {f"{name}16" for name in patterns} <= set(DEEP)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey_images_become_grey_rgb(encoding):
    grey = np.arange(96, dtype=np.uint8).reshape(8, 12, 1)
    np.testing.assert_array_equal(to_rgb(message(grey, encoding)), np.repeat(grey, 3, axis=2))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8"])
def test_padding_at_the_end_of_rows_is_left_out(encoding):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, TO_RGB[encoding][0]), np.uint8)
    np.testing.assert_array_equal(to_rgb(message(pixels, encoding, padding=5)), to_rgb(message(pixels, encoding)))


@pytest.mark.parametrize(("encoding", "tolerance"), [(".png", 0), (".jpg", 6)])
def test_compressed_images_are_decoded(encoding, tolerance):
    rgb = np.full((16, 24, 3), COLOURS[0], np.uint8)
    data = cv2.imencode(encoding, rgb[..., ::-1])[1].tobytes()
    image = to_rgb(SimpleNamespace(format=encoding, data=data))
    np.testing.assert_allclose(image.astype(int), rgb.astype(int), atol=tolerance)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"encoding": "16UC1"}, "encoding"),
        ({"encoding": ""}, "encoding"),
        ({"step": 35}, "step"),
        ({"step": 0}, "step"),
        ({"data": bytes(287)}, "data"),
        ({"data": b""}, "data"),
        ({"height": 0}, "height"),
        ({"height": 4_000_000_000}, "data"),
    ],
)
def test_an_image_that_does_not_fit_its_description_is_refused(changed, named):
    image = message(np.zeros((8, 12, 3), np.uint8), "rgb8")
    vars(image).update(changed)
    with pytest.raises(ValueError, match=named):
        to_rgb(image)


def test_a_size_that_an_encoding_cannot_have_is_refused():
    with pytest.raises(ValueError, match="yuyv"):
        to_rgb(message(np.zeros((4, 7, 2), np.uint8), "yuyv"))


@pytest.mark.parametrize("data", [b"", b"no image", bytes(100)])
def test_compressed_data_that_is_no_image_is_refused(data):
    with pytest.raises(ValueError, match="format 'jpeg'"):
        to_rgb(SimpleNamespace(format="jpeg", data=data))


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize(("encoding", "kind", "unit"), [("16UC1", "u2", 0.001), ("32FC1", "f4", 1.0)])
def test_depth_is_in_metres_whatever_its_encoding(encoding, kind, unit, is_bigendian):
    metres = np.array([[0.5, 1.25, 0.0], [4.0, 10.0, 2.5]])
    stored = (metres / unit).astype((">" if is_bigendian else "<") + kind)
    padded = np.hstack([stored.view(np.uint8), np.zeros((2, 5), np.uint8)])
    image = SimpleNamespace(
        height=2, width=3, encoding=encoding, is_bigendian=is_bigendian, step=padded.shape[1], data=padded.tobytes()
    )
    np.testing.assert_allclose(to_metres(image), metres, rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"encoding": "8UC1"}, "depth encoding"), ({"step": 5}, "depth data"), ({"height": 3}, "depth data")],
)
def test_depth_that_does_not_fit_its_description_is_refused(changed, named):
    image = SimpleNamespace(height=2, width=3, encoding="16UC1", is_bigendian=False, step=6, data=bytes(12))
    vars(image).update(changed)
    with pytest.raises(ValueError, match=named):
        to_metres(image)


@pytest.mark.parametrize("big_endian", [0, 1])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_images_keep_the_upper_of_the_bits_that_they_use(bits, big_endian):
    white = (1 << bits) - 1
    values = np.array([[0, white // 2, white]], ">u2" if big_endian else "<u2")
    message = SimpleNamespace(
        height=1, width=3, encoding="mono16", step=6, is_bigendian=big_endian, data=values.view(np.uint8).ravel()
    )
    assert to_rgb(message)[0, :, 0].tolist() == [0, 127, 255]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_png_images_keep_the_upper_bits_too(bits):
    white = (1 << bits) - 1
    data = cv2.imencode(".png", np.array([[0, white // 2, white]], np.uint16))[1].tobytes()
    assert to_rgb(SimpleNamespace(format="mono16; png compressed", data=data))[0].tolist() == [
        [0, 0, 0],
        [127, 127, 127],
        [255, 255, 255],
    ]


@pytest.mark.parametrize("header", [b"", bytes(12)])
def test_compressed_depth_is_no_picture(header):
    data = header + cv2.imencode(".png", np.full((4, 4), 2000, np.uint16))[1].tobytes()
    with pytest.raises(ValueError, match=r"'16UC1; compressedDepth png'.*depth"):
        to_rgb(SimpleNamespace(format="16UC1; compressedDepth png", data=data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_exif_is_the_one_that_decoding_applies(orientation, order):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16] = 255  # white in the upper left corner
    plain = cv2.imencode(".png", pixels)[1].tobytes()
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
    data = jpeg[:2] + exif(orientation, order) + jpeg[2:]
    assert exif_orientation(b"header" * 9 + data) == orientation
    image = to_rgb(SimpleNamespace(format="jpeg", data=data))
    upright = {1: pixels, 3: np.rot90(pixels, 2), 6: np.rot90(pixels, -1), 8: np.rot90(pixels)}
    if orientation in upright:
        np.testing.assert_allclose(image, upright[orientation], atol=40)
    assert exif_orientation(plain) == exif_orientation(jpeg) == exif_orientation(data[:30]) == 0


BRIDGE_RUNS = """
from types import SimpleNamespace
from cv_bridge import CvBridge
pixel = SimpleNamespace(height=1, width=1, encoding="bgr8", step=3, is_bigendian=0, data=bytes(3))
CvBridge().imgmsg_to_cv2(pixel, "rgb8")
"""
"""In a process of its own: compiled for another NumPy than the one installed, cv_bridge may crash."""


@pytest.fixture(scope="module")
def bridge():
    if find_spec("cv_bridge") is None:
        pytest.skip("cv_bridge is not installed")
    if subprocess.run([sys.executable, "-c", BRIDGE_RUNS], capture_output=True, check=False).returncode:
        pytest.skip("cv_bridge does not run with this NumPy")
    from cv_bridge import CvBridge

    return CvBridge()


@pytest.mark.parametrize(
    "encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "yuv422", *(f"bayer_{pattern}8" for pattern in PATTERNS)]
)
def test_an_image_is_what_cv_bridge_makes_of_it(encoding, bridge):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, TO_RGB[encoding][0]), np.uint8)
    image = message(pixels, encoding)
    image.is_bigendian = 0
    np.testing.assert_array_equal(to_rgb(image), bridge.imgmsg_to_cv2(image, "rgb8"))
