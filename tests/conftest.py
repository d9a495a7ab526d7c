import copy
import multiprocessing
import os
from importlib import import_module
from pathlib import Path

# Before torch is imported, here and in what the tests start: for models this
# small a second thread costs more than it does.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# Registers the modules; before mmpretrain, which imports mmdet, and that looks
# for operators.
import ccmim_mm  # noqa: F401

# isort: split
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from PIL import Image
from yapf.yapflib import yapf_api

from ccmim_mm.checkpoints import convert
from ccmim_mm.engine.hooks import run_summary_hook

ROOT = Path(__file__).parent.parent

pytest_plugins = ['remote_fixtures']

# Imported once by the server that the tests' processes are forked from.
multiprocessing.set_forkserver_preload(['ccmim_mm'])


def _unformatted(text, **kwargs):
    compile(text, 'config', 'exec')
    return text, False


def _blank(runs, out_file):
    Image.new('RGB', (1, 1)).save(out_file)


# What takes longer than the run of a tiny model and changes nothing of it:
# mmengine formats a run's config for the eye, again and again, and its curves
# are drawn after every evaluation.
for module in (yapf_api, import_module('mmengine.config.config')):
    module.FormatCode = _unformatted
run_summary_hook.plot_curves = _blank


TINY = Config.fromfile(ROOT / 'tests/tiny_config.py')
TINY = dict(
    **TINY.model.to_dict(), data_preprocessor=TINY.data_preprocessor.to_dict()
)


#: Modules that start processes, need mmdet or mmseg, or run for long: left
#: out of ``make test-fast``.
SLOW = {
    *('test_resume_cases', 'test_resume_changes', 'test_signals'),
    *('test_work_dir', 'test_outputs', 'test_options', 'test_mimco'),
    *('test_mask_distill', 'test_atomic_checkpoints', 'test_coco'),
    *('test_agreement', 'test_annotated', 'test_benchmark'),
    *('test_contrastive_runs', 'test_distributed'),
    *('test_distributed_run', 'test_downstream_configs', 'test_exact_resume'),
    *('test_export', 'test_export_other_pictures', 'test_picture_channels'),
    'test_other_pictures_run',
    *('test_fsdp', 'test_guards', 'test_hooks', 'test_imae', 'test_installed'),
    *('test_mask_analysis_hook', 'test_safe_reading', 'test_seams'),
    *('test_notebook', 'test_ranks', 'test_readme', 'test_remote_runs'),
    'test_sharded_methods',
    *('test_sharded_runs', 'test_study', 'test_study_grid', 'test_tar_runs'),
    *('test_teacher_methods', 'test_tools', 'test_transfer'),
}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker('slow')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """In mmpretrain's scope, whatever another test's run has left."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return (yield)


@pytest.fixture
def tiny_cfg() -> dict:
    return copy.deepcopy(TINY)


def build(cfg: dict, seed: int = 0):
    """A model with weights far enough from zero for attention to differ."""
    torch.manual_seed(seed)
    model = MODELS.build(cfg)
    model.init_weights()
    for name, parameter in model.named_parameters():
        if name.endswith('qkv.weight'):
            parameter.data *= 4
    return model


def release_state(model) -> dict[str, torch.Tensor]:
    """The model's tensors by the release's names, parameters as leaves."""
    state = {
        name: value.detach().clone()
        for name, value in model.state_dict().items()
    }
    for name, parameter in model.named_parameters():
        state[name].requires_grad_(parameter.requires_grad)
    form = 'mae' if model.align_head is None else 'ccmim'
    return convert(state, 'project', form).state


def samples(noise: torch.Tensor) -> list[DataSample]:
    """Data samples that carry mask noise, ``(B, L)``."""
    found = [DataSample() for _ in noise]
    for sample, row in zip(found, noise.numpy(), strict=True):
        sample.set_field(row, 'mask_noise')
    return found


@pytest.fixture(scope='session')
def picture_folder(tmp_path_factory) -> Path:
    """train/ and val/ with two classes: reddish and bluish noise."""
    root = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for split, count in (('train', 12), ('val', 5)):
        for channel, name in ((0, 'red'), (2, 'blue')):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 120, (40, 48, 3), np.uint8)
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(folder / f'{i}.png')
    return root


@pytest.fixture(scope='session')
def bands(tmp_path_factory) -> Path:
    """train/ and val/ of TIFFs of 13 bands; the classes differ in two."""
    import tifffile

    root = tmp_path_factory.mktemp('bands') / 'data'
    rng = np.random.default_rng(0)
    for split, count in (('train', 12), ('val', 5)):
        for band, name in ((3, 'water'), (9, 'wood')):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                values = rng.normal(3000, 400, (40, 50, 13))
                values[..., band] += 4000
                tifffile.imwrite(
                    folder / f'{i}.tif',
                    values.astype(np.uint16),
                    photometric='minisblack',
                    planarconfig='contig',
                )
    return root


@pytest.fixture(scope='session')
def bands_run(bands, tmp_path_factory):
    """A run on them at 32 x 48, judged and drawn, and its work dir."""
    from run_helpers import train

    work_dir = tmp_path_factory.mktemp('bands_run')
    asked = dict(img_size=(32, 48), channels=13)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return train(bands, work_dir, 2, **asked), work_dir


@pytest.fixture(scope='session')
def bands_encoder(bands_run):
    """The run's encoder in memory."""
    from ccmim_mm.apis import load_encoder

    work_dir = bands_run[1]
    return load_encoder(work_dir, str(work_dir / 'epoch_2.pth'), device='cpu')
