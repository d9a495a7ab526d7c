"""Ranks that do not do the same say so, at once."""

import re
from types import SimpleNamespace

import pytest
from dist_helpers import run_ranks
from mmengine.config import Config
from teacher_cases import method, save_teacher

from ccmim_mm.engine import AgreementHook
from ccmim_mm.engine.runner.settings import flatten

pytestmark = pytest.mark.slow

#: What is different, and what each rank says.
SAID = dict(
    nothing=('', ''),
    config=(
        r"a\.0\.lr: '1\.0' on rank 0, '2\.0' on rank 1",
        r"a\.0\.lr: '2\.0' on rank 1, '1\.0' on rank 0",
    ),
    data=(
        'length of the data set: 100 on rank 0, 90 on rank 1',
        'length of the data set: 90 on rank 1, 100 on rank 0',
    ),
    teacher=(
        r"teacher \(SHA-256\): '(\w{12})' on rank 0, '(?!\1)\w{12}' on rank 1",
        r"teacher \(SHA-256\): '(\w{12})' on rank 1, '(?!\1)\w{12}' on rank 0",
    ),
)


class Loader:
    def __len__(self):
        return 10


def disagreements(rank, folders):
    """What the hook says on this rank, by what is different."""
    # On each rank under the same name, as on its own disk.
    teachers = [save_teacher(folders[rank], seed=rank * n)[0] for n in (0, 1)]
    methods = [method(path) for path in teachers]
    return {
        different: disagreement(rank, different, methods) for different in SAID
    }


def disagreement(rank, different, methods):
    lr = 2.0 if different == 'config' and rank else 1.0
    pictures = 90 if different == 'data' and rank else 100
    loader = Loader()
    loader.dataset = range(pictures)
    cfg = Config(dict(a=[dict(lr=lr)], work_dir=f'out{rank}'))
    runner = SimpleNamespace(
        cfg=cfg,
        train_dataloader=loader,
        model=methods[different == 'teacher'],
    )
    try:
        AgreementHook().before_train(runner)
    except ValueError as error:
        return str(error)
    return ''


def test_every_rank_names_the_difference(tmp_path):
    folders = [tmp_path / str(rank) for rank in range(2)]
    for folder in folders:
        folder.mkdir()
    results = run_ranks(disagreements, args=(folders,))
    for different, said in SAID.items():
        for result, expected in zip(results, said, strict=True):
            assert re.search(expected, result[different])
            assert bool(result[different]) == bool(expected)


def test_flatten():
    assert flatten(dict(a=[1, dict(b='x')], c=None)) == {
        'a.0': '1',
        'a.1.b': "'x'",
        'c': 'None',
    }
