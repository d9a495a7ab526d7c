"""Pictures: listing, loading, and their reproducible randomness."""

from .fingerprint import fingerprint
from .label_map_dataset import LabelMapDataset
from .orders import EpochOrder, physical_order
from .picture_folder import PictureFolder
from .picture_pairs import PicturePairs
from .picture_tars import PictureTars
from .samplers import (
    ResumableSampler,
    SeededInfiniteSampler,
    SeededSampler,
)
from .seeded import SampleKey, Seeded
from .transforms import (
    CappedResizeEdge,
    LoadChannels,
    LoadLabelMap,
    LoadReadableImage,
    LoadUprightImage,
    PackMaskedInputs,
    UnreadablePictureError,
    WrappedHueColorJitter,
)

__all__ = [
    'CappedResizeEdge',
    'EpochOrder',
    'LabelMapDataset',
    'LoadChannels',
    'LoadLabelMap',
    'LoadReadableImage',
    'LoadUprightImage',
    'PackMaskedInputs',
    'PictureFolder',
    'PicturePairs',
    'PictureTars',
    'ResumableSampler',
    'SampleKey',
    'Seeded',
    'SeededInfiniteSampler',
    'SeededSampler',
    'UnreadablePictureError',
    'WrappedHueColorJitter',
    'fingerprint',
    'physical_order',
]
