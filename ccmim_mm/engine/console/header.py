"""What a run is, in a few lines."""

import torch
from mmengine.dist import get_world_size
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from mmpretrain.utils import get_ori_model

from ...files import printable
from ...models import PretrainMethod
from ..optimizers import FiniteOptimWrapper


def header(runner) -> list[str]:
    """Model, pictures, training, device and log of a run, a line each.

    Args:
        runner: The runner, just before the first step.
    """
    facts = dict(
        model=_model(runner),
        pictures=_pictures(runner),
        training=_training(runner),
        start=_start(runner),
        device=_device(runner),
        log=printable(runner.logger.log_file),
    )
    return [f'{name:<10}{text}' for name, text in facts.items()]


def _model(runner) -> str:
    model = get_ori_model(runner.model)
    names = [type(model).__name__]
    sizes = [_millions(model)]
    for name, part in model.named_children():
        if name == 'backbone':
            names.append(type(part).__name__)
            sizes.append(f'{_millions(part)} of them the backbone')
    return f'{", ".join(names)}; {" parameters, ".join(sizes)}'


def _millions(module: torch.nn.Module) -> str:
    return f'{sum(p.numel() for p in module.parameters()) / 1e6:,.1f} M'


def _pictures(runner) -> str:
    count = len(runner.train_dataloader.dataset)
    root = runner.cfg.get('data_root')
    text = f'{count:,}' + (f' of {printable(root)}' if root else '')
    if runner.val_loop is None:
        return f'{text}, no evaluation'
    return f'{text}, {len(runner.val_dataloader.dataset):,} to judge by'


def _training(runner) -> str:
    loop, wrapper = runner.train_loop, runner.optim_wrapper
    accumulated = runner.cfg.optim_wrapper.get('accumulative_counts', 1)
    processes, batch = get_world_size(), runner.train_dataloader.batch_size
    length = f'{runner.max_iters // accumulated:,} steps'
    if isinstance(loop, EpochBasedTrainLoop):
        steps = len(runner.train_dataloader) // accumulated
        length = f'{runner.max_epochs} epochs of {steps:,} steps'
    size = f'batch {batch * processes * accumulated:,}'
    if processes * accumulated > 1:
        size += f' ({processes} x {batch} x {accumulated} accumulated)'
    groups = wrapper.param_groups
    rate = max(group.get('initial_lr', group['lr']) for group in groups)
    optimizer = type(wrapper.optimizer).__name__
    return f'{length}, {size}, {optimizer}, lr {rate:.3g}'


def _start(runner) -> str:
    if runner.iter:
        return f'resumed at iteration {runner.iter:,}, epoch {runner.epoch}'
    loaded = runner.cfg.get('pretrained') or runner.cfg.get('load_from')
    method = get_ori_model(runner.model)
    if not loaded and isinstance(method, PretrainMethod):
        loaded = method.starts_from
    return printable(loaded) if loaded else 'random weights'


def _device(runner) -> str:
    wrapper = runner.optim_wrapper
    precision = 'fp32'
    if isinstance(wrapper, FiniteOptimWrapper) and wrapper.bf16:
        precision = 'bf16'
    elif isinstance(wrapper, AmpOptimWrapper):
        precision = 'mixed precision'
    name = f'CPU, threads: {torch.get_num_threads()}'
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    processes = get_world_size()
    many = f'{processes} x ' if processes > 1 else ''
    workers = runner.train_dataloader.num_workers
    return f'{many}{name}, {precision}, loading workers: {workers}'
