"""Data transforms."""

from .channels import ChannelsError, LoadChannels
from .colours import WrappedHueColorJitter
from .formatting import PackMaskedInputs
from .label_maps import LoadLabelMap
from .loading import LoadReadableImage, LoadUprightImage
from .mask_shapes import BlockMaskNoise, MaskShape, UnitMaskNoise
from .resizing import CappedResizeEdge, ChannelsResizedCrop
from .unreadable import UnreadablePictureError

__all__ = [
    'BlockMaskNoise',
    'CappedResizeEdge',
    'ChannelsError',
    'ChannelsResizedCrop',
    'LoadChannels',
    'LoadLabelMap',
    'LoadReadableImage',
    'LoadUprightImage',
    'MaskShape',
    'PackMaskedInputs',
    'UnitMaskNoise',
    'UnreadablePictureError',
    'WrappedHueColorJitter',
]
