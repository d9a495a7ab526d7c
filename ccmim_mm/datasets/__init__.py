"""Pictures: listing, loading, and their reproducible randomness."""

from .picture_folder import PictureFolder
from .samplers import SampleKey, SeededSampler
from .transforms import (
    LoadLabelMap,
    LoadRandomResizedCrop,
    LoadUprightImage,
    PackCCMIMInputs,
    UnreadablePictureError,
)

__all__ = [
    'LoadLabelMap',
    'LoadRandomResizedCrop',
    'LoadUprightImage',
    'PackCCMIMInputs',
    'PictureFolder',
    'SampleKey',
    'SeededSampler',
    'UnreadablePictureError',
]
