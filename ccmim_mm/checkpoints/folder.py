"""Folders that transformers and timm keep a model in."""

import json
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

CONFIG = 'config.json'
#: The files that the weights may be in, the first that is there.
_WEIGHTS = ('model.safetensors', 'pytorch_model.bin')
#: Of transformers' models those that are plain ViTs.
_KINDS = ('vit', 'vit_mae')
#: What every norm of this project adds to the variance.
_EPS = 1e-6
#: Layers of a model, at most: what a file says is not believed.
_MOST_LAYERS = 1000
#: timm's models whose CLS token has no position, by their names.
_NO_POSITION = ('deit3_', 'flexivit_')


def is_folder(path: str | Path) -> bool:
    """Whether a path is such a folder, and no file."""
    return Path(path, CONFIG).is_file()


def is_checkpoint(path: str | Path) -> bool:
    """Whether there is something to read parameters from."""
    return Path(path).is_file() or is_folder(path)


def weights_in(folder: str | Path) -> Path:
    """The file of a folder's weights.

    Raises:
        FileNotFoundError: If there is none, or several are one model's.
    """
    for name in _WEIGHTS:
        if (path := Path(folder, name)).is_file():
            return path
    if any(Path(folder).glob('*.index.json')):
        raise FileNotFoundError(
            f'the weights in {folder} are in several files: save them as one, '
            "by save_pretrained(..., max_shard_size='100GB')"
        )
    raise FileNotFoundError(f'{folder} has no {" or ".join(_WEIGHTS)}')


def told_in(folder: str | Path) -> dict[str, Any]:
    """What a folder's config tells that no tensor does.

    Returns:
        ``heads`` by this project's names of the modules, as far as it tells,
        and ``no_embed_class`` where timm's CLS token has no position.

    Raises:
        ValueError: If it is no config, or that of a model which this
            project's encoder is not.
    """
    path = Path(folder, CONFIG)
    try:
        cfg = json.loads(path.read_text())
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f'{path} is broken: {error}') from None
    if not isinstance(cfg, dict):
        raise ValueError(f'{path} is broken: no dict')
    if 'architecture' in cfg:
        # timm's: the rest is in the name.
        args = cfg.get('model_args')
        args = args if isinstance(args, dict) else {}
        named = str(cfg['architecture']).startswith(_NO_POSITION)
        return dict(
            heads=_heads(args, 'num_heads', 'depth'),
            no_embed_class=args.get('no_embed_class', named),
        )
    kind = cfg.get('model_type')
    if kind not in _KINDS:
        raise ValueError(
            f'{path} is of a model of the type {kind!r:.50}: of '
            f'transformers {" and ".join(_KINDS)} are read'
        )
    activation = cfg.get('hidden_act', 'gelu')
    if activation != 'gelu':
        raise ValueError(
            f'{path} has hidden_act {activation!r:.50}, and this encoder gelu'
        )
    eps = cfg.get('layer_norm_eps', 1e-12)
    if eps != _EPS:
        print_log(
            f'{path}: its norms add {eps!r:.50}, here they add {_EPS}; '
            'model.backbone.norm_cfg.eps in --cfg-options sets it'
        )
    heads = _heads(cfg, 'num_attention_heads', 'num_hidden_layers')
    if kind == 'vit_mae':
        heads |= _heads(
            cfg,
            'decoder_num_attention_heads',
            'decoder_num_hidden_layers',
            'neck.decoder_blocks',
        )
    return dict(heads=heads)


def _heads(
    cfg: dict, heads: str, layers: str, place: str = 'backbone.layers'
) -> dict[str, int]:
    """Attention heads by the modules' names, if both numbers are there."""
    count, depth = (cfg.get(name) for name in (heads, layers))
    if type(count) is not int or type(depth) is not int:
        return {}
    if not (count > 0 and 0 < depth <= _MOST_LAYERS):
        return {}
    return {f'{place}.{i}.attn': count for i in range(depth)}
