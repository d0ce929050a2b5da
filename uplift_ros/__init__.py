"""Smooth full-rate 3D human skeletons from camera images, with 2D detection on only every n-th frame."""

from pkgutil import extend_path

# The generated `uplift_ros.msg` lies in the install folder; a source checkout ahead of it on the path must not hide it.
__path__ = extend_path(__path__, __name__)
