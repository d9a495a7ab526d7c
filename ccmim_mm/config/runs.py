"""A config and a command line, made into the config of a run.

What a run does stands in the config; here its paths are filled in. The
runner that the config names does the rest, however it is started.
"""

import os
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ..checkpoints import is_checkpoint
from ..datasets.data_root import leaf
from ..engine.runner.work_dir import config_of
from ..files import check_output, is_text, printable
from ..run_files import is_of_a_run
from ..torchrun import is_first
from .file import read_config
from .hyperparameters import set_hyperparameters
from .options import apply_options


def config_for_training(
    config: str | Path,
    options: dict[str, Any] | None = None,
    data: str | Path | None = None,
    work_dir: str | Path | None = None,
    launcher: str = 'none',
    resume: str | None = None,
    pretrained: str | None = None,
    auto_scale_lr: bool = False,
    allow_partial: bool = False,
    trust_checkpoint: bool = False,
    teacher: str | None = None,
    **settings: Any,
) -> Config:
    """The config of a run.

    Args:
        config: Path of the config, or the work dir of a run, which has left
            its own there.
        options: Overrides, by dotted keys.
        data: The data folder; None takes the config's.
        work_dir: Where logs and checkpoints go; None means ``config`` itself
            if that is a work dir, else what the config has, or
            ``work_dirs/<config name>``.
        launcher: ``none`` or ``pytorch`` (torchrun).
        resume: ``auto`` for the newest checkpoint in the work dir, or a
            checkpoint's path.
        pretrained: Checkpoint to start from, if there is none to resume.
        auto_scale_lr: Scale the learning rate with processes x batch.
        allow_partial: Let ``pretrained`` fill the model partly.
        trust_checkpoint: Read files that may run code.
        teacher: Checkpoint of the frozen model that the method learns from,
            the config's ``model.teacher.checkpoint``.
        **settings: Of :func:`~ccmim_mm.config.set_hyperparameters`, before
            the overrides, so that these say what they say.

    Raises:
        FileNotFoundError: If a file named is missing.
        ImportError: If the config imports what is not there.
        ValueError: If the config is no Python, an override means nothing, or
            says what an argument says, the config has no rate to scale, it
            counts iterations and not epochs, its method has no teacher, a
            size cannot be, or the work dir's name is not UTF-8.
    """
    place, config = config, config_of(config)
    cfg = read_config(config)
    lines = set_hyperparameters(
        cfg,
        options,
        processes=_processes(launcher),
        **settings,
    )
    if is_first():
        for line in lines:
            print_log(line)
    apply_options(cfg, options)
    cfg.launcher = launcher
    cfg.data_root = str(data or cfg.get('data_root') or '') or None
    default = cfg.get('work_dir') or Path('work_dirs', Path(config).stem)
    if is_of_a_run(place) and 'work_dir' not in (options or {}):
        # Its config has the place of the start: it may have been moved.
        default = place
    cfg.work_dir = str(work_dir or default)
    if not is_text(cfg.work_dir):
        raise ValueError(
            f'the work dir {printable(cfg.work_dir)} is not UTF-8, which '
            'OpenCV cannot write pictures to: name another --work-dir'
        )
    _set_checkpoints(cfg, resume, pretrained, teacher)
    if auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise ValueError(
                f'--auto-scale-lr: {config} does not say for which batch its '
                'rate is: set auto_scale_lr.base_batch_size'
            )
        cfg.auto_scale_lr.enable = True
    # What a config says by itself stays.
    for name, wanted in (
        ('allow_partial', allow_partial),
        ('trust_checkpoint', trust_checkpoint),
    ):
        if wanted:
            cfg[name] = True
    return cfg


def _set_checkpoints(
    cfg: Config,
    resume: str | None,
    pretrained: str | None,
    teacher: str | None,
) -> None:
    for checkpoint in (resume, pretrained, teacher):
        if checkpoint not in (None, 'auto') and not is_checkpoint(checkpoint):
            raise FileNotFoundError(f'no checkpoint {checkpoint}')
    if resume is not None:
        cfg.resume = True
        cfg.load_from = None if resume == 'auto' else resume
    elif pretrained is not None and cfg.get('load_from'):
        # Of a run's own config it may be that of a resume.
        cfg.resume, cfg.load_from = False, None
    if pretrained is not None:
        cfg.pretrained = pretrained
    if teacher is not None:
        if 'teacher' not in cfg.model:
            raise ValueError(
                f'--teacher: a {cfg.model.type} learns from none: leave it out'
            )
        cfg.model.teacher.checkpoint = teacher


def _processes(launcher: str) -> int:
    """How many torchrun has started."""
    return 1 if launcher == 'none' else int(os.environ.get('WORLD_SIZE', 1))


def config_for_testing(
    config: str | Path,
    checkpoint: str,
    options: dict[str, Any] | None = None,
    data: str | Path | None = None,
    work_dir: str | Path | None = None,
    launcher: str = 'none',
    tta: bool = False,
    show_dir: str | None = None,
    trust_checkpoint: bool = False,
) -> Config:
    """The config of a test of a checkpoint.

    Args:
        config: Path of the config; or the work dir of a run, whose own
            config has all that the run was told.
        checkpoint: The checkpoint, of any known format.
        options: Overrides, by dotted keys.
        data: The data folder; None takes the config's.
        work_dir: Where the log goes; None means
            ``work_dirs/test/<config name>``.
        launcher: ``none`` or ``pytorch`` (torchrun).
        tta: Test at several scales, flipped too, as the config says.
        show_dir: Where to draw predictions, a picture each, in the folders
            of the data; None draws none.
        trust_checkpoint: Read files that may run code.

    Raises:
        FileNotFoundError: If the checkpoint is missing.
        FileExistsError: If ``show_dir`` holds something, or is, holds or
            lies in the data folder.
        ValueError: If the config has no such test, or the work dir no one
            config.
    """
    config = config_of(config)
    work_dir = work_dir or Path('work_dirs', 'test', Path(config).stem)
    cfg = config_for_training(
        config,
        options,
        data,
        work_dir,
        launcher,
        trust_checkpoint=trust_checkpoint,
    )
    if not is_checkpoint(checkpoint):
        raise FileNotFoundError(f'no checkpoint {checkpoint}')
    # Of a run's own config it may be that of a resume.
    cfg.load_from, cfg.resume = checkpoint, False
    cfg.for_test = True
    if tta:
        if 'tta_model' not in cfg:
            raise ValueError(f'--tta: {cfg.filename} has no tta_model')
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    if show_dir is not None:
        _show(cfg, show_dir)
    return cfg


def _show(cfg: Config, show_dir: str) -> None:
    """Have the predictions drawn, in a place that holds nothing yet."""
    if 'bank_dataloader' in (cfg.get('test_cfg') or {}):
        raise ValueError(
            '--show-dir draws the predictions of downstream tasks; this '
            'config judges frozen features'
        )
    data = leaf(cfg, 'test').get('data_root') or cfg.data_root
    check_output(show_dir, data)
    hook = dict(type='DrawPredictionsHook', out_dir=show_dir, data_root=data)
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]
