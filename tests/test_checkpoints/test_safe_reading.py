"""A file that was downloaded runs no code, and a broken one is named."""

import contextlib
import copy
import warnings
from collections import OrderedDict

import pytest
import torch
from conftest import ROOT, TINY, build
from hostile import (
    BROKEN,
    EXECUTING,
    config_that_runs,
    good_checkpoint,
)
from hostile_insides import SAFETENSORS, STRANGE, shared
from hostile_runs import UNFIT
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import CheckpointLoader
from run_helpers import bare, config

from ccmim_mm.apis import load_encoder
from ccmim_mm.checkpoints import read_state_dict, save_state_dict
from ccmim_mm.checkpoints.safe_reading import read_safely, safe_init_cfg
from ccmim_mm.engine import ResilientRunner

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def good():
    return good_checkpoint(build(copy.deepcopy(TINY)).state_dict())


def ways_in(data, path, work_dir):
    """Everything that reads a checkpoint, by what the user calls it."""

    def resumed(**kwargs):
        cfg = bare(config(data, work_dir, **kwargs))
        cfg.experiment_name = f'{path}{kwargs}'
        ResilientRunner.from_cfg(cfg).train()

    def load_from():
        cfg = bare(config(data, work_dir))
        cfg.load_from, cfg.experiment_name = str(path), f'{path}load'
        ResilientRunner.from_cfg(cfg).train()

    def init_cfg():
        init = dict(type='Pretrained', checkpoint=str(path))
        module = BaseModule(init)
        module.backbone = torch.nn.Linear(1, 1)
        with safe_init_cfg():
            module.init_weights()

    return dict(
        resume=lambda: resumed(resume=str(path)),
        pretrained=lambda: resumed(pretrained=str(path)),
        load_from=load_from,
        init_cfg=init_cfg,
        read=lambda: read_state_dict(path),
    )


@pytest.mark.parametrize('way', ['resume', 'load_from', 'init_cfg', 'read'])
@pytest.mark.parametrize('name', ['exec', 'in the optimizer', 'legacy pickle'])
def test_no_way_in_runs_code(name, way, good, picture_folder, tmp_path):
    path, trace = tmp_path / 'x.pth', tmp_path / 'executed'
    EXECUTING[name](good, path, trace)
    entry = ways_in(picture_folder, path, tmp_path / 'run')[way]
    with pytest.raises(ValueError, match='refused, it asks for exec'):
        entry()
    assert not trace.exists()


@pytest.mark.parametrize('name', EXECUTING)
def test_what_asks_for_more_is_refused_by_name(name, good, tmp_path):
    path, trace = tmp_path / 'x.pth', tmp_path / 'executed'
    EXECUTING[name](good, path, trace)
    with pytest.raises(ValueError, match=r'x\.pth is refused, it asks') as e:
        read_safely(path)
    assert '--trust-checkpoint' in str(e.value)
    assert not trace.exists()


@pytest.mark.parametrize('name', BROKEN)
def test_what_is_broken_is_refused(name, good, picture_folder, tmp_path):
    path, trace = tmp_path / 'x.pth', tmp_path / 'executed'
    BROKEN[name](good, path, trace)
    entry = ways_in(picture_folder, path, tmp_path / 'run')['pretrained']
    with pytest.raises(ValueError, match=r'x\.pth'):
        entry()


@pytest.mark.parametrize('name', ['nan', 'other shapes', 'a tensor missing'])
def test_nothing_resumes_from_other_weights(
    name, good, picture_folder, tmp_path
):
    path, trace = tmp_path / 'x.pth', tmp_path / 'executed'
    BROKEN[name](good, path, trace)
    entry = ways_in(picture_folder, path, tmp_path / 'run')['resume']
    with pytest.raises(ValueError, match=r'x\.pth'):
        entry()


def test_a_config_in_a_checkpoint_is_not_evaluated(picture_folder, tmp_path):
    path, trace = tmp_path / 'x.pth', tmp_path / 'executed'
    made = bare(config(picture_folder, tmp_path / 'made', epochs=1))
    ResilientRunner.from_cfg(made).train()
    good = torch.load(tmp_path / 'made/epoch_1.pth', weights_only=True)
    config_that_runs(good, path, trace)
    cfg = bare(config(picture_folder, tmp_path / 'run', resume=str(path)))
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 6
    assert not trace.exists()


def test_trust_is_the_users_to_give(good, tmp_path):
    path, trace = tmp_path / 'x.pth', tmp_path / 'executed'
    EXECUTING['exec'](good, path, trace)
    read_safely(path, trust=True)
    assert trace.exists()


def test_other_places_are_refused():
    before = dict(CheckpointLoader._schemes)
    for place in ('http://x.org/a.pth', 'torchvision://resnet50', 's3://a/b'):
        with (
            safe_init_cfg(),
            pytest.raises(ValueError, match='refused: checkpoints are read'),
        ):
            CheckpointLoader.load_checkpoint(place)
    # Nothing of it stays in the process.
    assert dict(CheckpointLoader._schemes) == before


def test_a_run_initialises_without_code(good, picture_folder, tmp_path):
    path, trace = tmp_path / 'x.pth', tmp_path / 'executed'
    EXECUTING['exec'](good, path, trace)
    init = dict(type='Pretrained', checkpoint=str(path))
    options = {'model.backbone.init_cfg': init}
    cfg = bare(config(picture_folder, tmp_path / 'run', options=options))
    with pytest.raises(ValueError, match='refused, it asks for exec'):
        ResilientRunner.from_cfg(cfg).train()
    assert not trace.exists()


def test_safetensors_there_and_back(good, tmp_path):
    path = tmp_path / 'x.safetensors'
    save_state_dict(good['state_dict'], path)
    found = read_state_dict(path)
    assert found.keys() == good['state_dict'].keys()
    assert all(torch.equal(found[n], v) for n, v in good['state_dict'].items())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r'x\.safetensors is refused or'):
        read_state_dict(path)


@pytest.mark.parametrize('safe', [safe_init_cfg, contextlib.nullcontext])
def test_an_init_cfg_reads_safetensors_under_any_runner(safe, tmp_path):
    path, own = tmp_path / 'x.safetensors', torch.nn.Linear(2, 3)
    state = {f'backbone.{n}': v.data for n, v in own.state_dict().items()}
    save_state_dict(state, path)
    init = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')
    module = BaseModule(init)
    module.weight, module.bias = (
        torch.nn.Parameter(torch.zeros(shape)) for shape in ((3, 2), (3,))
    )
    with safe():
        module.init_weights()
    assert module.weight.equal(own.weight) and module.bias.equal(own.bias)
    path.write_bytes(path.read_bytes()[:50])
    with safe(), pytest.raises(ValueError, match='is refused or broken'):
        BaseModule(init).init_weights()


def test_files_of_old_torch_are_read(good, tmp_path):
    path = tmp_path / 'x.pth'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.save(good, path, _use_new_zipfile_serialization=False)
    assert read_state_dict(path).keys() == good['state_dict'].keys()


def test_pickled_annotations_are_refused(picture_folder, tmp_path):
    options = {'train_dataloader.dataset.dataset.ann_file': 'a.pkl'}
    cfg = config(picture_folder, tmp_path, options=options)
    with pytest.raises(ValueError, match=r'a\.pkl is refused: a pickle'):
        ResilientRunner.from_cfg(cfg)


@pytest.fixture(scope='module')
def run(picture_folder, tmp_path_factory):
    """A runner that has trained an epoch, and what it saved."""
    work_dir = tmp_path_factory.mktemp('run')
    cfg = bare(config(picture_folder, work_dir, epochs=1))
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    saved = torch.load(work_dir / 'epoch_1.pth', weights_only=True)
    # What only longer or less fortunate runs keep.
    hub = saved['message_hub']
    told = dict(skipped_steps=0, best_score=1.0, best_checkpoint='best.pth')
    hub['runtime_info'] |= told
    hub['resumed_keys'] |= dict.fromkeys(told, True)
    return runner, saved


def weights_of(model):
    return {n: v.clone() for n, v in model.state_dict().items()}


def refused(error, path):
    """Whether it is one line that names the file first."""
    text = str(error)
    return '\n' not in text and len(text) < 1000 and path.name in text


@pytest.mark.parametrize('name', STRANGE)
def test_what_is_strange_is_refused_in_one_line(name, run, tmp_path):
    runner, good = run
    path = tmp_path / 'x.pth'
    STRANGE[name](good, path, tmp_path / 'executed')
    before = weights_of(runner.model)
    for way in (
        lambda: runner.resume(str(path)),
        lambda: runner.load_checkpoint(str(path)),
    ):
        with pytest.raises(ValueError, match=r'x\.pth') as caught:
            way()
        assert refused(caught.value, path)
    for key, value in weights_of(runner.model).items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize('name', SAFETENSORS)
def test_safetensors_that_lie_are_refused(name, good, tmp_path):
    path = tmp_path / 'x.safetensors'
    SAFETENSORS[name](good, path, tmp_path / 'executed')
    with pytest.raises(ValueError, match='refused or broken') as caught:
        read_state_dict(path)
    assert refused(caught.value, path)


@pytest.mark.parametrize('name', UNFIT)
def test_a_run_goes_on_from_its_own_kind_alone(name, run, tmp_path):
    runner, good = run
    path = tmp_path / 'x.pth'
    UNFIT[name](good, path, tmp_path / 'executed')
    before = weights_of(runner.model)
    with pytest.raises(ValueError, match=r'x\.pth') as caught:
        runner.resume(str(path))
    assert refused(caught.value, path)
    for key, value in weights_of(runner.model).items():
        assert torch.equal(value, before[key])


def test_the_same_unchanged_is_gone_on_from(run, tmp_path):
    """Else the tests above would hold for nothing."""
    runner, good = run
    torch.save(good, tmp_path / 'x.pth')
    runner.resume(str(tmp_path / 'x.pth'))
    assert (runner.epoch, runner.iter) == (1, 3)
    # A switch that an older torch did not have.
    older = copy.deepcopy(good)
    del older['optimizer']['param_groups'][0]['maximize']
    torch.save(older, tmp_path / 'x.pth')
    runner.resume(str(tmp_path / 'x.pth'))


def test_shared_parts_are_allowed_within_reason(good, tmp_path):
    path = tmp_path / 'x.pth'
    state = good['state_dict']
    tied = OrderedDict(state, **{f'tied{i}': next(iter(state.values()))
                                 for i in range(50)})  # fmt: skip
    torch.save(dict(state_dict=tied, extra=shared(10)), path)
    assert len(read_state_dict(path)) == len(tied)


@pytest.mark.parametrize('name', ['int8', 'other heads', 'table 66 long'])
def test_an_encoder_in_memory_is_as_careful(name, good, tmp_path):
    path = tmp_path / 'x.pth'
    STRANGE[name](good, path, tmp_path / 'executed')
    with pytest.raises(ValueError, match=r'x\.pth') as caught:
        load_encoder(ROOT / 'tests/tiny_config.py', str(path))
    assert refused(caught.value, path)
