"""Data transforms."""

from .formatting import PackCCMIMInputs
from .label_maps import LoadLabelMap
from .loading import LoadUprightImage, UnreadablePictureError
from .reduced_loading import LoadRandomResizedCrop

__all__ = [
    'LoadLabelMap',
    'LoadRandomResizedCrop',
    'LoadUprightImage',
    'PackCCMIMInputs',
    'UnreadablePictureError',
]
