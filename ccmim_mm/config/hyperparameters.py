"""Options that move everything in a config that depends on them."""

import math
from typing import Any

from mmengine.config import Config

from ..config_parts import named
from ..grids import Size
from .checks import check_whole
from .options import given_keys
from .picture_channels import set_channels
from .picture_size import set_picture_size
from .schedule import scale_schedule

_LENGTHS = ('train_cfg.max_epochs', 'train_cfg.max_iters')
#: What each option says, which an override then cannot say again. Of what
#: moves with it an override has the last word.
_SAYS = dict(
    epochs=_LENGTHS,
    iters=_LENGTHS,
    batch_size=('train_dataloader.batch_size',),
    lr=('optim_wrapper.optimizer.lr',),
    img_size=('model.backbone.img_size',),
    patch_size=('model.backbone.patch_size',),
    channels=('model.backbone.in_channels',),
    seed=('randomness.seed',),
    workers=('train_dataloader.num_workers',),
)


def set_hyperparameters(
    cfg: Config,
    options: dict[str, Any] | None = None,
    *,
    epochs: int | None = None,
    iters: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    img_size: Size | None = None,
    patch_size: int | None = None,
    channels: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    processes: int = 1,
) -> list[str]:
    """Change a config by what people most often want otherwise.

    Args:
        cfg: The config, changed in place.
        options: Overrides that will be made of it.
        epochs: See :func:`scale_schedule`.
        iters: Likewise.
        batch_size: Pictures a step of a process. Rate and accumulation stay.
        lr: The learning rate at its peak, > 0; the schedule's shape stays.
        img_size: See :func:`set_picture_size`.
        patch_size: Likewise.
        channels: See :func:`set_channels`.
        seed: Of the training, in [0, 2^32); how the evaluation draws stays.
        workers: Of every loader, >= 0.
        processes: That train.

    Returns:
        What else people should know of it, in lines.

    Raises:
        ValueError: If an override says the same, the config has no such
            setting, or it cannot be.
    """
    asked = dict(
        epochs=epochs,
        iters=iters,
        batch_size=batch_size,
        lr=lr,
        img_size=img_size,
        patch_size=patch_size,
        channels=channels,
        seed=seed,
        workers=workers,
    )
    _refuse_twice(
        options or {}, [k for k, v in asked.items() if v is not None]
    )
    if epochs is not None or iters is not None:
        scale_schedule(cfg, epochs, iters)
    if lr is not None:
        _set_lr(cfg, lr)
    if seed is not None:
        check_whole('seed', seed, 0, 2**32 - 1)
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    if workers is not None:
        check_whole('workers', workers, 0)
        _set_workers(dict(cfg.items()), workers)
    lines = []
    if batch_size is not None:
        lines.append(_set_batch_size(cfg, batch_size, processes))
    if img_size is not None or patch_size is not None:
        lines.append(set_picture_size(cfg, img_size, patch_size))
    if channels is not None:
        lines.append(set_channels(cfg, channels))
    return lines


def _refuse_twice(options: dict[str, Any], asked: list[str]) -> None:
    given = given_keys(options)
    for name in asked:
        for key in given.intersection(_SAYS[name]):
            raise ValueError(
                f'--cfg-options {key}: --{name.replace("_", "-")} says it '
                'already: leave one of them out'
            )


def _set_lr(cfg: Config, lr: float) -> None:
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer') or {}
    if 'lr' not in optimizer:
        raise ValueError(
            '--lr: the config has no optim_wrapper.optimizer.lr: set the '
            'rates that it has by --cfg-options'
        )
    if not (isinstance(lr, int | float) and 0 < lr < math.inf):
        raise ValueError(f'--lr is {lr!r}: give a number above 0, as 1e-3')
    optimizer['lr'] = float(lr)


def _set_workers(part: Any, workers: int) -> None:
    """Set them in every loader, the evaluation's bank among them."""
    for name, loader in named(part):
        if name.endswith('dataloader'):
            loader['num_workers'] = workers
            if not workers:
                # torch refuses them without workers.
                loader['persistent_workers'] = False
                loader.pop('prefetch_factor', None)


def _set_batch_size(cfg: Config, batch_size: int, processes: int) -> str:
    """Set it, and say what that makes of a step."""
    loader = cfg.get('train_dataloader') or {}
    if 'batch_size' not in loader:
        raise ValueError(
            '--batch-size: the config has no train_dataloader.batch_size'
        )
    check_whole('batch-size', batch_size)
    wrapper = cfg.get('optim_wrapper') or {}
    accumulated = wrapper.get('accumulative_counts', 1)
    per_picture = processes * accumulated
    was, loader['batch_size'] = loader['batch_size'], batch_size
    lr = (wrapper.get('optimizer') or {}).get('lr', 'as it is')
    plural = '' if processes == 1 else 'es'
    return (
        f'{batch_size} pictures x {processes} process{plural} x {accumulated} '
        f'accumulated = {batch_size * per_picture} a step, where the config '
        f'has {was * per_picture}; the learning rate stays {lr} unless '
        '--auto-scale-lr scales it'
    )
