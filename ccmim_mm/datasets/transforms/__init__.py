"""Data transforms."""

from .colours import WrappedHueColorJitter
from .formatting import PackMaskedInputs
from .label_maps import LoadLabelMap
from .loading import (
    LoadReadableImage,
    LoadUprightImage,
    UnreadablePictureError,
)
from .mask_shapes import BlockMaskNoise, MaskShape, UnitMaskNoise
from .resizing import CappedResizeEdge

__all__ = [
    'BlockMaskNoise',
    'CappedResizeEdge',
    'LoadLabelMap',
    'LoadReadableImage',
    'LoadUprightImage',
    'MaskShape',
    'PackMaskedInputs',
    'UnitMaskNoise',
    'UnreadablePictureError',
    'WrappedHueColorJitter',
]
