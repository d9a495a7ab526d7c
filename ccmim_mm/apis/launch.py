"""Choosing device, precision and the other options of a run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from .transfer import check_pretrained, find_dicts, find_task

Amp = Literal['auto', 'bf16', 'fp16', 'off']


def apply_device(cfg: Config, device: str, launcher: str) -> None:
    """Check the device, and start the processes' group on a CPU.

    mmengine can only start a distributed group of GPUs by itself, so that
    of CPU processes (gloo) is started here.

    Args:
        cfg: The config, changed in place.
        device: ``auto``, ``cpu`` or ``cuda``. For ``cpu`` the caller hides
            the GPUs before torch is imported.
        launcher: ``none`` or ``pytorch`` (torchrun).

    Raises:
        ValueError: If CUDA is asked for and absent, or there are more
            processes than GPUs.
    """
    cfg.launcher = launcher
    gpus = torch.cuda.device_count()
    if device == 'cuda' and not gpus:
        raise ValueError(
            '--device cuda, but torch finds no GPU: use --device cpu, or '
            'check the driver with nvidia-smi'
        )
    if not gpus:
        # Pinning serves the copy to a GPU alone, and warns without one.
        for dataloader in _dataloaders(cfg):
            dataloader.pin_memory = False
    if launcher == 'none':
        return
    processes = int(os.environ.get('LOCAL_WORLD_SIZE', 1))
    if gpus:
        if processes > gpus:
            raise ValueError(
                f'{processes} processes for {gpus} GPUs: start {gpus}'
            )
        return
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    print_log(f'No GPU: {processes} gloo processes on the CPU')
    for part in find_dicts(cfg.model, 'type'):
        if part.type == 'SyncBN':
            # It exists for GPUs alone.
            part.type = 'BN'
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        # Each process keeps its own BatchNorm statistics, as on GPUs.
        broadcast_buffers=False,
    )


def apply_precision(cfg: Config, amp: Amp) -> None:
    """Choose the precision of the forward pass.

    Args:
        cfg: The config, changed in place.
        amp: ``auto`` is bf16 on a GPU that has it and fp32 elsewhere, and
            leaves a config alone that already names a precision. ``bf16``
            never builds a loss scaler; ``fp16`` scales dynamically.

    Raises:
        ValueError: For fp16 without a GPU.
    """
    wrapper = cfg.optim_wrapper
    cuda = torch.cuda.is_available()
    if amp == 'auto':
        if wrapper.get('type', 'OptimWrapper') != 'OptimWrapper':
            return
        amp = 'bf16' if cuda and torch.cuda.is_bf16_supported() else 'off'
    if amp == 'fp16' and not cuda:
        raise ValueError('--amp fp16 needs a GPU: use --amp bf16 or off')
    for key in ('dtype', 'loss_scale', 'modules'):
        wrapper.pop(key, None)
    if amp == 'fp16':
        wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    elif amp == 'bf16':
        wrapper.type = 'BFloat16OptimWrapper'
        if find_task(cfg) == 'detect':
            wrapper.modules = ['backbone', 'neck']
    else:
        wrapper.type = 'FiniteOptimWrapper'
    print_log(f'Precision: {"fp32" if amp == "off" else amp}')


def apply_run_options(
    cfg: Config,
    work_dir: str | None = None,
    resume: str | None = None,
    auto_scale_lr: bool = False,
    pretrained: str | None = None,
    compile_layers: bool = False,
    allow_partial: bool = False,
    trust_checkpoint: bool = False,
) -> None:
    """Apply the options that a run may differ in from its config.

    Args:
        cfg: The config, changed in place.
        work_dir: Where logs and checkpoints go; None means
            ``work_dirs/<config name>``.
        resume: ``auto`` for the newest checkpoint in the work dir, or a
            checkpoint's path.
        auto_scale_lr: Scale the learning rate with processes x batch.
        pretrained: Checkpoint to continue from.
        compile_layers: Run the transformer layers through torch.compile.
        allow_partial: Let ``pretrained`` fill a downstream backbone partly.
        trust_checkpoint: Read checkpoints that may run code.

    Raises:
        FileExistsError: If the work dir holds a run and this is another.
        FileNotFoundError: If a checkpoint named is missing.
        ValueError: If ``pretrained`` does not fit a downstream backbone, a
            checkpoint would cut a step, or annotations are pickles.
    """
    default = Path('work_dirs', Path(cfg.filename).stem)
    cfg.work_dir = work_dir or cfg.get('work_dir') or str(default)
    cfg.trust_checkpoint = trust_checkpoint
    last = Path(cfg.work_dir, 'last_checkpoint')
    if last.exists() and int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)):
        # torchrun started the processes again: not from where they began,
        # but from what they have saved since.
        resume = 'auto'
    if resume is None and last.exists():
        raise FileExistsError(
            f'{cfg.work_dir} already holds a run: --resume continues it, '
            'another --work-dir starts afresh'
        )
    for checkpoint in (resume, pretrained):
        if checkpoint not in (None, 'auto') and not Path(checkpoint).is_file():
            raise FileNotFoundError(f'no checkpoint {checkpoint}')
    cfg.resume = resume is not None
    if resume not in (None, 'auto'):
        cfg.load_from = resume
    if auto_scale_lr:
        cfg.auto_scale_lr.enable = True
    hooks = cfg.get('custom_hooks', [])
    if pretrained is not None:
        hooks = [*hooks, pretrained_hook(cfg, pretrained, allow_partial)]
    if compile_layers:
        hooks = [*hooks, dict(type='CompileLayersHook')]
    cfg.custom_hooks = hooks
    if cfg.default_hooks.checkpoint.type == 'CheckpointHook':
        cfg.default_hooks.checkpoint.type = 'WholeCheckpointHook'
    settle_workers(cfg)
    settle_sampler(cfg)
    check_interval(cfg)
    refuse_pickles(cfg)


def pretrained_hook(cfg: Config, checkpoint: str, allow_partial: bool) -> dict:
    """Config of the hook that loads a checkpoint, which is checked first.

    Raises:
        ValueError: If the checkpoint does not fit a downstream backbone.
    """
    if find_task(cfg) != 'pretrain':
        check_pretrained(cfg, checkpoint, allow_partial)
    return dict(
        type='PretrainedHook',
        checkpoint=checkpoint,
        allow_partial=allow_partial,
    )


def _dataloaders(cfg: Config) -> Iterator[ConfigDict]:
    """Every dataloader of a config, the evaluation's bank among them."""
    for stage in ('train', 'val', 'test'):
        bank = (cfg.get(f'{stage}_cfg') or {}).get('bank_dataloader')
        for dataloader in (cfg.get(f'{stage}_dataloader'), bank):
            if dataloader is not None:
                yield dataloader


def settle_workers(cfg: Config) -> None:
    """Let no worker persist where there is none; torch would refuse."""
    for dataloader in _dataloaders(cfg):
        if not dataloader.get('num_workers'):
            dataloader.persistent_workers = False


def settle_sampler(cfg: Config) -> None:
    """Hand the sampler the run's seed, and how many pictures make a step.

    With different seeds per rank (``diff_rank_seed``) mmengine would have
    the sampler draw one of its own. An epoch of whole steps leaves no
    accumulated gradients behind.
    """
    loader = cfg.train_dataloader
    sampler = loader.get('sampler')
    if sampler is not None and sampler.get('type') == 'SeededSampler':
        sampler.setdefault('seed', cfg.randomness.get('seed'))
        if loader.get('drop_last'):
            accumulation = cfg.optim_wrapper.get('accumulative_counts', 1)
            sampler.multiple_of = loader.batch_size * accumulation


def check_interval(cfg: Config) -> None:
    """Refuse checkpoints between the batches of one step.

    Raises:
        ValueError: If iterations are counted and do not make whole steps.
    """
    hook = cfg.default_hooks.checkpoint
    accumulation = cfg.optim_wrapper.get('accumulative_counts', 1)
    interval = hook.get('interval', -1)
    if not hook.get('by_epoch', True) and interval % accumulation:
        raise ValueError(
            f'a checkpoint every {interval} iterations falls between the '
            f'{accumulation} batches of a step, whose gradients it would '
            'lose: set default_hooks.checkpoint.interval to a multiple of '
            f'{accumulation}'
        )


def refuse_pickles(cfg: Config) -> None:
    """Refuse annotation files that could run code.

    Raises:
        ValueError: For a pickle.
    """
    if cfg.trust_checkpoint:
        return
    for holder in find_dicts(cfg.to_dict(), 'ann_file'):
        if str(holder['ann_file']).endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'{holder["ann_file"]} is refused: a pickle may run any '
                'code; convert it to JSON, or pass --trust-checkpoint if '
                'you trust whoever made it'
            )
