"""Data transforms."""

from .formatting import PackCCMIMInputs
from .loading import LoadUprightImage, UnreadablePictureError

__all__ = ['LoadUprightImage', 'PackCCMIMInputs', 'UnreadablePictureError']
