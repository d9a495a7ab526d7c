"""A config and a command line, made into the config of a run."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from .data import apply_data
from .launch import (
    Amp,
    apply_device,
    apply_precision,
    apply_run_options,
    settle_workers,
)
from .transfer import (
    apply_classes,
    apply_test_options,
    check_transfer_data,
    find_task,
)


def config_for_training(
    config: str | Path,
    data: str | Path | None = None,
    options: dict[str, Any] | None = None,
    device: str = 'auto',
    launcher: str = 'none',
    amp: Amp = 'auto',
    **run_options,
) -> Config:
    """The config of a training run, its input checked.

    Args:
        config: Path of the config.
        data: The data folder; None takes the config's.
        options: Overrides, by dotted keys.
        device: See :func:`apply_device`.
        launcher: Likewise.
        amp: See :func:`apply_precision`.
        run_options: See :func:`apply_run_options`.

    Raises:
        ImportError: If what the task needs is not installed.
        OSError: If a file or folder is missing, or holds another run.
        ValueError: If options, data or checkpoint do not fit.
    """
    cfg, data = _with_data(config, data, options, device, launcher)
    for hook in cfg.get('custom_hooks', []):
        if hook.type == 'RunSummaryHook':
            hook.update(config=str(config), data=str(data))
    apply_precision(cfg, amp)
    # Before the rest, which looks at what the overrides say.
    cfg.merge_from_dict(options or {})
    if find_task(cfg) != 'pretrain':
        apply_classes(cfg)
        check_transfer_data(cfg)
    apply_run_options(cfg, **run_options)
    return cfg


def config_for_testing(
    config: str | Path,
    data: str | Path | None = None,
    options: dict[str, Any] | None = None,
    device: str = 'auto',
    launcher: str = 'none',
    work_dir: str | None = None,
    tta: bool = False,
    show_dir: str | None = None,
) -> Config:
    """The config of a test run, its input checked.

    Args:
        config: As for :func:`config_for_training`, and the next four.
        data: The data folder.
        options: Overrides.
        device: The device.
        launcher: The launcher.
        work_dir: Where the log goes; None means
            ``work_dirs/test/<config name>``.
        tta: See :func:`apply_test_options`.
        show_dir: Likewise.

    Raises:
        ImportError: If what the task needs is not installed.
        OSError: If a file or folder is missing.
        ValueError: If options or data do not fit.
    """
    cfg, data = _with_data(config, data, options, device, launcher)
    if cfg.test_cfg is None:
        raise ValueError(f'{data} has no labels to judge features by')
    cfg.merge_from_dict(options or {})
    settle_workers(cfg)
    default = Path('work_dirs', 'test', Path(config).stem)
    cfg.work_dir = work_dir or str(default)
    if find_task(cfg) != 'pretrain':
        apply_classes(cfg)
        apply_test_options(cfg, tta, show_dir)
    return cfg


def _with_data(
    config: str | Path,
    data: str | Path | None,
    options: dict[str, Any] | None,
    device: str,
    launcher: str,
) -> tuple[Config, str | Path]:
    """The config on its device with its data, and where those are."""
    cfg = Config.fromfile(config)
    data = data or (options or {}).get('data_root', cfg.data_root)
    apply_device(cfg, device, launcher)
    apply_data(cfg, data)
    return cfg, data
