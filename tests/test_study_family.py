"""A study of methods with configs and teachers of their own."""

import json
import logging
from collections import Counter
from importlib import import_module

import pytest
from conftest import ROOT
from mmengine.config import Config
from mmpretrain.registry import MODELS
from test_benchmark import layer_flops
from test_benchmark import main as benchmark
from test_study_grid import TINY, merged

from ccmim_tools.benchmarks.flops import step_flops
from ccmim_tools.benchmarks.methods import method_cost
from ccmim_tools.studies import execute, expand, load_grid, select

CHAIN = """
methods = dict(
    student=dict(teacher='middle', config='tests/tiny_teacher_config.py'),
    ccmim={},
    middle=dict(teacher='ccmim', config='tests/tiny_teacher_config.py'),
)
seeds = [0, 1]
lengths = dict(_delete_=True, long=dict(method='middle', length=2))
finetuned = ['no_pretraining', 'student']
"""


@pytest.fixture
def chain(tmp_path):
    """A teacher's student that is a teacher."""

    def write(old='', new=''):
        assert old in CHAIN
        path = tmp_path / 'grid.py'
        base = f'_base_ = {str(TINY)!r}\n'
        path.write_text(base + CHAIN.replace(old, new))
        return load_grid(path)

    return write


def test_a_teacher_is_its_methods_run_of_the_same_seed(chain, tmp_path):
    for seed in (0, 1):
        runs = {
            (run.stage, run.method): run
            for run in select(expand(chain()), seeds=[seed])
        }
        for name, teacher, epochs in (
            ('middle', 'ccmim', 2),
            ('long', 'ccmim', 2),
            ('student', 'middle', 2),
        ):
            run = runs['pretrain', name]
            assert run.teacher == runs['pretrain', teacher]
            assert run.config == 'tests/tiny_teacher_config.py'
            assert not {'teacher', 'config'} & {*run.options}
            command = run.command(tmp_path, tmp_path)
            checkpoint = command[command.index('--teacher') + 1]
            folder = f'pretrain/pictures/{teacher}/seed_{seed}'
            assert checkpoint == f'{tmp_path}/{folder}/epoch_{epochs}.pth'
            assert run.record['teacher'] == run.teacher.record
        assert runs['pretrain', 'long'].options['train_cfg.max_epochs'] == 4
        tuned = runs['finetune', 'student']
        assert '--teacher' not in tuned.command(tmp_path, tmp_path)
        assert tuned.record['pretraining']['teacher'] is not None
        # Studies of before go on.
        assert 'teacher' not in runs['pretrain', 'ccmim'].record


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("'middle', config", "'mimco', config", r"\['mimco'\], which are no"),
        ("'ccmim', config", "'student', config", 'be its own teacher'),
        ('ccmim={}', "ccmim=dict(teacher='ccmim')", 'be its own teacher'),
    ],
)
def test_a_teacher_that_cannot_be_is_refused(chain, old, new, message):
    with pytest.raises(ValueError, match=message):
        chain(old, new)


def test_students_wait_for_their_teachers(
    chain, tmp_path, picture_folder, monkeypatch
):
    runs = expand(chain())
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/pictures').symlink_to(picture_folder)
    done: list[str] = []
    early: list[str] = []

    def run_one(run, *_):
        if run.before is not None and run.before.name not in done:
            early.append(run.name)
        done.append(run.name)

    # The package shows its function under this name.
    module = import_module('ccmim_tools.studies.execute')
    monkeypatch.setattr(module, '_run', run_one)
    monkeypatch.setattr(module, 'is_done', lambda run, *_: run.name in done)
    assert execute(runs[::-1], tmp_path, tmp_path / 'data', jobs=3) == []
    assert early == []
    assert sorted(done) == sorted(run.name for run in runs)


def test_every_method_of_the_family_is_in_its_study():
    runs = expand(load_grid(ROOT / 'configs/study/grid_family.py'))
    runs = select(runs, seeds=[0], stages=['pretrain'])
    kinds = Counter(merged(run).model.type for run in runs)
    assert {*kinds} == {
        *('CCMIM', 'MaskDistill', 'MimCo', 'IMAE', 'MoCoV3Method'),
        *('SimCLRMethod', 'DenseCLMethod'),
    }
    # The same encoder, but for a mask token.
    encoders = [merged(run).model.backbone for run in runs]
    vits = [encoder for encoder in encoders if encoder.type != 'ResNet']
    sizes = {(e.img_size, e.patch_size, *e.arch.values()) for e in vits}
    assert sizes == {(64, 8, 128, 4, 4, 512)}
    assert len(vits) == len(runs) - kinds['DenseCLMethod']


def test_the_cost_of_any_method_is_that_of_its_step():
    cfg = Config.fromfile(ROOT / 'tests/tiny_config.py')
    whole = step_flops('ccmim', cfg.model)['step']
    assert method_cost(cfg)['step'] * 1e9 == pytest.approx(whole)
    cfg = Config.fromfile(ROOT / 'tests/tiny_teacher_config.py')
    with pytest.raises(ValueError, match=r'32 .* model.teacher.random'):
        method_cost(cfg)
    steps = []
    for layers in (1, 3):
        cfg.model.teacher.random = dict(
            embed_dims=32,
            num_layers=layers,
            num_heads=4,
            feedforward_channels=64,
            patch_size=8,
        )
        steps.append(method_cost(cfg)['step'] * 1e9)
    # The teacher sees whole pictures, once, forward only.
    layer = layer_flops(17, 32, 64)
    assert steps[1] - steps[0] == pytest.approx(2 * layer)
    cfg = Config.fromfile(ROOT / 'configs/simclr_vit-tiny_demo.py')
    cost = method_cost(cfg)
    # Two views of 64 patches and CLS, the patches of 192 values each;
    # the projector's 128-512-512-128.
    view = 4 * layer_flops(65, 128, 512) + 2 * 64 * 192 * 128
    view += 2 * (2 * 128 * 512 + 512 * 512)
    # The batch of two makes four times four products of 128 values.
    assert cost['forward'] * 1e9 == pytest.approx(2 * view + 2 * 16 * 128 / 2)
    model = MODELS.build(cfg.model)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert cost['trained'] * 1e6 == sum(p.numel() for p in trained)


@pytest.fixture
def _logging():
    yield
    # The tool silences it.
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures('_logging')
def test_methods_are_timed_in_turns(tmp_path, picture_folder):
    path = tmp_path / 'figures.json'
    benchmark(
        [
            *('methods', str(ROOT / 'tests/tiny_config.py')),
            str(ROOT / 'configs/simclr_vit-tiny_demo.py'),
            *('--data', str(picture_folder), '--batch-size', '4'),
            *('--repeats', '1', '--device', 'cpu', '--json', str(path)),
        ]
    )
    first, second = json.loads(path.read_text())['methods']['rows']
    assert first['time / first'] == 1 and second['config'].startswith('sim')
    assert (first['batch'], second['batch']) == (4, 4)
    whole = [
        row['step, ms/picture'] + row['load, ms/picture']
        for row in (first, second)
    ]
    assert second['time / first'] == pytest.approx(whole[1] / whole[0])
