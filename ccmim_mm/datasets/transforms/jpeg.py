"""Decoding the common JPEG by OpenCV, where that is sooner."""

import cv2
import numpy as np
from PIL import Image

#: Baseline, extended and progressive frames, of Huffman's codes.
_FRAMES = (0xC0, 0xC1, 0xC2)
#: Tables, restarts, a comment, and what programs add: that neither turns a
#: picture nor leads elsewhere. APP1, where EXIF and XMP lie, is none of them.
_PASSED = (0xC4, 0xDB, 0xDD, 0xFE, 0xE0, *range(0xE2, 0xF0))
_SCAN = 0xDA
#: Before this in a frame's header: length, precision, height and width.
_CHANNELS = 7


def decode_plain(data: bytes) -> np.ndarray | None:
    """A JPEG as Pillow decodes it, if it is of the common kind.

    That is a whole one of three channels of 8 bits, of no more pixels than
    Pillow opens without a warning, without EXIF and XMP. Both libraries
    decode such by libjpeg-turbo. A damaged one that has its beginning and its
    end may come out as OpenCV reads it, which tells of no damage, where
    Pillow refuses it.

    Args:
        data: A file.

    Returns:
        ``(H, W, 3)`` uint8 BGR; None for any other file, and where OpenCV
        finds no picture.
    """
    if not (data.startswith(b'\xff\xd8\xff') and data.endswith(b'\xff\xd9')):
        return None
    place, framed = 2, False
    while data[place : place + 1] == b'\xff':
        marker, begin = data[place + 1], place + 2
        if marker == _SCAN and framed:
            buffer = np.frombuffer(data, np.uint8)
            return cv2.imdecode(buffer, cv2.IMREAD_COLOR)
        if marker in _FRAMES:
            header = data[begin : begin + _CHANNELS + 1]
            if framed or not _is_common(header):
                return None
            framed = True
        elif marker not in _PASSED:
            return None
        place = begin + int.from_bytes(data[begin : begin + 2], 'big')
    return None


def _is_common(header: bytes) -> bool:
    """Whether a frame has three channels of 8 bits, and not too many pixels.

    Args:
        header: What is behind its marker, up to the channels' number.
    """
    if len(header) <= _CHANNELS or header[2::5] != b'\x08\x03':
        return False
    height = int.from_bytes(header[3:5], 'big')
    width = int.from_bytes(header[5:7], 'big')
    return height * width <= (Image.MAX_IMAGE_PIXELS or 0)
