"""Overrides of a config that mean something, or are refused."""

import copy
import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.registry import LOOPS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

#: Top-level keys that are read beside the arguments of mmengine's runner: by
#: that runner, by this project's, and by its tools.
_READ = {
    *('activation_checkpointing', 'compile', 'custom_imports'),
    *('efficient_conv_bn_eval', 'find_unused_parameters'),
    *('model_wrapper_cfg', 'runner_type', 'sync_bn'),
    *('allow_partial', 'cache_dir', 'cache_size', 'classes'),
    *('data_root', 'pretrained'),
    *('trust_checkpoint', 'tta_model', 'tta_pipeline'),
}
_HOOKS = {
    *('runtime_info', 'timer', 'sampler_seed', 'logger'),
    *('param_scheduler', 'checkpoint'),
}
_ENVIRONMENT = {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'}
_ANYWHERE = {'type', '_delete_', '_scope_'}
_LOOPS = dict(
    train='EpochBasedTrainLoop', val='ValLoop', test='TestLoop'
)  # mmengine's defaults

#: A dotted key, in its parts.
Keys = tuple[str, ...]


def apply_options(cfg: Config, options: dict[str, Any] | None) -> None:
    """Override a config, as ``--cfg-options`` asks for.

    Args:
        cfg: The config, changed in place.
        options: Values by dotted keys; numbers are places in lists.

    Raises:
        ValueError: For a key that nothing reads, naming the nearest one
            that is; a place that a list has not; and the number of classes
            where the data have it.
    """
    options = copy.deepcopy(options or {})
    given = dict(_flat(options))
    for path in given:
        _check_top(cfg, path)
        _check_second(cfg, path, given)
        of_model = path[0] in ('model', 'data_preprocessor')
        if of_model and path[-1] == 'num_classes' and 'classes' in cfg:
            raise ValueError(
                f'{".".join(path)}: here the classes are counted: leave it '
                'out, and set classes, or take another --data'
            )
    for key in options:
        _check_places(cfg, key)
    try:
        cfg.merge_from_dict(options)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        names = ', '.join(options)
        raise ValueError(f'--cfg-options {names}: {error}') from None


def given_keys(options: dict[str, Any]) -> set[str]:
    """The dotted keys of all values that overrides give."""
    return {'.'.join(path) for path, _ in _flat(options)}


def _flat(options: dict[str, Any]) -> Iterator[tuple[Keys, Any]]:
    """Every value that is given, by its path."""
    for key, value in options.items():
        path = tuple(str(key).split('.'))
        if isinstance(value, dict) and value:
            for rest, inner in _flat(value):
                yield (*path, *rest), inner
        else:
            yield path, value


def _check_top(cfg: Config, path: Keys) -> None:
    key = path[0]
    live = {*inspect.signature(Runner).parameters} - {'cfg'} | _READ
    if key in live:
        return
    whole = _unscoped(cfg.to_dict())
    places = [
        place
        for place, value in _places(whole, live)
        if _is_use(key, whole.get(key), place, value)
    ]
    places.sort(key=lambda p: (not p[0].startswith('train'), len(p)))
    used = ['.'.join(place) for place in places]
    if key not in cfg:
        near = difflib.get_close_matches(key, live | {*cfg.keys()})
        raise ValueError(
            f'--cfg-options {".".join(path)}: nothing reads {key}'
            f'{_meant(used or near)}'
        )
    if used:
        raise ValueError(
            f'--cfg-options {".".join(path)}: {key} is a variable of the '
            f'config file, which has been read: set {used[0]}'
        )


def _places(value: Any, live: set[str], path: Keys = ()) -> Iterator:
    """Every part of what a run reads of a config, by its path."""
    if path:
        yield path, value
    if isinstance(value, dict):
        items = [(k, v) for k, v in value.items() if path or k in live]
    elif isinstance(value, list):
        items = [(str(i), v) for i, v in enumerate(value)]
    else:
        return
    for key, part in items:
        yield from _places(part, live, (*path, str(key)))


def _unscoped(value: Any) -> Any:
    """A part of a config without the marks of whose base it is from."""
    if isinstance(value, dict):
        return {k: _unscoped(v) for k, v in value.items() if k != '_scope_'}
    if isinstance(value, list):
        return [_unscoped(part) for part in value]
    return value


def _is_use(key: str, variable: Any, place: Keys, value: Any) -> bool:
    """Whether a variable of the file seems to have been used in a place."""
    if variable is None:
        return place[-1] == key
    by_name = place[-1] == key or isinstance(value, dict | list)
    return by_name and bool(variable == value)


def _check_second(cfg: Config, path: Keys, given: dict[Keys, Any]) -> None:
    key = path[0]
    if len(path) < 2 or not isinstance(cfg.get(key, {}), dict):
        return
    known = _known(cfg, key, given)
    if known is None or path[1] in {*known, *cfg.get(key, {}), *_ANYWHERE}:
        return
    near = difflib.get_close_matches(path[1], known)
    raise ValueError(
        f'--cfg-options {".".join(path)}: {key} takes no {path[1]}'
        f'{_meant([f"{key}.{name}" for name in near])}'
    )


def _known(cfg: Config, key: str, given: dict[Keys, Any]) -> set[str] | None:
    """What a part of a config may hold; None if that cannot be known."""
    if key == 'default_hooks':
        return _HOOKS | {p[1] for p in given if p[0] == key and 'type' in p}
    if key == 'env_cfg':
        return _ENVIRONMENT
    if key == 'randomness':
        return {*inspect.signature(Runner.set_randomness).parameters}
    if key == 'auto_scale_lr':
        return {'base_batch_size', 'enable'}
    stage, _, what = key.partition('_')
    if stage not in _LOOPS:
        return None
    if what == 'dataloader':
        parameters = inspect.signature(DataLoader).parameters
        return {*parameters, 'num_batch_per_epoch'}
    if what != 'cfg':
        return None
    default = (cfg.get(key) or {}).get('type', _LOOPS[stage])
    loop = LOOPS.get(str(given.get((key, 'type'), default)))
    if loop is None:
        return None
    parameters = inspect.signature(loop).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return {*parameters, 'by_epoch'} - {'runner', 'dataloader'}


def _check_places(cfg: Config, key: str) -> None:
    """Walk down a dotted key as far as there is something."""
    part: Any = cfg
    names = str(key).split('.')
    for depth, name in enumerate(names):
        where = '.'.join(names[:depth])
        if isinstance(part, list):
            if not (name.isdigit() and int(name) < len(part)):
                raise ValueError(
                    f'--cfg-options {key}: {where} is a list of '
                    f'{len(part)}, numbered from 0; it has no {name}'
                )
            part = part[int(name)]
        elif depth and not isinstance(part, dict):
            raise ValueError(
                f'--cfg-options {key}: {where} is {part!r}, and has no '
                f'{name}: set {where} as a whole'
            )
        elif name not in part:
            return
        else:
            part = part[name]


def _meant(names: list[str]) -> str:
    return f'; did you mean {names[0]}?' if names else ''
