"""Pictures: listing, loading, and their reproducible randomness."""

from .picture_folder import PictureFolder
from .samplers import SampleKey, SeededSampler
from .transforms import (
    LoadRandomResizedCrop,
    LoadUprightImage,
    PackCCMIMInputs,
    UnreadablePictureError,
)

__all__ = [
    'LoadRandomResizedCrop',
    'LoadUprightImage',
    'PackCCMIMInputs',
    'PictureFolder',
    'SampleKey',
    'SeededSampler',
    'UnreadablePictureError',
]
