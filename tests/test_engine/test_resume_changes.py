"""A resume honours what has changed, or refuses it by name."""

import shutil

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from resume_cases import BrokenOffError, Stop
from run_helpers import bare, config, history
from stopped_runs import assert_same_runs, run, stop

from ccmim_mm.datasets import fingerprint
from ccmim_mm.engine import ResilientRunner

pytestmark = pytest.mark.slow

EPOCH = dict(by_epoch=True, convert_to_iter_based=True)


def schedule(epochs):
    """A warm-up of an epoch, then a cosine to the end."""
    return [
        dict(EPOCH, type='LinearLR', start_factor=0.1, begin=0, end=1),
        dict(
            EPOCH,
            type='CosineAnnealingLR',
            T_max=epochs - 1,
            begin=1,
            end=epochs,
        ),
    ]


def tiny(data, work_dir, name='', epochs=2, ends=None, **kwargs):
    options = kwargs.pop('options', {}) | {
        'param_scheduler': schedule(ends or epochs)
    }
    cfg = bare(config(data, work_dir, epochs, options, **kwargs))
    cfg.experiment_name = f'changes{work_dir}{name}'
    return cfg


@pytest.fixture(scope='module')
def data(picture_folder, tmp_path_factory):
    """24 pictures that a test may add to in a copy."""
    root = tmp_path_factory.mktemp('data') / 'pictures'
    shutil.copytree(picture_folder, root)
    return root


@pytest.fixture(scope='module')
def finished(data, tmp_path_factory):
    """A run of two epochs, of three iterations each."""
    folder = tmp_path_factory.mktemp('finished')
    run(tiny(data, folder))
    return folder


@pytest.fixture(scope='module')
def stopped(data, tmp_path_factory):
    """A run that was stopped within its second epoch."""
    folder = tmp_path_factory.mktemp('stopped')
    stop(tiny(data, folder), iteration=4)
    return folder


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / 'run')


def log_of(work_dir):
    logs = sorted(work_dir.glob('*/*.log'), key=lambda p: p.stat().st_mtime)
    return logs[-1].read_text()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'optim_wrapper.optimizer.lr': 1e-5},
            r'optimizer\.lr 0\.001 -> 1e-05 would be ignored.*--pretrained',
        ),
        (
            {'optim_wrapper.optimizer.weight_decay': 0.5},
            r'weight_decay 0\.05 -> 0\.5 would be ignored.*--pretrained',
        ),
        (
            {'randomness.seed': 5},
            r'resume with --seed 0',
        ),
        (
            {'train_dataloader.batch_size': 12},
            r'within an epoch, of 3 iterations an epoch, here 2',
        ),
        (
            {'optim_wrapper.accumulative_counts': 3},
            r'of 1 batches a step, here 3',
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    options, message, data, stopped, tmp_path
):
    work_dir = copied(stopped, tmp_path)
    cfg = tiny(data, work_dir, options=options, resume='auto')
    with pytest.raises(ValueError, match=message):
        run(cfg)


def test_more_epochs_need_a_schedule_for_them(data, finished, tmp_path):
    work_dir = copied(finished, tmp_path)
    cfg = tiny(data, work_dir, epochs=4, ends=2, resume='auto')
    with pytest.raises(ValueError, match=r'ends at 2: --epochs 4 stretches'):
        run(cfg)


def test_a_longer_schedule_goes_on_as_if_it_had_always_been(
    data, finished, tmp_path
):
    straight = run(tiny(data, tmp_path / 'straight', epochs=4))
    work_dir = copied(finished, tmp_path)
    resumed = run(tiny(data, work_dir, epochs=4, resume='auto'))
    assert (resumed.epoch, resumed.iter) == (4, 12)
    rates = history(resumed, 'lr')
    np.testing.assert_allclose(rates[6:], history(straight, 'lr')[6:])
    # Not the old minimum.
    assert rates[6] > 2 * rates[5] > 0
    assert 'train_cfg.max_epochs 2 -> 4' in log_of(work_dir)


def test_other_settings_are_taken_and_said(data, stopped, tmp_path):
    work_dir = copied(stopped, tmp_path)
    options = {'model.align_head.loss_weight': 0.2}
    cfg = tiny(data, work_dir, options=options, resume='auto')
    assert run(cfg).model.align_head.loss_weight == 0.2
    said = 'from here on: model.align_head.loss_weight 0.1 -> 0.2'
    assert said in log_of(work_dir)


def test_moved_data_and_more_workers_are_nothing_to_say(
    data, stopped, tmp_path
):
    work_dir = copied(stopped, tmp_path)
    moved = shutil.copytree(data, tmp_path / 'moved')
    options = {'train_dataloader.num_workers': 1}
    run(tiny(moved, work_dir, options=options, resume='auto'))
    assert 'Other settings' not in log_of(work_dir)


@pytest.mark.parametrize('change', ['another name', 'one more'])
def test_within_an_epoch_the_pictures_are_the_same(
    change, data, stopped, tmp_path
):
    work_dir = copied(stopped, tmp_path)
    other = shutil.copytree(data, tmp_path / 'other')
    first = other / 'train/red/0.png'
    if change == 'one more':
        # Of as many iterations.
        shutil.copy(first, other / 'train/red/100.png')
        message = 'pictures 24, here it is 25'
    else:
        first.rename(other / 'train/red/100.png')
        message = 'the digest of their names'
    with pytest.raises(ValueError, match=message):
        run(tiny(other, work_dir, resume='auto'))


def test_at_an_epochs_end_other_pictures_are_said(data, finished, tmp_path):
    work_dir = copied(finished, tmp_path)
    other = shutil.copytree(data, tmp_path / 'other')
    (other / 'train/red/0.png').rename(other / 'train/red/100.png')
    runner = run(tiny(other, work_dir, epochs=3, resume='auto'))
    assert runner.epoch == 3
    assert 'the digest of their names' in log_of(work_dir)


def test_a_run_without_a_seed_goes_on_with_the_one_it_drew(data, tmp_path):
    seedless = {'randomness': dict(_delete_=True, seed=None)}
    cfg = tiny(data, tmp_path / 'run', options=seedless)
    stop(cfg, iteration=4)
    resumed = run(
        tiny(data, tmp_path / 'run', 'b', options=seedless, resume='auto')
    )
    saved = torch.load(tmp_path / 'run/epoch_2.pth', weights_only=True)
    seeded = {'randomness.seed': saved['meta']['seed']}
    straight = run(tiny(data, tmp_path / 'straight', options=seeded))
    assert_same_runs(resumed, straight)


def test_what_says_nothing_of_its_settings_is_believed(
    data, finished, tmp_path
):
    """Of an older version, say."""
    work_dir = copied(finished, tmp_path)
    path = work_dir / 'epoch_1.pth'
    content = torch.load(path, weights_only=True)
    del content['meta']['settings']
    del content['meta']['loop']['sampler']['listing']
    torch.save(content, path)
    options = {'optim_wrapper.optimizer.lr': 1e-5}
    runner = run(tiny(data, work_dir, options=options, resume=str(path)))
    assert runner.iter == 6
    assert 'does not say with which settings' in log_of(work_dir)


def test_another_batch_without_any_schedule(data, tmp_path):
    def cfg(name, **kwargs):
        found = tiny(data, tmp_path, name, **kwargs)
        found.param_scheduler = None
        return found

    run(cfg('', epochs=1))
    halved = {'train_dataloader.batch_size': 4}
    resumed = run(cfg('again', options=halved, resume='auto'))
    assert resumed.iter == 12
    assert set(history(resumed, 'lr')) == {1e-3}


def stock_loop(cfg):
    """mmengine's own epoch loop and sampler, which start at epochs' ends."""
    cfg.train_cfg.type = 'EpochBasedTrainLoop'
    cfg.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=True)
    return cfg


def test_a_changed_schedule_is_replayed_in_mmengines_loop_too(data, tmp_path):
    run(stock_loop(tiny(data, tmp_path / 'run')))
    longer = tiny(data, tmp_path / 'run', 'b', epochs=4, resume='auto')
    resumed = run(stock_loop(longer))
    straight = run(stock_loop(tiny(data, tmp_path / 'straight', epochs=4)))
    rates = [history(r, 'lr')[6:] for r in (resumed, straight)]
    np.testing.assert_allclose(*rates)


def test_a_place_that_is_counted_anew_is_no_place_of_before(data, tmp_path):
    """Stopped at iteration 12 after a checkpoint that was of another 12."""
    halved = {'train_dataloader.batch_size': 4}
    run(tiny(data, tmp_path, options=halved))
    saved = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)
    assert saved['message_hub']['runtime_info']['saved_at'] == 12
    cfg = tiny(data, tmp_path, 'b', epochs=6, resume='auto')
    cfg.default_hooks.checkpoint.interval = 5
    stop(cfg, iteration=11)
    saved = torch.load(tmp_path / 'preempted.pth', weights_only=True)
    assert saved['meta']['iter'] == 12


def test_milestones_of_epochs_move_with_their_length(data, tmp_path):
    def cfg(name, batch_size, **kwargs):
        options = {'train_dataloader.batch_size': batch_size}
        found = tiny(data, tmp_path / name, str(kwargs), 4, **kwargs)
        found.merge_from_dict(options)
        steps = dict(EPOCH, type='MultiStepLR', milestones=[1, 3], gamma=0.1)
        found.param_scheduler = [steps]
        return found

    stop(cfg('run', 8), iteration=5)
    resumed = run(cfg('run', 4, resume='auto'))
    expected = history(run(cfg('straight', 4)), 'lr')
    np.testing.assert_allclose(history(resumed, 'lr')[6:], expected[12:])


def test_what_follows_a_measure_is_not_replayed(data, tmp_path):
    def cfg(**kwargs):
        found = tiny(data, tmp_path, str(kwargs), **kwargs)
        found.param_scheduler = [
            dict(type='ReduceOnPlateauLR', monitor='loss', by_epoch=True)
        ]
        return found

    stop(cfg(), iteration=2)
    halved = {'train_dataloader.batch_size': 4}
    with pytest.raises(ValueError, match='follows a measure'):
        run(cfg(options=halved, resume='auto'))


def test_who_goes_back_stays_there(data, finished, tmp_path):
    """Also for a restart, or a resume of the newest, before it has saved."""
    work_dir = copied(finished, tmp_path)
    cfg = tiny(data, work_dir, resume=str(work_dir / 'epoch_1.pth'))
    with pytest.raises(BrokenOffError):
        run(cfg, Stop(4, killed=True))
    assert run(tiny(data, work_dir, 'b', resume='auto')).iter == 6
    assert 'resumed epoch: 1, iter: 3' in log_of(work_dir)


def test_who_is_refused_has_not_gone_back(data, stopped, tmp_path):
    work_dir = copied(stopped, tmp_path)
    before = (work_dir / 'last_checkpoint').read_text()
    path = shutil.copy(work_dir / 'preempted.pth', work_dir / 'iter_5.pth')
    halved = {'train_dataloader.batch_size': 4}
    cfg = tiny(data, work_dir, options=halved, resume=str(path))
    with pytest.raises(ValueError, match='within an epoch'):
        run(cfg)
    assert (work_dir / 'last_checkpoint').read_text() == before


def test_fewer_epochs_are_a_shorter_run(data, stopped, tmp_path):
    work_dir = copied(stopped, tmp_path)
    cfg = tiny(data, work_dir, epochs=1, ends=2, resume='auto')
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    assert 'train_cfg.max_epochs 2 -> 1' in log_of(work_dir)


def test_names_are_compared_wherever_the_set_lies(tmp_path):
    def digest(root, names, prefix=''):
        dataset = BaseDataset(
            data_root=root, data_prefix=dict(img_path=prefix), lazy_init=True
        )
        dataset.data_list = [
            dict(img_path=f'{root}{prefix}/{name}') for name in names
        ]
        dataset._fully_initialized = True
        dataset.serialize_data = False
        return fingerprint(dataset)

    names = ['train/a.jpg', 'train/b.jpg', 'train/c/d.jpg']
    here = digest('ann', names)
    assert here == digest('./ann', names) == digest('/mnt/ann/', names)
    assert here == digest('', names, '/other')
    assert here != digest('ann', [*names[:2], 'train/c/e.jpg'])
