"""One work dir, one run."""

import multiprocessing
import os
import shutil
import tarfile

import pytest
import torch
from conftest import ROOT
from PIL import Image
from run_helpers import bare, config
from stopped_runs import run, tiny

from ccmim_mm.apis import config_for_training
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.prepare import prepare
from ccmim_mm.engine.runner.work_dir import WorkDirLock

pytestmark = pytest.mark.slow

FORK = multiprocessing.get_context('fork')


def hold(work_dir, connection):
    lock = WorkDirLock(work_dir, None)
    connection.send(os.getpid())
    connection.recv()
    lock.release()


@pytest.fixture
def held(tmp_path):
    """A work dir that another process trains into."""
    here, there = FORK.Pipe()
    process = FORK.Process(target=hold, args=(tmp_path, there))
    process.start()
    here.recv()
    yield tmp_path, process
    process.kill()
    process.join()


def test_a_second_run_is_refused_and_leaves_no_trace(held, picture_folder):
    work_dir, process = held
    (work_dir / '.epoch_1.pth.a_b1c2d3.part').touch()
    before = sorted(path.name for path in work_dir.glob('*.*'))
    cfg = tiny(picture_folder, work_dir)
    with pytest.raises(FileExistsError, match=f'by process {process.pid} on'):
        run(cfg)
    # But for its log.
    after = sorted(path.name for path in work_dir.glob('*.*'))
    assert after == before
    # Its end, however it comes, is the end of that.
    process.kill()
    process.join()
    cfg = tiny(picture_folder, work_dir)
    cfg.experiment_name += 'after'
    assert run(cfg).iter == 6
    assert not list(work_dir.glob('.*.part'))


def test_what_others_have_in_a_work_dir_stays(picture_folder, tmp_path):
    """A file of a user's, an export's that goes on, a folder, a link."""
    kept = ['.film.mkv.part', '.x.safetensors.a_b1c2d3.part', '.hf.x.part']
    for name in kept[:2]:
        (tmp_path / name).touch()
    (tmp_path / kept[2]).mkdir()
    folder = tmp_path / '.epoch_1.pth.a_b1c2d3.part'
    folder.mkdir()
    link = tmp_path / '.epoch_2.pth.a_b1c2d3.part'
    link.symlink_to(kept[0])
    left = ('summary.json', 'iter_3.pth', 'last_checkpoint', 'curves.png')
    for name in left:
        (tmp_path / f'.{name}.a_b1c2d3.part').touch()
    runner = ResilientRunner.from_cfg(tiny(picture_folder, tmp_path))
    runner.check_input()
    runner._lock.release()
    found = {path.name for path in tmp_path.glob('.*.part')}
    assert found == {*kept, folder.name, link.name}


def test_workers_do_not_keep_the_lock(picture_folder, tmp_path):
    lock = WorkDirLock(tmp_path, None)
    ending, told = FORK.Pipe()
    child = FORK.Process(target=told.recv)
    child.start()
    lock.release()
    here, there = FORK.Pipe()
    process = FORK.Process(target=hold, args=(tmp_path, there))
    process.start()
    assert here.recv() == process.pid
    for pipe in (ending, here):
        pipe.send('end')
    for ended in (child, process):
        ended.join()
        assert ended.exitcode == 0


@pytest.mark.parametrize('name', ['last_good.pth', 'epoch_3.pth', 'my.pth'])
def test_a_fresh_start_where_any_checkpoint_lies_is_refused(
    name, picture_folder, tmp_path
):
    torch.save({}, tmp_path / name)
    cfg = tiny(picture_folder, tmp_path)
    with pytest.raises(FileExistsError, match=rf'already .*{name}.*--resume'):
        ResilientRunner.from_cfg(cfg).check_input()
    assert not list(tmp_path.glob('*.py'))


@pytest.mark.parametrize('name', ['last_good.pth', 'epoch_3.pth'])
def test_nothing_to_go_on_from_is_no_fresh_start(
    name, picture_folder, tmp_path
):
    """The last good weights are none of a regular place; the other broken."""
    (tmp_path / name).write_bytes(b'PK broken')
    cfg = tiny(picture_folder, tmp_path, resume='auto')
    message = rf'nothing whole .*--pretrained .*{name} with another'
    with pytest.raises(FileExistsError, match=message):
        ResilientRunner.from_cfg(cfg).check_input()


def test_last_good_weights_start_a_run_with_a_lower_rate(
    picture_folder, tmp_path
):
    """What the message of a stop says works."""
    runner = run(tiny(picture_folder, tmp_path / 'a'))
    runner.save_checkpoint(str(tmp_path / 'a'), 'last_good.pth')
    cfg = bare(
        config(
            picture_folder,
            tmp_path / 'b',
            options={'optim_wrapper.optimizer.lr': 1e-5},
            pretrained=str(tmp_path / 'a/last_good.pth'),
        )
    )
    runner = run(cfg)
    assert runner.optim_wrapper.param_groups[0]['initial_lr'] == 1e-5


def test_an_old_stop_is_not_taken_for_what_a_failed_start_was(
    picture_folder, tmp_path
):
    """Else who requeues stopped runs would requeue that for ever."""
    run(tiny(picture_folder, tmp_path))
    (tmp_path / 'preempted').write_text('SIGTERM at iteration 1\n')
    cfg = tiny(picture_folder, tmp_path, resume='auto')
    cfg.optim_wrapper.optimizer.lr = 1.0
    cfg.experiment_name += 'again'
    with pytest.raises(ValueError, match='would be ignored'):
        run(cfg)
    assert not (tmp_path / 'preempted').exists()


@pytest.mark.parametrize('resume', [None, 'auto'])
def test_a_restart_where_only_a_best_one_lies_begins_anew(
    resume, picture_folder, tmp_path, monkeypatch
):
    torch.save({}, tmp_path / 'best_x_epoch_1.pth')
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    assert run(tiny(picture_folder, tmp_path, resume=resume)).iter == 6


def test_epochs_are_not_counted_where_there_are_none(picture_folder, tmp_path):
    cfg = tiny(picture_folder, tmp_path)
    cfg.train_cfg = dict(type='ResumableIterTrainLoop', max_iters=4)
    cfg.train_dataloader.sampler = dict(type='SeededInfiniteSampler')
    with pytest.raises(ValueError, match=r'checkpoint\.by_epoch=False'):
        run(cfg)


def test_a_run_does_not_write_over_the_config_that_it_is_of(
    picture_folder, tmp_path
):
    source = tmp_path / 'experiment/mine.py'
    source.parent.mkdir()
    text = f"_base_ = '{ROOT}/tests/tiny_config.py'  # what I tried\n"
    source.write_text(text)
    link = tmp_path / 'run/mine.py'
    link.parent.mkdir()
    link.symlink_to(source)
    for work_dir in (source.parent, link.parent):
        cfg = config_for_training(source, {}, picture_folder, work_dir)
        message = r'mine\.py is the config itself, .* another --work-dir'
        with pytest.raises(FileExistsError, match=message):
            ResilientRunner.from_cfg(cfg)
        assert [path.name for path in work_dir.iterdir()] == ['mine.py']
    assert source.read_text() == text


def test_a_config_that_a_run_has_written_goes_on_with_it(
    picture_folder, tmp_path
):
    run(tiny(picture_folder, tmp_path))
    own = tmp_path / 'tiny_config.py'
    for epochs in (3, 4):
        cfg = config_for_training(
            own, {}, picture_folder, tmp_path, resume='auto', epochs=epochs
        )
        cfg.experiment_name = f'{tmp_path}{epochs}'
        assert run(cfg).iter == 3 * epochs
    own.write_text(f'# 4 were too few.\n{own.read_text()}')
    cfg = config_for_training(own, {}, picture_folder, tmp_path, resume='auto')
    with pytest.raises(FileExistsError, match='is the config itself'):
        ResilientRunner.from_cfg(cfg)


def split_data(root, picture_folder):
    shutil.copytree(picture_folder, root, dirs_exist_ok=True)


def tar_data(root, picture_folder):
    with tarfile.open(root / 'a.tar', 'w') as tar:
        tar.add(picture_folder / 'train', '')


def flat_data(root, picture_folder):
    shutil.copytree(picture_folder / 'train/red', root, dirs_exist_ok=True)


@pytest.mark.parametrize(
    ('lay_out', 'place'),
    [
        (flat_data, '.'),
        (flat_data, 'work_dirs/x'),
        (tar_data, 'work_dirs/x'),
        (split_data, 'train/red/x'),
        (split_data, 'val/x'),
    ],
)
def test_a_work_dir_among_the_pictures_is_refused(
    lay_out, place, picture_folder, tmp_path
):
    lay_out(tmp_path, picture_folder)
    before = sorted(tmp_path.rglob('*'))
    cfg = config(tmp_path, tmp_path / place)
    message = r'the work dir .* is or lies in .* another --work-dir'
    with pytest.raises(FileExistsError, match=message):
        ResilientRunner.from_cfg(cfg)
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize(
    ('lay_out', 'place'),
    [(flat_data, '.x'), (tar_data, '.x/y'), (split_data, 'run')],
)
def test_a_work_dir_that_is_not_listed_may_lie_in_the_data(
    lay_out, place, picture_folder, tmp_path
):
    lay_out(tmp_path, picture_folder)
    assert prepare(config(tmp_path, tmp_path / place)).work_dir


@pytest.mark.parametrize('place', ['train/x', 'val', 'label_maps/train/x'])
def test_a_work_dir_among_segmented_pictures_is_refused(place, tmp_path):
    for split in ('train', 'val'):
        for folder in (split, f'label_maps/{split}'):
            (tmp_path / folder).mkdir(parents=True)
            Image.new('L', (8, 8)).save(tmp_path / folder / 'a.png')
    (tmp_path / 'classes.txt').write_text('wall\nfloor\n')
    path = ROOT / 'configs/segmentation/upernet_vit-tiny_demo.py'
    cfg = config_for_training(path, {}, tmp_path, tmp_path / place)
    message = r'the work dir .* is or lies in .* another --work-dir'
    with pytest.raises(FileExistsError, match=message):
        prepare(cfg)
    for spared in ('run', 'train/.run'):
        assert prepare(
            config_for_training(path, {}, tmp_path, tmp_path / spared)
        )
