"""Decoding the common JPEG by OpenCV, where that is sooner."""

import cv2
import numpy as np
from PIL import Image

#: Segments that tell how a picture is turned: EXIF and XMP.
_APP1 = 0xE1
#: Baseline, extended and progressive frames, of Huffman's codes.
_FRAMES = (0xC0, 0xC1, 0xC2)
_SCAN = 0xDA
#: Before this in a frame's header: length, precision, height and width.
_CHANNELS = 7


def decode_plain(data: bytes) -> np.ndarray | None:
    """A JPEG as Pillow decodes it, if it is of the common kind.

    That is a whole one of three channels of 8 bits, of no more pixels than
    Pillow opens without a warning, that neither EXIF nor XMP turns. Both
    libraries decode such by libjpeg-turbo.

    Args:
        data: A file.

    Returns:
        ``(H, W, 3)`` uint8 BGR; None for any other file.
    """
    if not (data.startswith(b'\xff\xd8\xff') and data.endswith(b'\xff\xd9')):
        return None
    place = 2
    while data[place : place + 1] == b'\xff':
        marker, begin = data[place + 1], place + 2
        if marker in _FRAMES:
            header = data[begin : begin + _CHANNELS + 1]
            if len(header) <= _CHANNELS or header[2::5] != b'\x08\x03':
                return None
            height = int.from_bytes(header[3:5], 'big')
            width = int.from_bytes(header[5:7], 'big')
            if height * width > (Image.MAX_IMAGE_PIXELS or 0):
                return None
            buffer = np.frombuffer(data, np.uint8)
            return cv2.imdecode(buffer, cv2.IMREAD_COLOR)
        if marker in (_APP1, _SCAN):
            return None
        place = begin + int.from_bytes(data[begin : begin + 2], 'big')
    return None
