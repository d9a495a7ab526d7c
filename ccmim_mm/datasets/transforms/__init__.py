"""Data transforms."""

from .formatting import PackCCMIMInputs
from .loading import LoadUprightImage, UnreadablePictureError
from .reduced_loading import LoadRandomResizedCrop

__all__ = [
    'LoadRandomResizedCrop',
    'LoadUprightImage',
    'PackCCMIMInputs',
    'UnreadablePictureError',
]
