"""Pictures: listing, loading, and their reproducible randomness."""

from .picture_folder import PictureFolder
from .samplers import (
    ResumableSampler,
    SeededInfiniteSampler,
    SeededSampler,
)
from .seeded import SampleKey, Seeded
from .transforms import (
    CappedResizeEdge,
    LoadLabelMap,
    LoadReadableImage,
    LoadUprightImage,
    PackMaskedInputs,
    UnreadablePictureError,
)

__all__ = [
    'CappedResizeEdge',
    'LoadLabelMap',
    'LoadReadableImage',
    'LoadUprightImage',
    'PackMaskedInputs',
    'PictureFolder',
    'ResumableSampler',
    'SampleKey',
    'Seeded',
    'SeededInfiniteSampler',
    'SeededSampler',
    'UnreadablePictureError',
]
