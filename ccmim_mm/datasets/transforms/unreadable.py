"""What is said of a picture that cannot be read."""

import contextlib
import io
import re

from PIL import Image

from ...files import printable
from ..remote.store import ShardError
from .depth import TIFF

#: How NumPy's arrays begin.
ARRAY = b'\x93NUMPY'


class UnreadablePictureError(OSError):
    """A picture that cannot be read; training goes on with another.

    The message is one line, whatever bytes the path has.

    Args:
        path: The file.
        reason: What the decoder said.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(printable(f'{path}: {reason}'))
        self.path = path
        self.reason = reason

    def __reduce__(self):
        # A worker process hands its exceptions over by pickle.
        return type(self), (self.path, self.reason)


def unreadable(
    path: str, error: Exception, hint: str = ''
) -> UnreadablePictureError:
    """What a decoder said about a file, the same every time.

    Raises:
        ShardError: If it is that: a store that does not answer is no fault
            of the picture, and another one in its place would be other bits.
    """
    if isinstance(error, ShardError):
        raise error
    # Pillow names its buffer by an address that changes.
    text = re.sub(r' <_io\.BytesIO object at 0x\w+>', '', str(error))
    if isinstance(error, Image.DecompressionBombError):
        # It names its limit.
        text = text.rstrip('.') + ': cut it into tiles'
    return UnreadablePictureError(
        path, f'{type(error).__name__}: {text}{hint}'
    )


def many_channels(data: bytes) -> str:
    """What helps with a file that is no RGB; nothing if it is none such."""
    count = 0
    if data.startswith(ARRAY):
        return ': --channels N trains on arrays of N channels'
    if data.startswith(TIFF):
        # A broken one raises nearly anything.
        with contextlib.suppress(Exception):
            import tifffile

            with tifffile.TiffFile(io.BytesIO(data)) as file:
                count = file.pages.first.samplesperpixel
    if count <= len('RGBA'):
        return ''
    return f': it has {count} channels: --channels {count} trains on such'
