"""Data transforms."""

from .formatting import PackCCMIMInputs
from .loading import LoadUprightImage, UnreadablePicture

__all__ = ['LoadUprightImage', 'PackCCMIMInputs', 'UnreadablePicture']
