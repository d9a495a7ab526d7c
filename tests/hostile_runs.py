"""What a run must not go on from though its weights are good, by name."""

import copy
from pathlib import Path

import torch
from hostile import saved


def state(*keys, value):
    """A run's state with one entry replaced, at the end of ``keys``.

    ``value`` may be a function of what stands there.
    """

    def write(good: dict, path: Path, trace: Path) -> None:
        content = copy.deepcopy(good)
        place = content
        for key in keys[:-1]:
            place = place[key]
        last = keys[-1]
        new = value(place.get(last)) if callable(value) else value
        if new is GONE:
            del place[last]
        else:
            place[last] = new
        saved(content, path)

    return write


def changed(**entries):
    """A dict with other entries."""
    return lambda old: {k: v for k, v in (old | entries).items()
                        if v is not GONE}  # fmt: skip


def first(change):
    """A list whose first entry is changed."""
    return lambda old: [change(old[0]), *old[1:]]


def history(**entries):
    return lambda old: dict(old, **{'train/loss': dict(
        history=torch.ones(3), counts=torch.ones(3, dtype=torch.int64),
        max_length=10, **{}) | entries})  # fmt: skip


def moments(change):
    """The optimizer's state with that of one parameter changed."""
    return lambda old: old | {0: change(old[0])}


GONE = object()


_HUB, _META, _LOOP = 'message_hub', 'meta', ('meta', 'loop')
_GROUPS = ('optimizer', 'param_groups')
#: What a run cannot go on from, with weights that are good.
UNFIT = {
    'hub of text': state(_HUB, value='hub'),
    'hub without values': state(_HUB, 'log_scalars', value=GONE),
    'values as a list': state(_HUB, 'log_scalars', value=[1]),
    'history of text': state(
        _HUB, 'log_scalars', value=lambda old: old | {'train/loss': 'low'}
    ),
    'unequal history': state(
        _HUB, 'log_scalars', value=history(counts=torch.ones(2))
    ),
    'empty history': state(
        _HUB,
        'log_scalars',
        value=history(history=torch.ones(0), counts=torch.ones(0)),
    ),
    'history of two dimensions': state(
        _HUB, 'log_scalars', value=history(history=torch.ones(3, 3))
    ),
    'history of length -1': state(
        _HUB, 'log_scalars', value=history(max_length=-1)
    ),
    'kept as text': state(
        _HUB, 'resumed_keys', value=lambda old: dict.fromkeys(old, 'yes')
    ),
    'kept as False': state(
        _HUB, 'resumed_keys', value=lambda old: dict.fromkeys(old, False)
    ),
    'score of text': state(_HUB, 'runtime_info', 'best_score', value='best'),
    'checkpoints as numbers': state(
        _HUB, 'runtime_info', 'checkpoints', value=[1, 2]
    ),
    'last checkpoint as a list': state(
        _HUB, 'runtime_info', 'last_ckpt', value=['a']
    ),
    'counts of text': state(
        _HUB, 'runtime_info', 'unreadable_pictures', value=['none']
    ),
    'steps of text': state(
        _HUB, 'runtime_info', 'skipped_steps', value='none'
    ),
    'features without iteration': state(
        _HUB, 'runtime_info', 'frozen_features', value=[{'knn_cls': 1.0}]
    ),
    'a name without end': state(
        _HUB, 'runtime_info', value=lambda old: old | {'a' * 3_000_000: 1}
    ),
    'a word without end': state(
        _HUB, 'runtime_info', 'last_ckpt', value='a' * 3_000_000
    ),
    'no meta': state(_META, value=GONE),
    'meta of text': state(_META, value='meta'),
    'epoch missing': state(_META, 'epoch', value=GONE),
    'epoch of text': state(_META, 'epoch', value='1'),
    'epoch -1': state(_META, 'epoch', value=-1),
    'iteration -3': state(_META, 'iter', value=-3),
    'iteration 10^18': state(_META, 'iter', value=10**18),
    'epoch 3.5': state(_META, 'epoch', value=3.5),
    'seed of text': state(_META, 'seed', value='seed'),
    'seed -1': state(_META, 'seed', value=-1),
    'loop of text': state(*_LOOP, value='loop'),
    'loop without a name': state(*_LOOP, value={}),
    'another loop': state(*_LOOP, 'loop', value='Other'),
    'place missing': state(*_LOOP, 'sampler', value=GONE),
    'place as a list': state(*_LOOP, 'sampler', value=[1]),
    'place of text': state(*_LOOP, 'sampler', 'consumed', value='all'),
    'place -8': state(*_LOOP, 'sampler', 'consumed', value=-8),
    'no iterations an epoch': state(*_LOOP, 'iters_per_epoch', value=0),
    'place in a later epoch': state(
        *_LOOP, value=changed(iters_per_epoch=1, sampler=dict(
            seed=0, epoch=10**8, consumed=9, length=9, pictures=9,
            processes=1)),
    ),
    'optimizer of text': state('optimizer', value='AdamW'),
    'no optimizer': state('optimizer', value=GONE),
    'optimizer without groups': state(*_GROUPS, value=GONE),
    'fewer groups': state(*_GROUPS, value=lambda old: old[1:]),
    'rate of text': state(*_GROUPS, value=first(changed(lr='fast'))),
    'rate of nan': state(*_GROUPS, value=first(changed(lr=float('nan')))),
    'no betas': state(*_GROUPS, value=first(changed(betas=GONE))),
    'one beta': state(*_GROUPS, value=first(changed(betas=(0.9,)))),
    'other parameters': state(*_GROUPS, value=first(changed(params=[10**6]))),
    'moments as a list': state('optimizer', 'state', value=[1]),
    'moments of nan': state('optimizer', 'state', value=moments(
        lambda old: old | dict(exp_avg=old['exp_avg'] * float('nan')))),
    'moments of inf': state('optimizer', 'state', value=moments(
        lambda old: old | dict(exp_avg_sq=old['exp_avg_sq'] + float('inf')))),
    'moments of another shape': state('optimizer', 'state', value=moments(
        lambda old: old | dict(exp_avg=torch.zeros(3)))),
    'moments of integers': state('optimizer', 'state', value=moments(
        lambda old: old | dict(exp_avg=old['exp_avg'].to(torch.int8)))),
    'a moment missing': state('optimizer', 'state', value=moments(
        lambda old: dict(step=old['step']))),
    'moments of nobody': state(
        'optimizer', 'state', value=lambda old: old | {10**6: old[0]}
    ),
    'moments by name': state(
        'optimizer', 'state', value=lambda old: old | {'a': old[0]}
    ),
    'schedule of text': state('param_schedulers', value='cosine'),
    'fewer schedulers': state('param_schedulers', value=lambda old: old[1:]),
    'schedule of nothing': state(
        'param_schedulers', value=lambda old: [{} for _ in old]
    ),
    'a schedule with methods': state(
        'param_schedulers', value=first(changed(step=1, optimizer=2))
    ),
    'last step of text': state(
        'param_schedulers', value=first(changed(last_step='a'))
    ),
    'rates of text': state(
        'param_schedulers', value=first(changed(base_values='a'))
    ),
    'a period of 0': state(
        'param_schedulers', value=lambda old: [old[0], old[1] | {'T_max': 0}]
    ),
}  # fmt: skip


def naming(*keys, many=False):
    """A good checkpoint that calls a file elsewhere its own.

    Args:
        keys: Where, in the message hub's runtime info.
        many: Whether it is one of several.
    """

    def written(relative: bool):
        def write(good: dict, path: Path, trace: Path) -> None:
            # Beside the work dir, planted by whoever tries.
            place = path.parent.parent / 'outside' / 'epoch_9.pth'
            name = '../outside/epoch_9.pth' if relative else str(place)
            hub = copy.deepcopy(good['message_hub'])
            for key in keys:
                hub['runtime_info'][key] = [name, name] if many else name
                hub['resumed_keys'][key] = True
            hub['runtime_info']['best_score'] = -1.0
            hub['resumed_keys']['best_score'] = True
            saved(dict(good, message_hub=hub), path)

        return write

    return written


_NAMES = {
    'best_ckpt': naming('best_ckpt'),
    'best_checkpoint': naming('best_checkpoint'),
    'checkpoints': naming('checkpoints', many=True),
    'last_ckpt': naming('last_ckpt'),
    'keep_ckpt_ids': naming('keep_ckpt_ids', many=True),
}
#: Good to go on from, and naming files that are not the run's.
NAMING = {
    f'{name}, {kind}': write(kind == 'relative')
    for name, write in _NAMES.items()
    for kind in ('relative', 'absolute')
}
