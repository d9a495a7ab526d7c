"""What a run goes on from, beside the weights, checked before it is used.

mmengine takes it as it comes: schedulers put whatever a file says among
their attributes, and optimizers take groups without a rate.
"""

from collections import defaultdict
from typing import Any

import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.utils import apply_to
from torch import Tensor, nn
from torch.optim import Optimizer

from .likeness import (
    ByName,
    Several,
    check,
    check_count,
    check_like,
    check_name,
)
from .weights_only import to_weights_only

#: Epochs, iterations and values that no run comes to.
MOST = 10**9
#: A series of values with their iteration.
POINTS = Several(ByName(0.0))
#: What this project's hooks keep in the message hub.
KEPT = dict(
    best_score=0.0,
    best_checkpoint='',
    best_metric='',
    best_rule='',
    last_ckpt='',
    checkpoints=Several(''),
    unreadable_pictures=Several((0, 0)),
    saved_at=0,
    evaluated_at=0,
    evaluations=POINTS,
    skipped_steps=0,
    frozen_features=POINTS,
    mask_analysis=POINTS,
)


def check_run(runner: Any, checkpoint: Any) -> None:
    """Check all that mmengine's ``Runner.resume`` takes but the weights.

    Args:
        runner: A runner that is about to go on from it, all parts built.
        checkpoint: What the file holds, past :func:`check_progress`.

    Raises:
        ValueError: Naming what is wrong, without the file's name.
    """
    check_hub(checkpoint['message_hub'])
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapper):
        own = wrapper.state_dict()
        check_optimizer(checkpoint['optimizer'], own, wrapper.optimizer)
    if 'param_schedulers' in checkpoint and runner.param_schedulers:
        check_schedulers(
            checkpoint['param_schedulers'],
            apply_to(
                runner.param_schedulers,
                lambda part: isinstance(part, _ParamScheduler),
                lambda part: part.state_dict(),
            ),
        )


def check_progress(checkpoint: Any) -> None:
    """Check that a checkpoint has what a run needs, and how far it had come.

    Args:
        checkpoint: What the file holds.

    Raises:
        ValueError: Naming what is wrong, without the file's name.
    """
    needed = {'state_dict', 'message_hub', 'optimizer', 'meta'}
    check(isinstance(checkpoint, dict), 'it', checkpoint, 'a dict')
    if missing := needed - set(checkpoint):
        raise ValueError(
            f'it has no {", ".join(sorted(missing))} to go on from: '
            '--pretrained starts from its weights'
        )
    meta = checkpoint['meta']
    check(isinstance(meta, dict), 'meta', meta, 'a dict')
    for name in ('epoch', 'iter'):
        check_count(meta.get(name), f'meta.{name}', 0, MOST)
    if meta.get('seed') is not None:
        check_count(meta['seed'], 'meta.seed', 0, 2**32 - 1)


def check_place(found: Any, own: dict[str, Any], epoch: int) -> None:
    """Check where in the data a checkpoint says that it lies.

    Args:
        found: A loop's state from a file; of another loop, its name alone
            is looked at.
        own: The state of the loop that goes on.
        epoch: The checkpoint's.

    Raises:
        ValueError: Naming what is wrong.
    """
    check(isinstance(found, dict), 'meta.loop', found, 'a dict')
    check_name(found.get('loop'), 'meta.loop')
    if found['loop'] != own['loop']:
        return
    # What is older does not tell.
    own = {n: v for n, v in own.items() if n in found or n != 'accumulation'}
    place = found.get('sampler')
    if isinstance(place, dict) and 'listing' not in place:
        own['sampler'] = {
            n: v for n, v in own['sampler'].items() if n != 'listing'
        }
    check_like(found, own, 'meta.loop', more=True)
    for state in (found, found['sampler']):
        for key, value in state.items():
            if isinstance(value, int):
                # What the place is divided by.
                least = key in ('iters_per_epoch', 'batch_size', 'processes')
                check_count(value, f'meta.loop.{key}', int(least), 2**62)
    later = found['sampler'].get('epoch', 0)
    check(later <= epoch, 'meta.loop.sampler.epoch', later, f'{epoch} or less')


def check_hub(hub: Any) -> None:
    """Check the state of a message hub.

    Raises:
        ValueError: Naming what is wrong.
    """
    check(isinstance(hub, dict), 'message_hub', hub, 'a dict')
    for part in ('log_scalars', 'runtime_info', 'resumed_keys'):
        value = hub.get(part)
        check(isinstance(value, dict), f'message_hub.{part}', value, 'a dict')
    scalars, infos = hub['log_scalars'], hub['runtime_info']
    for key, value in scalars.items():
        check_name(key, 'message_hub.log_scalars')
        # Stock runs pickle them, which --trust-checkpoint reads.
        if not isinstance(value, HistoryBuffer):
            _check_history(value, f'message_hub.log_scalars.{key}')
    for key, value in infos.items():
        check_name(key, 'message_hub.runtime_info')
        if key in KEPT:
            name = f'message_hub.runtime_info.{key}'
            check_like(value, KEPT[key], name, finite=False)
            for point in value if KEPT[key] == POINTS else ():
                check('iter' in point, name, 'without its iteration')
    for key, value in hub['resumed_keys'].items():
        check_name(key, 'message_hub.resumed_keys')
        # mmengine insists on it at the next value.
        kept = key in scalars or key in infos
        good = isinstance(value, bool) and (value or not kept)
        check(good, f'message_hub.resumed_keys.{key}', value, 'True')


def check_optimizer(found: Any, own: Any, optimizer: Optimizer) -> None:
    """Check the state of an optimizer.

    Args:
        found: From a file.
        own: The state of the optimizer's wrapper before the first step.
        optimizer: The optimizer.

    Raises:
        ValueError: For groups or parameters other than the optimizer's, and
            for anything in it that is not finite.
    """
    check(isinstance(found, dict), 'optimizer', found, 'a dict')
    states = found.get('state')
    check(isinstance(states, dict), 'optimizer.state', states, 'a dict')
    rest, groups = (
        {name: value for name, value in state.items() if name != 'state'}
        for state in (found, own)
    )
    check_like(rest, to_weights_only(groups), 'optimizer', more=True)
    parameters = [p for g in optimizer.param_groups for p in g['params']]
    numbers = [n for g in found['param_groups'] for n in g['params']]
    good = numbers == list(range(len(parameters)))
    check(good, 'optimizer.param_groups', 'of other parameters')
    examples: dict[int, dict[str, Any]] = {}
    for number, state in states.items():
        good = type(number) is int and 0 <= number < len(parameters)
        check(good, 'a parameter of optimizer.state', number)
        shape = parameters[number].shape
        if len(shape) not in examples:
            examples[len(shape)] = _state_of(optimizer, len(shape))
        kept = state if isinstance(state, dict) else {}
        wanted = {
            key: _as_large(value, shape, kept.get(key))
            if isinstance(value, Tensor) and value.ndim
            else value
            for key, value in examples[len(shape)].items()
        }
        check_like(state, wanted, f'optimizer.state.{number}', more=True)


def _as_large(example: Tensor, shape: torch.Size, found: Any) -> Tensor:
    """What is kept of a small parameter, for a larger one.

    Args:
        example: Of the small one: of its shape, or of its rows or columns.
        shape: The larger one's.
        found: What a file keeps of it.
    """
    if example.shape == _SHAPE[: len(shape)]:
        return example.new_empty(shape)
    if isinstance(found, Tensor) and found.numel() <= shape.numel():
        return example.new_empty(found.shape)
    return example


def check_schedulers(found: Any, own: Any) -> None:
    """Check the states of parameter schedulers.

    Args:
        found: From a file.
        own: Those of the schedulers that go on: a list, or lists by name.

    Raises:
        ValueError: For other schedulers, or what would divide by zero.
    """
    check_like(found, to_weights_only(own), 'param_schedulers')
    lists = found.values() if isinstance(found, dict) else (found,)
    for state in (state for states in lists for state in states):
        check(state.get('T_max', 1) != 0, 'param_schedulers: T_max', 0)


#: Of a small parameter, of up to so many dimensions.
_SHAPE = (2, 3, 2, 3, 2)


def _state_of(optimizer: Optimizer, ndim: int) -> dict[str, Any]:
    """What an optimizer keeps of a parameter, by one step of a small one."""
    group = optimizer.param_groups[0]
    parameter = nn.Parameter(group['params'][0].new_zeros(_SHAPE[:ndim]))
    parameter.grad = torch.zeros_like(parameter)
    trial: Any = object.__new__(type(optimizer))
    trial.__dict__.update(
        vars(optimizer),
        state=defaultdict(dict),
        param_groups=[dict(group, params=[parameter])],
    )
    # Not the instance's, which schedulers have bound to the optimizer.
    type(optimizer).step(trial)
    return dict(trial.state[parameter])


def _check_history(value: Any, name: str) -> None:
    """Check a history as :func:`to_weights_only` writes it."""
    check(isinstance(value, dict), name, value, 'a history')
    values, counts = value.get('history'), value.get('counts')
    for part in (values, counts):
        good = isinstance(part, Tensor) and part.ndim == 1 and len(part) > 0
        check(good, name, part, 'a history')
    both = f'of {len(values)} values and {len(counts)} counts'
    check(len(values) == len(counts), name, both)
    length = value.get('max_length')
    check_count(length, f'{name}.max_length', len(values), MOST)
