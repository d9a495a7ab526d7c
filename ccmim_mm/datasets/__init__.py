"""Pictures: listing, loading, and their reproducible randomness."""

from .picture_folder import PictureFolder
from .samplers import SampleKey, SeededSampler
from .transforms import (
    LoadUprightImage,
    PackCCMIMInputs,
    UnreadablePictureError,
)

__all__ = [
    'LoadUprightImage',
    'PackCCMIMInputs',
    'PictureFolder',
    'SampleKey',
    'SeededSampler',
    'UnreadablePictureError',
]
