"""Runs of all methods with a teacher, and two ranks against one."""

import shutil

import pytest
import torch
from conftest import ROOT, samples
from dist_helpers import run_ranks
from mmengine.registry import RUNNERS
from run_helpers import bare
from stopped_runs import assert_same_runs, stop
from teacher_cases import (
    CONFIG,
    IMAE,
    IMAE_CONFIG,
    MIMCO,
    batch,
    method,
    save_mae,
    save_teacher,
    tiny_run,
)
from torch.nn.parallel import DistributedDataParallel

pytestmark = pytest.mark.slow

METHODS = dict(MaskDistill={}, MimCo=MIMCO, IMAE=IMAE)


@pytest.fixture
def teacher(tmp_path):
    return save_teacher(tmp_path)


@pytest.fixture
def teachers(tmp_path, teacher):
    """The file that each method learns from."""
    paths = dict.fromkeys(METHODS, teacher[0])
    return paths | dict(IMAE=save_mae(tmp_path)[0])


def step(model, call, images, noise):
    """The objective and the gradients of a step."""
    if type(model).__name__ == 'IMAE':
        images = [images, images.flip(2)]
    # Of i-MAE's mixtures.
    torch.manual_seed(0)
    losses = call(images, samples(noise), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    return total.item(), {
        name: p.grad.numpy()
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def one_rank(rank, teachers):
    """A DDP step of each method; it would fail on unused parameters."""
    images, noise = (part[4 * rank : 4 * rank + 4] for part in batch(8))
    found = {}
    for name, changes in METHODS.items():
        model = method(teachers[name], **changes)
        wrapped = DistributedDataParallel(model)
        found[name] = step(model, wrapped, images, noise)
    return found


def test_two_ranks_equal_one_process(teachers):
    results = run_ranks(one_rank, args=(teachers,))
    for name, changes in METHODS.items():
        model = method(teachers[name], **changes)
        loss, expected = step(model, model, *batch(8))
        mean = sum(r[name][0] for r in results) / 2
        assert mean == pytest.approx(loss, rel=1e-5)
        for rank in results:
            for part, grad in rank[name][1].items():
                wanted = torch.from_numpy(expected[part])
                error = (torch.from_numpy(grad) - wanted).norm()
                assert error / wanted.norm() < 1e-4, part


def run(cfg):
    runner = RUNNERS.build(bare(cfg))
    runner.train()
    return runner


def test_a_stopped_run_goes_on_with_its_teacher_alone(
    picture_folder, tmp_path, teacher
):
    path, _ = teacher
    straight = run(tiny_run(picture_folder, tmp_path / 'straight', path))
    work_dir = tmp_path / 'stopped'
    stop(bare(tiny_run(picture_folder, work_dir, path)), iteration=1)
    # Another teacher is refused, and both are named.
    other, _ = save_teacher(tmp_path, seed=1)
    cfg = tiny_run(
        picture_folder, work_dir, other, name='other', resume='auto'
    )
    message = rf'learnt from .*teacher0.*SHA-256 .* teacher is {other} \('
    with pytest.raises(ValueError, match=message):
        run(cfg)
    # The same one elsewhere is the same.
    moved = str(shutil.move(path, tmp_path / 'moved.pth'))
    cfg = tiny_run(
        picture_folder, work_dir, moved, name='again', resume='auto'
    )
    logged = ('loss', 'target_cos', 'pred_std', 'lr')
    assert_same_runs(run(cfg), straight, logged)


@pytest.mark.parametrize(
    ('name', 'options', 'logged'),
    [
        (
            'MimCo',
            {
                'model.type': 'MimCo',
                'model.head': dict(MIMCO['head'], _delete_=True),
            },
            ('loss', 'patch_acc', 'image_ce', 'lr'),
        ),
        (
            'IMAE',
            {'train_dataloader.dataset.dataset.same_class_prob': 0.5},
            ('loss', 'loss_rec_sub', 'loss_dist_dom', 'ident_dom', 'lr'),
        ),
    ],
)
def test_another_method_goes_on_exactly(
    name, options, logged, picture_folder, tmp_path, teachers
):
    def cfg(work_dir, **kwargs):
        return bare(
            tiny_run(
                picture_folder,
                tmp_path / work_dir,
                teachers[name],
                options | {'train_cfg.max_epochs': 1},
                config=IMAE_CONFIG if name == 'IMAE' else CONFIG,
                **kwargs,
            )
        )

    straight = run(cfg('straight'))
    stop(cfg('stopped'), iteration=0)
    resumed = run(cfg('stopped', name='again', resume='auto'))
    assert_same_runs(resumed, straight, logged)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model.head.out_channels': 16}, r'set model\.head\.out_channels=32'),
        ({'model.teacher.kind': 'clip_visual'}, 'leave kind out'),
        ({'model.backbone.mask_token': False}, 'backbone.mask_token=True'),
        ({'data_preprocessor.bgr_to_rgb': False}, 'bgr_to_rgb=True'),
        (
            {
                'model.type': 'MimCo',
                'model.head': dict(MIMCO['head'], _delete_=True),
                'train_dataloader.batch_size': 1,
            },
            'contrast of pictures .*batch_size to 2',
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_the_training(
    options, message, picture_folder, tmp_path, teacher
):
    cfg = tiny_run(picture_folder, tmp_path / 'run', teacher[0], options)
    with pytest.raises(ValueError, match=message):
        RUNNERS.build(bare(cfg)).train()


def test_the_command_names_a_teacher(picture_folder, tmp_path, teacher):
    cfg = tiny_run(picture_folder, tmp_path / 'run', teacher[0])
    assert cfg.model.teacher.checkpoint == teacher[0]
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*none\.pth'):
        tiny_run(picture_folder, tmp_path / 'run', str(tmp_path / 'none.pth'))
    cfg = tiny_run(picture_folder, tmp_path / 'run', None)
    with pytest.raises(ValueError, match='--teacher CKPT, or set'):
        RUNNERS.build(cfg).check_input()
    with pytest.raises(ValueError, match='--teacher: a CCMIM learns from no'):
        tiny_run(
            picture_folder,
            tmp_path / 'run',
            teacher[0],
            config=ROOT / 'tests/tiny_config.py',
        )
