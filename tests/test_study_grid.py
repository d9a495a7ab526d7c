"""A study's grid and its statistics."""

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmpretrain.registry import MODELS

from ccmim_mm.apis import apply_options
from ccmim_tools.studies import (
    execute,
    expand,
    load_grid,
    select,
)
from ccmim_tools.studies.execute import child_environment
from ccmim_tools.studies.report import tables
from ccmim_tools.studies.results import COLUMNS, TYPES, picture_gflops
from ccmim_tools.studies.statistics import (
    final_values,
    interval,
    paired,
    spread,
)

pytestmark = pytest.mark.slow

GRIDS = sorted(ROOT.glob('configs/study/grid_*.py'))
TINY = ROOT / 'tests/tiny_grid.py'


read = cache(Config.fromfile)


def merged(run):
    cfg = copy.deepcopy(read(ROOT / run.config))
    cfg.merge_from_dict(run.options)
    return cfg


@pytest.mark.parametrize('path', GRIDS, ids=lambda path: path.stem)
def test_every_cell_builds_and_its_schedule_ends_with_it(path):
    built = []
    grid = load_grid(path)
    for run in select(expand(grid), seeds=[1]):
        cfg = merged(run)
        if run.stage in grid.transfers:
            # What it keeps, and a budget that all methods have.
            apply_options(copy.deepcopy(read(ROOT / run.config)), run.options)
            continue
        if cfg.model.type == 'ImageClassifier':
            cfg.model.head.num_classes = 10
        if cfg.model not in built:
            built.append(cfg.model)
            # A ResNet reads tensors while it is built.
            device = 'cpu' if cfg.model.backbone.type == 'ResNet' else 'meta'
            with torch.device(device):
                MODELS.build(cfg.model)
        epochs = cfg.train_cfg.max_epochs
        warmup, cosine = cfg.param_scheduler
        assert (warmup.end, cosine.end) == (cosine.begin, epochs)
        assert cosine.T_max == pytest.approx(epochs - warmup.end)
        assert cfg.randomness.seed == 1
        assert epochs / 2 <= cfg.train_cfg.val_interval < epochs / 2 + 1


def test_the_methods_are_what_they_are_called():
    runs = expand(load_grid(ROOT / 'configs/study/grid_tiny.py'))
    runs = select(runs, datasets=['eurosat'], seeds=[0], stages=['pretrain'])
    models = {run.method: merged(run).model for run in runs}

    def parts(name):
        model = models[name]
        random = model.mask_sampler.type == 'RandomMaskSampler'
        return random, model.align_head is None

    assert parts('mae') == (True, True)
    assert parts('scored_masks') == (False, True)
    assert parts('alignment') == (True, False)
    assert parts('ccmim') == (False, False)
    costs = {run.method: picture_gflops(merged(run)) for run in runs}
    # Masked and score passes forward only; backward is twice the forward.
    assert costs['ccmim'] - costs['alignment'] == pytest.approx(
        costs['scored_masks'] - costs['mae']
    )
    assert costs['masked_grad'] > costs['ccmim'] > costs['fast']
    fast = {**models['score_layers_1'], **models['align_a_third']}
    assert models['fast'].keys() == fast.keys()
    assert models['fast'].backbone == models['score_layers_1'].backbone
    assert (
        models['fast'].align_patches == models['align_a_third'].align_patches
    )


def test_only_the_options_tell_cells_apart():
    """Identical data, code, encoder, decoder and epochs."""
    runs = expand(load_grid(ROOT / 'configs/study/grid_tiny.py'))
    runs = select(runs, seeds=[2], stages=['pretrain'], datasets=['pets'])
    reference = select(runs, methods=['ccmim'])[0]
    others = set()
    for run in runs:
        differ = {
            key
            for key in {*run.options, *reference.options}
            if run.options.get(key, ...) != reference.options.get(key, ...)
        }
        epochs = 'train_cfg.max_epochs'
        if run.options[epochs] == reference.options[epochs]:
            assert all(key.startswith('model.') for key in differ)
            others |= differ
        assert run.config == reference.config
    assert 'model.align_head' in others


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("'no_pretraining', 'ccmim'", "'cmim'", r"\['cmim'\], which are no"),
        ("method='mae'", "method='mea'", r"\['mea'\], which are no"),
        ('mae_x1_5', 'mae', 'two methods the same name'),
        ('seeds =', 'seed =', 'lacks seeds'),
        ("head': None", "head': dict(a=1)", 'align_head.KEY=VALUE'),
        (
            "img_size': 32",
            "img_size': dict(a=1)",
            r'datasets\.pictures\.finetune\.options: .*img_size\.KEY=VALUE',
        ),
        (', length=1.5', '', r'lengths\.mae_x1_5 lacks length'),
        ('epochs=2', 'epoch=2', r'datasets\.pictures lacks epochs'),
        (
            'epochs=1,\n            warmup=0.5',
            'epochs=1',
            r'pictures\.finetune lacks warmup',
        ),
        (
            'length=1.5',
            'length=0.2',
            r'lengths\.mae_x1_5 of datasets\.pictures: 0\.4 epochs come to no',
        ),
        (
            'epochs=1,',
            'epochs=0.5,',
            r'finetune: 0\.5 epochs come to none: give 1 or more',
        ),
        (
            'epochs=2,\n        warmup=0.5',
            'epochs=2,\n        warmup=2',
            r'datasets\.pictures: a warm-up of 2 of 2 epochs: give a shorter',
        ),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(tmp_path, old, new, message):
    text = TINY.read_text()
    assert old in text
    (tmp_path / 'grid.py').write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_grid(tmp_path / 'grid.py')


def test_a_name_that_is_not_in_the_grid_is_refused():
    runs = expand(load_grid(TINY))
    with pytest.raises(ValueError, match='no method maee, but ccmim, mae'):
        select(runs, methods=['ccmim', 'maee'])


def test_bad_input_is_named_before_anything_runs(
    tmp_path, monkeypatch, picture_folder
):
    runs, work_dir = expand(load_grid(TINY)), tmp_path / 'runs'
    with pytest.raises(FileNotFoundError, match=r'pictures.*--data-root'):
        execute(runs, work_dir, tmp_path)
    (tmp_path / 'pictures').symlink_to(picture_folder / 'train')
    with pytest.raises(ValueError, match=r'needs .*/train/CLASS'):
        execute(runs, work_dir, tmp_path)
    typo = replace(runs[0], options={**runs[0].options, 'modle.x': 1})
    with pytest.raises(ValueError, match='modle; did you mean model'):
        execute([typo], work_dir, tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match='no config tests'):
        execute(runs, work_dir, tmp_path)
    assert not work_dir.exists()


def test_slots_share_gpus_or_cores(monkeypatch):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr('os.sched_getaffinity', lambda _: {*range(8)})

    def gpu(slot):
        return child_environment(slot, 3, 2)['CUDA_VISIBLE_DEVICES']

    assert [gpu(slot) for slot in range(3)] == ['0', '1', '0']
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5,7')
    assert [gpu(slot) for slot in range(3)] == ['5', '7', '5']
    assert child_environment(0, 3, 0)['OMP_NUM_THREADS'] == '2'
    monkeypatch.setenv('OMP_NUM_THREADS', '4')
    assert child_environment(0, 3, 0)['OMP_NUM_THREADS'] == '4'


def finals(**methods):
    """A table like that of final_values: values of one column by seed."""
    values = {(m, s): v for m, seeds in methods.items() for s, v in seeds}
    index = pd.MultiIndex.from_tuples(values, names=['method', 'seed'])
    return pd.DataFrame({'x': [*values.values()]}, index)


def test_paired_differences():
    """Against Student's t by the book: 2 degrees of freedom, 4.3027."""
    values = [(0, 3.0), (1, 5.0), (2, 7.0), (5, 99.0)]
    final = finals(
        a=values,
        a_more=[(seed, value + 1) for seed, value in values],
        b=[(0, 2.0), (1, 3.0), (2, 4.0), (7, 0.0)],
        single=[(0, 1.0)],
        apart=[(9, 1.0)],
    )

    def difference(method):
        return interval(paired(final, 'b').loc[method, 'x'])

    found = difference('a')
    assert (found.mean, found.seeds) == (2.0, 3)
    assert found.half == pytest.approx(4.30265 / 3**0.5, rel=1e-4)
    assert not found.is_clear
    shifted = difference('a_more')
    assert shifted.half == pytest.approx(found.half) and shifted.is_clear
    single = difference('single')
    assert (single.mean, single.seeds) == (-1.0, 1)
    assert np.isnan(single.half) and not single.is_clear
    assert difference('apart').seeds == 0
    assert paired(final, 'not_run').isna().all(axis=None)
    assert spread(pd.Series([1.0, 2.0, 3.0])) == (2.0, 1.0, 3)


def test_final_values_are_those_of_the_end():
    """A run whose last features were not finite has not those before."""
    rows = pd.DataFrame(
        [(0, 1.0), (0, 2.0), (1, 3.0), (2, 4.0), (2, None)],
        columns=['seed', 'x'],
    )
    final = final_values(rows.assign(dataset='d', method='m'))
    assert final.loc['m', 'x'].dropna().to_dict() == {0: 2.0, 1: 3.0}


def test_the_published_tables_are_of_the_published_results():
    folder = ROOT / 'docs/study'
    rows = pd.read_csv(folder / 'results.csv', dtype=TYPES)
    assert {*rows} <= {*COLUMNS}
    grid = load_grid(ROOT / 'configs/study/grid_tiny.py')
    expected = (folder / 'tables.md').read_text()
    assert tables(rows, grid.references, grid.core) == expected
