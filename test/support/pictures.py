"""Parts of image files."""

import struct


def exif(orientation: int, order: str = "<") -> bytes:
    """A JPEG segment, to follow the first two bytes of a file, with an orientation; `order` of its bytes: < or >."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    tiff = magic + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
