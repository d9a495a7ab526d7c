"""What becomes of a picture, whoever of how many loads it."""

import numpy as np
import pytest
from conftest import ROOT
from mmengine.config import Config
from test_datasets.test_pictures import PIPELINE
from torch.utils.data import DataLoader

from ccmim_mm.datasets import (
    PictureFolder,
    PicturePairs,
    Seeded,
    SeededSampler,
)

TWO_VIEWS = ROOT / 'configs/_base_/datasets/demo_bs64_two_views.py'
BLOCKS = dict(type='BlockMaskNoise', grid=4, mask_ratio=0.5, min_block=2)
UNITS = dict(type='UnitMaskNoise', grid=4, unit=2, mask_ratio=0.5)

#: Of each kind: the dataset, its pipeline, pictures and noise of a sample.
KINDS = {
    'views': (PictureFolder, Config.fromfile(TWO_VIEWS).train_pipeline, 2, 0),
    'pairs': (PicturePairs, PIPELINE, 2, 1),
    'blocks': (PictureFolder, [*PIPELINE[:-1], BLOCKS, PIPELINE[-1]], 1, 1),
    'units': (PictureFolder, [*PIPELINE[:-1], UNITS, PIPELINE[-1]], 1, 1),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def epoch(data, number=4, workers=0):
    """What there is of every picture in an epoch, by its path."""
    data = Seeded(data)
    order = SeededSampler(data, seed=3)
    order.set_epoch(number)
    loader = DataLoader(
        data, None, sampler=order, num_workers=workers, collate_fn=None
    )
    found = {}
    for packed in loader:
        inputs, sample = packed['inputs'], packed['data_samples']
        arrays = inputs if isinstance(inputs, list) else [inputs]
        if 'mask_noise' in sample:
            arrays = [*arrays, sample.mask_noise]
        found[sample.img_path] = [np.asarray(array) for array in arrays]
    return found


def differing(one, other):
    """How many of each picture's arrays differ, over all pictures."""
    assert one.keys() == other.keys()
    return sum(
        not np.array_equal(a, b)
        for path in one
        for a, b in zip(one[path], other[path], strict=True)
    )


@pytest.mark.parametrize('kind', KINDS)
def test_a_picture_is_the_same_for_any_workers_and_ranks(
    kind, picture_folder, monkeypatch
):
    dataset, pipeline, pictures, noise = KINDS[kind]
    data = dataset(data_root=str(picture_folder / 'train'), pipeline=pipeline)
    alone = epoch(data)
    assert len(alone) == 24
    for first, *others in alone.values():
        assert len(others) == pictures - 1 + noise
        assert not any(np.array_equal(first, other) for other in others)
    if kind in ('blocks', 'units'):
        assert {(noise >= 0.5).sum() for _, noise in alone.values()} == {8}
    # All of it is drawn.
    assert differing(alone, epoch(data, number=5)) > 20 * (pictures + noise)
    assert differing(alone, epoch(data, workers=2)) == 0
    ranks = []
    for rank in (0, 1):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda r=rank: (r, 2)
        )
        ranks.append(epoch(data))
    assert [len(rank) for rank in ranks] == [12, 12]
    assert differing(alone, ranks[0] | ranks[1]) == 0
