"""What is known of a checkpoint: it goes wherever the weights go."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from ..datasets.remote.urls import is_remote, shown
from ..encoders import Source
from ..files import printable
from ..grids import in_words
from ..run_files import read_summary
from ..version import __version__

#: What parts of a checkpoint are, by their first name.
_PARTS = dict(
    align_head='projector of the alignment',
    head='head',
    momentum_encoder='moving average of the encoder and its projector',
    encoder_k='moving average of the encoder and its projector',
    trained='encoder itself, of which this is the moving average',
    queue='queue of the contrast',
    queue2='queue of the contrast',
    embed_sub='map into the decoder, subordinate picture',
    embed_dom='map into the decoder, dominant picture',
)
UNKNOWN_LICENCE = 'unknown'


class Facts(NamedTuple):
    """What a checkpoint was.

    Attributes:
        checkpoint: Its file's name.
        form: The format that it came in.
        method: What it was trained with; None if nobody told.
        encoder: Its network, for people.
        config: The config's name.
        data: The name of the folder of pictures.
        pictures: How many of them it was trained on.
        epochs: That it was trained for.
        planned: Epochs of the whole run.
        iterations: Steps that it was trained for.
        figures: Evaluations of the run: at its start if there was one, and
            the checkpoint's own or, if it has none, the last; each with
            ``iter``.
        teacher: The name of a frozen teacher's checkpoint.
        left_out: Parts of the checkpoint that do not go along.
        licence: Of the weights.
        version: Of this project.
    """

    checkpoint: str
    form: str
    method: str | None
    encoder: str
    config: str | None
    data: str | None
    pictures: int | None
    epochs: int | None
    planned: int | None
    iterations: int | None
    figures: list[dict[str, float]]
    teacher: str | None
    left_out: list[str]
    licence: str = UNKNOWN_LICENCE
    version: str = __version__

    def dump(self) -> str:
        """As JSON, for formats that take a text along."""
        return json.dumps(self._asdict())


def facts_of(
    source: Source, keeps: tuple[str, ...], licence: str | None
) -> Facts:
    """Gather what is known.

    Args:
        source: The checkpoint.
        keeps: Prefixes of the parameters that are exported.
        licence: Of the weights; None if nobody told.

    Raises:
        ValueError: If the run's summary is damaged.
    """
    cfg: Any = source.cfg or {}
    model = cfg.get('model') or {}
    teacher = (model.get('teacher') or {}).get('checkpoint')
    data = cfg.get('data_root')
    name = source.cfg and source.cfg.filename
    summary = _summary(source)
    return Facts(
        checkpoint=printable(source.path.name),
        form=source.form,
        method=model.get('type'),
        encoder=_encoder(source),
        config=printable(Path(name).stem) if name else None,
        data=_named(data),
        pictures=summary.get('pictures'),
        epochs=source.epoch,
        planned=(cfg.get('train_cfg') or {}).get('max_epochs'),
        iterations=source.iteration,
        figures=_figures(summary, source.iteration),
        teacher=printable(last_name(teacher)) if teacher else None,
        left_out=_left_out(source, keeps),
        licence=licence or UNKNOWN_LICENCE,
    )


def last_name(path: str) -> str:
    """The last name of a path or a URL, which may have a query behind it."""
    return Path(shown(path) if is_remote(path) else path).name


def _named(folder: str | None) -> str | None:
    """A folder's name; None of ``.`` and ``..``, which the run alone knew."""
    name = last_name(folder or '')
    return printable(name) if name not in ('', '..') else None


def _encoder(source: Source) -> str:
    kind = type(source.network.backbone).__name__
    count = sum(p.numel() for p in source.network.parameters())
    size = f'{count / 1e6:.1f} M parameters'
    if source.shape is None:
        return f'{kind}, {size}'
    s = source.shape
    return (
        f'ViT ({kind}), {s.width} wide, {s.layers} layers, {s.heads} heads, '
        f'patches of {s.patch} x {s.patch} on pictures of '
        f'{in_words(s.size)} pixels, {size}'
    )


def _summary(source: Source) -> dict[str, Any]:
    """What the run has left of itself, its evaluations by iteration."""
    if source.work_dir is None:
        return {}
    summary = read_summary(source.work_dir, 'evaluations')
    if summary is None:
        return {}
    points = {point['iter']: point for point in summary['evaluations']}
    return dict(summary, evaluations=points)


def _figures(
    summary: dict[str, Any], iteration: int | None
) -> list[dict[str, float]]:
    """The first evaluation of the run, and the checkpoint's or the last."""
    by_iter = summary.get('evaluations')
    if not by_iter:
        return []
    own = by_iter.get(iteration, by_iter[max(by_iter)])
    return [own] if own is by_iter.get(0, own) else [by_iter[0], own]


def _left_out(source: Source, keeps: tuple[str, ...]) -> list[str]:
    """Parts of the checkpoint that stay, with how large they are."""
    parts: dict[str, list[int]] = {}
    for name, value in source.state.items():
        if name == 'backbone.mask_token':
            part = name
        elif name.startswith(keeps):
            continue
        else:
            part = name.partition('.')[0]
        parts.setdefault(part, []).append(value.numel())
    decodes = 'neck.decoder_pred.weight' in source.state
    names = _PARTS | dict(neck='decoder' if decodes else 'projector')
    names |= {'backbone.mask_token': 'token of masked patches'}
    return [
        f'{names.get(part, "part")} ({printable(part)}, {len(sizes)} '
        f'tensors, {sum(sizes):,} values)'
        for part, sizes in parts.items()
    ]
