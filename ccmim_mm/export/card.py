"""A model card: what weights are, for whoever gets them."""

import re
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..datasets.remote.urls import is_remote
from ..encoders import Pixels, Source
from ..grids import in_words
from .facts import UNKNOWN_LICENCE, Facts, last_name

#: Keys of a config that have paths.
_OF_A_PATH = re.compile(
    r'.*_(dir|file|path|prefix|root)|checkpoint|load_from|pretrained|resume'
    '|root|teacher'
)
_TEXT = """\
---
library_name: {library}
{licence}
pipeline_tag: image-feature-extraction
tags:
{tags}
---

# {title}

{what}

{trained}

## Use

{use}

Input: {pixels}

## Figures

{figures}

## Left behind

{left_out}

## Licence

{terms}
"""


def card(
    source: Source, facts: Facts, pixels: Pixels, library: str, use: str
) -> str:
    """The text of a card, Markdown behind a front matter.

    Args:
        source: The checkpoint.
        facts: What is known of it.
        pixels: How its pictures are made.
        library: What it is for, by the hub's name.
        use: How to load it, Markdown.
    """
    told = facts.licence != UNKNOWN_LICENCE
    tags = ['ccmim_mm', 'self-supervised-learning', 'vision']
    if facts.method:
        tags.append(facts.method.lower())
    text = _TEXT.format(
        library=library,
        licence=f'license: {facts.licence}'
        if told
        else f'license: other\nlicense_name: {UNKNOWN_LICENCE}',
        tags='\n'.join(f'- {tag}' for tag in tags),
        title=f'{facts.method or "An"} encoder, {Path(facts.checkpoint).stem}',
        what=f'An encoder of pictures: {facts.encoder}.',
        trained=trained(facts),
        use=use,
        pixels=describe(pixels),
        figures=_figures(facts),
        left_out='\n'.join(f'- {part}' for part in left_behind(facts))
        or 'Nothing.',
        terms=f'{facts.licence}, as whoever exported it says.'
        if told
        else 'Unknown: nobody told when this was exported. Ask whoever '
        'trained it; the terms of the pictures may bind the weights, too.',
    )
    if source.cfg is not None:
        text += _config(source.cfg)
    return text


def trained(facts: Facts) -> str:
    """What was trained on what and for how long, in sentences."""
    if facts.method is None:
        return (
            f'The weights were read from `{facts.checkpoint}`, which has the '
            f'names of the format `{facts.form}`. What they were trained on, '
            'how and for how long is not known here: no config of a run was '
            'at hand.'
        )
    data = f'the folder `{facts.data}`' if facts.data else 'unknown pictures'
    if facts.pictures is not None:
        data = f'{facts.pictures:,} pictures, {data},'
    length = 'for an unknown time'
    if facts.epochs is not None:
        whole = f' of {facts.planned}' if facts.planned else ''
        length = f'for {facts.epochs}{whole} epochs'
    if facts.iterations is not None:
        length += f' ({facts.iterations:,} iterations)'
    teacher = ''
    if facts.teacher:
        teacher = f' It learnt from the frozen teacher `{facts.teacher}`.'
    return (
        f'Trained with {facts.method} on {data} {length}, by the config '
        f'`{facts.config}` of ccmim_mm {facts.version}; the checkpoint was '
        f'`{facts.checkpoint}`.{teacher}'
    )


def left_behind(facts: Facts) -> list[str]:
    """What the checkpoint or the run had, and the export has not."""
    parts = list(facts.left_out)
    if facts.teacher:
        parts.append(f'the teacher {facts.teacher}, never in the checkpoint')
    return parts


def describe(pixels: Pixels) -> str:
    """The input, in a sentence."""
    mean, std = (
        ', '.join(f'{value:.4g}' for value in values)
        for values in (pixels.mean, pixels.std)
    )
    assumed = ''
    if pixels.assumed:
        assumed = ' Nobody told: these are the usual numbers of ImageNet.'
    height, width = pixels.size
    values = (
        'channels as files have them' if pixels.stored else 'RGB in [0, 1]'
    )
    resized = f'shorter side is resized to {pixels.resize[0]}'
    if height != width:
        resized = f'sides are resized to cover {in_words(pixels.resize)}'
    return (
        f'{values}, `(B, {len(pixels.mean)}, {height}, {width})`, minus '
        f'({mean}), divided by ({std}); of a picture whose {resized} '
        f'(bicubic) the middle.{assumed}'
    )


def _figures(facts: Facts) -> str:
    if not facts.figures:
        return 'None were at hand.'
    *before, last = facts.figures
    first = before[0] if before else {}
    where = f'iteration {last["iter"]:,}'
    if facts.iterations is not None and last['iter'] != facts.iterations:
        where += ', the last of the run and not of this checkpoint'
    rows = [
        f'| {name} | {_number(first.get(name))} | {_number(value)} |'
        for name, value in last.items()
        if name != 'iter'
    ]
    return '\n'.join(
        [
            f"Of the run's own evaluation, at {where}. `knn_` and `linear_` "
            'are a kNN and a linear probe on frozen features, in % of the '
            'held-out pictures that are right; `rankme_` and `alpha_` tell '
            'without labels how many directions the features use and how '
            'fast their spectrum decays.',
            '',
            '| figure | before training | trained |',
            '|---|---|---|',
            *rows,
        ]
    )


def _number(value: float | None) -> str:
    return '' if value is None else f'{value:.4g}'


def _config(cfg: Config) -> str:
    """The config, without the places of its files."""
    plain = Config(_by_name(cfg.to_dict()))
    return (
        '\n## Config\n\nPaths come as their last names.\n\n'
        f'```python\n{plain.pretty_text.strip()}\n```\n'
    )


def _by_name(value: Any, is_path: object = False) -> Any:
    """With the last names of whatever is a path or a URL.

    Args:
        value: A config or a part of one.
        is_path: Whether its key says that it is one, be it a relative one.
    """
    if isinstance(value, dict):
        found = {}
        for key, part in value.items():
            named = is_path or _OF_A_PATH.fullmatch(str(key))
            if isinstance(part, dict):
                # Below data_prefix all is paths, and below a teacher not.
                named = str(key).endswith('_prefix')
            found[key] = _by_name(part, named)
        return found
    if isinstance(value, list | tuple):
        return type(value)(_by_name(part, is_path) for part in value)
    if isinstance(value, str) and (
        is_path or Path(value).is_absolute() or is_remote(value)
    ):
        return last_name(value) or value
    return value
