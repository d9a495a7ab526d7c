"""Data transforms."""

from .formatting import PackMaskedInputs
from .label_maps import LoadLabelMap
from .loading import (
    LoadReadableImage,
    LoadUprightImage,
    UnreadablePictureError,
)

__all__ = [
    'LoadLabelMap',
    'LoadReadableImage',
    'LoadUprightImage',
    'PackMaskedInputs',
    'UnreadablePictureError',
]
