"""Smooth full-rate 3D human skeletons from camera images, with 2D detection on only every n-th frame."""

import os
from pkgutil import extend_path

# Few bytes of a compressed image may claim any size, and OpenCV would fill it. It looks here when it is first imported.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))

# The generated `uplift_ros.msg` lies in the install folder; a source checkout ahead of it on the path must not hide it.
__path__ = extend_path(__path__, __name__)
