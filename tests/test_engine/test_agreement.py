"""Ranks that do not do the same say so, at once."""

from types import SimpleNamespace

import pytest
from dist_helpers import run_ranks
from mmengine.config import Config

from ccmim_mm.engine import AgreementHook
from ccmim_mm.engine.runner.settings import flatten


class Loader:
    def __len__(self):
        return 10


def disagreement(rank, different):
    """What the hook says on this rank."""
    lr = 2.0 if different == 'config' and rank else 1.0
    pictures = 90 if different == 'data' and rank else 100
    loader = Loader()
    loader.dataset = range(pictures)
    cfg = Config(dict(a=[dict(lr=lr)], work_dir=f'out{rank}'))
    runner = SimpleNamespace(cfg=cfg, train_dataloader=loader)
    try:
        AgreementHook().before_train(runner)
    except ValueError as error:
        return str(error)
    return ''


@pytest.mark.parametrize(
    ('different', 'said'),
    [
        ('nothing', ('', '')),
        (
            'config',
            (
                "a.0.lr: '1.0' on rank 0, '2.0' on rank 1",
                "a.0.lr: '2.0' on rank 1, '1.0' on rank 0",
            ),
        ),
        (
            'data',
            (
                'length of the data set: 100 on rank 0, 90 on rank 1',
                'length of the data set: 90 on rank 1, 100 on rank 0',
            ),
        ),
    ],
)
def test_every_rank_names_the_difference(different, said):
    found = run_ranks(disagreement, args=(different,))
    for message, expected in zip(found, said, strict=True):
        assert expected in message
        assert bool(message) == bool(expected)


def test_flatten():
    assert flatten(dict(a=[1, dict(b='x')], c=None)) == {
        'a.0': '1',
        'a.1.b': "'x'",
        'c': 'None',
    }
