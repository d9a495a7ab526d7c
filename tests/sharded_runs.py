"""Runs of two processes, sharded or not, for the tests to compare."""

import os
import shutil
import signal
from pathlib import Path

import torch
import torch.distributed as dist
from contrastive_models import run_cfg
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from run_helpers import bare, history
from stopped_runs import Signal

from ccmim_mm.apis import config_for_training
from ccmim_mm.engine import CompileLayersHook, ResilientRunner

ROOT = Path(__file__).parent.parent
#: What makes a run a sharded one.
SHARD = {'model_wrapper_cfg': dict(type='FullyShard')}
#: Three steps an epoch, of two times four of the 24 pictures.
TINY = {
    'train_cfg.max_epochs': 2,
    'train_dataloader.batch_size': 4,
    'model.backbone.drop_path_rate': 0.2,
}


class Spoil(Hook):
    """Pictures of one rank that are no numbers, in one iteration."""

    priority = 'VERY_HIGH'

    def __init__(self, iteration, rank=1):
        self.iteration, self.rank = iteration, rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration and get_rank() == self.rank:
            data_batch['inputs'] = torch.full_like(
                data_batch['inputs'].float(), float('nan')
            )


class Count(Hook):
    """How often gradients are reduced to shards, in each iteration."""

    def __init__(self):
        self.counts = []
        self.reduce = dist.reduce_scatter_tensor

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.counts.append(0)
        dist.reduce_scatter_tensor = self.counted

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        dist.reduce_scatter_tensor = self.reduce

    def counted(self, *args, **kwargs):
        self.counts[-1] += 1
        return self.reduce(*args, **kwargs)


class StopJudging(Hook):
    """Ask to stop in the middle of the first evaluation after training."""

    priority = 'VERY_HIGH'

    def before_batch_judged(self, runner):
        if runner.iter and get_rank() == 0:
            os.kill(os.getpid(), signal.SIGTERM)


class FullDisk(Hook):
    """The first checkpoint cannot be written; the main process alone sees."""

    def before_save_checkpoint(self, runner, checkpoint):
        if runner.epoch == 0:
            raise OSError('no space left')


HOOKS = dict(
    stop=Signal,
    spoil=Spoil,
    count=Count,
    stop_judging=StopJudging,
    full_disk=FullDisk,
    compile=CompileLayersHook,
)


def cfg_of(
    data,
    work_dir,
    options=(),
    path='tests/tiny_config.py',
    whole=False,
    **more,
):
    """The config of a run; ``whole`` has evaluation and pictures too."""
    options = {**TINY, **dict(options)}
    if '/' not in path:
        del options['model.backbone.drop_path_rate']
        cfg = run_cfg(path, data, work_dir, options, **more)
    else:
        cfg = config_for_training(ROOT / path, options, data, work_dir, **more)
    cfg.experiment_name = f'{work_dir}{more}'
    hooks = {hook.type: hook for hook in cfg.custom_hooks}
    if whole:
        panels = hooks['PanelHook']
        panels.interval = 1
        hooks['LookHook'].update(dataset=panels.dataset, interval=1)
        if 'MaskAnalysisHook' not in hooks:
            cfg.custom_hooks.append(
                dict(type='MaskAnalysisHook', dataset=panels.dataset)
            )
        return cfg
    bare(cfg)
    cfg.custom_hooks = [h for h in cfg.custom_hooks if h.type != 'LookHook']
    return cfg


def run(cfg, hook=None):
    """Losses of a run, what its hook has counted, and its exit code."""
    runner = ResilientRunner.from_cfg(cfg)
    if hook is not None:
        runner.register_hook(hook)
    code = None
    try:
        runner.train()
    except SystemExit as stopped:
        code = stopped.code
    return dict(
        loss=history(runner, 'loss'),
        norm=_norms(runner),
        counts=getattr(hook, 'counts', None),
        judged=runner.message_hub.runtime_info.get('frozen_features'),
        skipped=runner.message_hub.runtime_info.get('skipped_steps'),
        code=code,
    )


def _norms(runner):
    scalars = runner.message_hub.log_scalars
    return 'train/grad_norm' in scalars and history(runner, 'grad_norm')


def run_all(rank, jobs):
    """Several runs, one after the other, by the names of their work dirs.

    Args:
        rank: Of this process.
        jobs: Of :func:`cfg_of` the arguments; and ``hook``, its name and
            arguments, and ``copy_of``, a work dir to begin with.
    """
    found = {}
    for job in jobs:
        job = dict(job)
        name, kwargs = job.pop('hook', (None, {}))
        copied = job.pop('copy_of', None)
        if copied and rank == 0:
            shutil.copytree(copied, job['work_dir'])
        dist.barrier()
        cfg = cfg_of(launcher='pytorch', **job)
        hook = HOOKS[name](**kwargs) if name else None
        found[Path(job['work_dir']).name] = run(cfg, hook)
    return found
