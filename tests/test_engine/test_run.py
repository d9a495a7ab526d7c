"""Real runs of a tiny model through the Runner."""

import copy
import json
import shutil

import numpy as np
import pytest
import torch
from conftest import TINY, build
from mmengine.config import Config
from PIL import Image
from run_helpers import bare, config, history, train

import ccmim_mm
from ccmim_mm.apis import extract_features
from ccmim_mm.checkpoints import heads_of, read_state_dict
from ccmim_mm.datasets.data_root import evaluation_pipeline
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.hooks import run_summary_hook
from ccmim_mm.engine.points import recall
from ccmim_mm.engine.runner.work_dir import config_of
from ccmim_mm.evaluation import undisturbed
from ccmim_mm.models.loading import load_pretrained
from ccmim_mm.visualization import plot_curves


@pytest.fixture(scope='module')
def finished(picture_folder, tmp_path_factory):
    """A run of two epochs of three iterations, and its work dir."""
    work_dir = tmp_path_factory.mktemp('finished')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_summary_hook, 'plot_curves', plot_curves)
        return train(picture_folder, work_dir), work_dir


def test_what_a_run_leaves_behind(finished):
    runner, work_dir = finished
    assert runner.iter == 6
    for name in ('loss_rec', 'loss_align', 'align_ce', 'top_masked'):
        assert np.isfinite(history(runner, name)).all()
    assert (history(runner, 'imgs_per_s') > 0).all()
    waits = history(runner, 'data_wait')
    assert ((waits >= 0) & (waits <= 1)).all()
    summary = json.loads((work_dir / 'summary.json').read_text())
    points = summary['evaluations']
    assert [p['iter'] for p in points] == [0, 3, 6]
    # Reddish against bluish pictures: any features tell them apart.
    assert points[0]['linear_mean'] == 100
    assert set(points[0]) == {
        'iter',
        *(
            f'{figure}_{feature}'
            for figure in ('knn', 'linear', 'rankme', 'alpha')
            for feature in ('cls', 'mean')
        ),
    }
    assert summary['checkpoint'].endswith('epoch_2.pth')
    for name in (
        'curves.png',
        'panels/epoch_0000.png',
        'panels/epoch_0002.png',
    ):
        with Image.open(work_dir / name) as image:
            assert np.asarray(image).std() > 10


@pytest.mark.slow
def test_the_loss_falls(picture_folder, tmp_path):
    runner = train(picture_folder, tmp_path, epochs=20)
    losses = history(runner, 'loss_rec')
    assert losses[-6:].mean() < 0.9 * losses[:6].mean()


def test_resume_continues_as_if_nothing_had_happened(
    finished, picture_folder, tmp_path
):
    """One epoch, stop, resume, one epoch: the weights of two epochs.

    Holds bit for bit because pictures and masks depend on (seed, epoch,
    index) alone.
    """
    straight, done = finished
    shutil.copy(done / 'epoch_1.pth', tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    resumed = train(picture_folder, tmp_path, resume='auto')
    assert resumed.iter == 6
    expected = straight.model.state_dict()
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert np.array_equal(
        history(resumed, 'loss_rec'), history(straight, 'loss_rec')
    )
    points = resumed.message_hub.runtime_info['frozen_features']
    assert points == straight.message_hub.runtime_info['frozen_features']


def test_resuming_a_finished_run_changes_no_result(picture_folder, tmp_path):
    train(picture_folder, tmp_path, epochs=1)
    summary = (tmp_path / 'summary.json').read_text()
    again = config(picture_folder, tmp_path, epochs=1, resume='auto')
    again.experiment_name = 'again'
    ResilientRunner.from_cfg(again).train()
    assert (tmp_path / 'summary.json').read_text() == summary


def test_watching_does_not_change_the_run(finished, picture_folder, tmp_path):
    """Without evaluation and panels the weights are the same."""
    cfg = config(picture_folder, tmp_path)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.custom_hooks = [h for h in cfg.custom_hooks if 'Panel' not in h.type]
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    expected = finished[0].model.state_dict()
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_unlabelled_pictures_are_judged_without_labels(
    picture_folder, tmp_path, capfd
):
    runner = train(picture_folder / 'train', tmp_path / 'run', epochs=1)
    said = ''.join(capfd.readouterr())
    assert 'kNN and linear probe are off; RankMe' in said
    # Before the first step and after the epoch, of all there is.
    before, after = recall(runner.message_hub, 'frozen_features')
    assert before.keys() == after.keys() >= {'rankme_cls', 'alpha_mean'}
    assert not any('knn' in name or 'linear' in name for name in after)
    assert before != after and runner.test_loop is None
    # What can be done with pictures alone.
    assert '--attention' in said and 'judge it' not in said
    assert (tmp_path / 'run' / 'panels' / 'epoch_0001.png').exists()
    # Its config has no evaluation, and still says how pictures are made.
    saved = str(tmp_path / 'run/epoch_1.pth')
    encoder = ccmim_mm.load(tmp_path / 'run', saved, device='cpu')
    assert encoder.load(picture_folder / 'val').shape == (10, 3, 32, 32)
    cfg = Config.fromfile(config_of(tmp_path / 'run'))
    count = extract_features(
        cfg, saved, str(picture_folder / 'val'), str(tmp_path / 'out.npz')
    )
    assert count == 10
    cfg.custom_hooks, cfg.val_dataloader = [], None
    with pytest.raises(ValueError, match='says nowhere how pictures are'):
        evaluation_pipeline(cfg)


def test_bf16_has_no_loss_scaler(picture_folder, tmp_path):
    options = {'optim_wrapper.precision': 'bf16'}
    runner = train(picture_folder, tmp_path, epochs=1, options=options)
    assert not hasattr(runner.optim_wrapper, 'loss_scaler')
    assert np.isfinite(history(runner, 'loss_rec')).all()
    assert runner.model.backbone.cls_token.dtype == torch.float32


def test_unreadable_pictures_are_counted(picture_folder, tmp_path):
    data = tmp_path / 'data'
    shutil.copytree(picture_folder / 'train', data)
    (data / 'red' / '3.png').write_bytes(b'broken')
    runner = train(data, tmp_path / 'run')
    assert runner.message_hub.get_scalar('train/unreadable').current() == 2
    (line,) = (tmp_path / 'run/bad_images.txt').read_text().splitlines()
    assert line.startswith(f'{data / "red" / "3.png"}: UnidentifiedImage')


def test_a_picture_that_vanishes_is_replaced(picture_folder, tmp_path):
    data = tmp_path / 'data'
    shutil.copytree(picture_folder / 'train', data)
    runner = ResilientRunner.from_cfg(bare(config(data, tmp_path / 'run')))
    # Listed already.
    assert len(runner.train_loop.dataloader.dataset) == 24
    (data / 'red' / '3.png').unlink()
    runner.train()
    assert runner.iter == 6
    (line,) = (tmp_path / 'run/bad_images.txt').read_text().splitlines()
    assert line.startswith(f'{data / "red" / "3.png"}: FileNotFoundError')


def test_restarted_by_torchrun_it_goes_on_from_the_newest(
    finished, picture_folder, monkeypatch
):
    """Not from the checkpoint that the first start was given."""
    work_dir = finished[1]
    first = str(work_dir / 'epoch_1.pth')
    cfg = config(picture_folder, work_dir, resume=first)
    for count, start in ((0, 'epoch_1.pth'), (1, 'epoch_2.pth')):
        monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', str(count))
        cfg.experiment_name += 'again'
        runner = ResilientRunner.from_cfg(cfg)
        runner.check_input()
        assert runner._load_from == str(work_dir / start)


def test_too_many_unreadable_pictures_stop_the_run(picture_folder, tmp_path):
    data = tmp_path / 'data'
    shutil.copytree(picture_folder / 'train', data)
    for path in sorted(data.glob('*/*'))[::2]:
        path.write_bytes(b'broken')
    cfg = config(data, tmp_path / 'run')
    (hook,) = (h for h in cfg.custom_hooks if h.type[:4] == 'Unre')
    hook.update(min_count=3)
    with pytest.raises(OSError, match=r'could not be read \(rank 0\).*1.0%'):
        ResilientRunner.from_cfg(cfg).train()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train_dataloader.batch_size': 99}, 'to 24 or less'),
        ({'train_dataloader.batch_size': 1}, 'batch_size to 2 or more'),
        ({'train_cfg.max_epochs': 0}, 'max_epochs=0: 1 or more'),
    ],
)
def test_batches_that_make_no_step(picture_folder, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        train(picture_folder, tmp_path, options=options)


def test_an_evaluation_is_logged_as_it_is(finished):
    """And not as the mean of it and those before."""
    straight, work_dir = finished
    # Other tests start there, too.
    log = min(work_dir.glob('*/*.log'))
    said = [line for line in log.read_text().splitlines() if '(val)' in line]
    points = straight.message_hub.runtime_info['frozen_features']
    assert len(said) == len(points) > 1
    for line, point in zip(said, points, strict=True):
        for name in ('knn_cls', 'linear_mean'):
            assert f'{name}: {point[name]:.4f}' in line


def test_a_run_is_not_overwritten(finished, picture_folder):
    with pytest.raises(FileExistsError, match='--resume'):
        train(picture_folder, finished[1])


def test_pretrained_starts_from_the_checkpoint(
    finished, picture_folder, tmp_path
):
    straight, work_dir = finished
    # Evaluated before the first step: the checkpoint's figures.
    runner = train(
        picture_folder,
        tmp_path,
        epochs=1,
        pretrained=str(work_dir / 'epoch_2.pth'),
    )
    first = runner.message_hub.runtime_info['frozen_features'][0]
    last = straight.message_hub.runtime_info['frozen_features'][-1]
    assert {**first, 'iter': 0} == {**last, 'iter': 0}


def test_pretrained_from_mae_with_a_new_projector(tmp_path):
    cfg = copy.deepcopy(TINY)
    cfg['align_head'] = None
    mae = build(cfg, seed=1)
    torch.save(dict(state_dict=mae.state_dict()), tmp_path / 'mae.pth')
    model = build(copy.deepcopy(TINY), seed=2)
    state = read_state_dict(tmp_path / 'mae.pth')
    report = str(load_pretrained(model, state, heads=heads_of(mae)))
    total = len(model.state_dict())
    assert report == (
        f'loaded {len(mae.state_dict())} of {total} tensors; unused by '
        f'design: none; new: align_head.* ({total - len(mae.state_dict())})'
    )
    assert torch.equal(
        model.backbone.layers[1].attn.qkv.weight,
        mae.backbone.layers[1].attn.qkv.weight,
    )


def test_pretrained_resizes_the_position_table():
    other = build(copy.deepcopy(TINY))
    state = other.state_dict()
    cfg = copy.deepcopy(TINY)
    cfg['backbone']['img_size'] = 48
    cfg['neck']['num_patches'] = 36
    report = load_pretrained(build(cfg), state, heads=heads_of(other))
    assert str(report).endswith('design: neck.*; new: neck.*')
    assert report.table == ('4 x 4', '6 x 6')


def test_pretrained_refuses_what_does_not_match():
    cfg = copy.deepcopy(TINY)
    cfg['backbone']['arch']['embed_dims'] = 64
    cfg['neck']['embed_dim'] = 64
    cfg['align_head'] = None
    with pytest.raises(ValueError, match='same architecture'):
        load_pretrained(build(cfg), build(copy.deepcopy(TINY)).state_dict())


class Bomb:
    def __reduce__(self):
        return open, ('bomb-went-off', 'w')


def test_a_checkpoint_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=dict(a=torch.ones(1)), x=Bomb()), 'a.pth')
    with pytest.raises(ValueError, match='refused'):
        read_state_dict('a.pth')
    assert not (tmp_path / 'bomb-went-off').exists()


def test_checkpoint_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='no checkpoint'):
        read_state_dict(tmp_path / 'none.pth')
    # Empty files are what a full disk leaves; their error has no message.
    for content in (b'broken', b''):
        (tmp_path / 'broken.pth').write_bytes(content)
        with pytest.raises(ValueError, match='broken'):
            read_state_dict(tmp_path / 'broken.pth')
    torch.save(dict(meta='no tensors'), tmp_path / 'empty.pth')
    with pytest.raises(ValueError, match='no parameters'):
        read_state_dict(tmp_path / 'empty.pth')


def test_undisturbed_puts_everything_back():
    model = build(copy.deepcopy(TINY)).train()
    model.neck.eval()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with undisturbed(model):
        assert not model.training and not torch.is_grad_enabled()
        torch.rand(5)
    assert torch.equal(torch.rand(3), expected)
    assert model.backbone.training and not model.neck.training
