"""Smooth full-rate 3D human skeletons from camera images, with 2D detection on only every n-th frame."""

import os
from pkgutil import extend_path

# Limits that OpenCV reads at import. A small compressed image may declare any size, and OpenCV would allocate it. If
# a camera or video does not open, OpenCV prints many warnings in addition to our error.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

# From 1.29 on, ONNX Runtime's wheels for Linux report use and models to Microsoft, with an identifier of the machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# The generated `uplift_ros.msg` is in the install folder; a source checkout earlier on the path must not hide it.
__path__ = extend_path(__path__, __name__)
