"""Data transforms."""

from .formatting import PackMaskedInputs
from .label_maps import LoadLabelMap
from .loading import (
    LoadReadableImage,
    LoadUprightImage,
    UnreadablePictureError,
)
from .resizing import CappedResizeEdge

__all__ = [
    'CappedResizeEdge',
    'LoadLabelMap',
    'LoadReadableImage',
    'LoadUprightImage',
    'PackMaskedInputs',
    'UnreadablePictureError',
]
