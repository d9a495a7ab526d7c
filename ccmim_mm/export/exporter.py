"""Weights that leave for another library, compared after writing."""

import re
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..encoders import (
    Source,
    normalise,
    pictures,
    pixels_of,
    read_source,
)
from ..files import check_output, printable, staged
from .card import card, left_behind, trained
from .facts import Facts, facts_of
from .staging import staged_files, write_text
from .target import Target, absent, features, versions
from .to_hf import ToHuggingFace
from .to_hf_mae import ToHuggingFaceMAE
from .to_onnx import ToONNX
from .to_pt2 import ToProgram
from .to_safetensors import ToSafetensors
from .to_timm import ToTimm

#: The formats, by what ``--to`` calls them.
TARGETS: dict[str, Target] = {
    'hf': ToHuggingFace(),
    'hf-mae': ToHuggingFaceMAE(),
    'timm': ToTimm(),
    'onnx': ToONNX(),
    'pt2': ToProgram(),
    'safetensors': ToSafetensors(),
}


class Export(NamedTuple):
    """The outcome.

    Attributes:
        written: Names of what was written.
        compared_with: The libraries, and their versions.
        found: The largest difference of any feature, or why it is not known.
        scale: The largest feature.
        facts: What goes along.
    """

    written: list[str]
    compared_with: str
    found: float | str
    scale: float
    facts: Facts

    def __str__(self) -> str:
        lines = [f'{trained(self.facts)}', f'wrote {", ".join(self.written)}']
        lines += [f'left behind: {part}' for part in left_behind(self.facts)]
        if isinstance(self.found, str):
            lines.append(f'NOT COMPARED: {self.found}')
        else:
            lines.append(
                f'compared with {self.compared_with}: the largest difference '
                f'is {self.found:.2g}, of features up to {self.scale:.2g}'
            )
        return '\n'.join(lines)


def check_target(out: str | Path, to: str) -> Target:
    """The format that is asked for, before anything is read.

    Args:
        out: The file or folder to write.
        to: One of :data:`TARGETS`.

    Raises:
        FileExistsError: If there is something already.
        ValueError: If there is no such format, or its file would have
            another name.
        ImportError: If it cannot be written without what is absent.
    """
    check_output(out)
    if to not in TARGETS:
        raise ValueError(f'no format {to}: use {", ".join(TARGETS)}')
    target = TARGETS[to]
    if target.suffix and Path(out).suffix != target.suffix:
        raise ValueError(
            f'{printable(out)}: --to {to} writes a file, name it '
            f'{printable(Path(out).with_suffix(target.suffix))}'
        )
    if target.suffix:
        check_output(_card_of(Path(out)))
    if missing := absent(target.needs):
        raise ImportError(
            f'--to {to} needs {" and ".join(missing)}, which is not '
            f'installed: pip install {" ".join(missing)}, or --to pt2'
        )
    return target


def export(
    checkpoint: str | Path,
    out: str | Path,
    to: str,
    config: str | Path | None = None,
    licence: str | None = None,
    picture: str | Path | None = None,
    encoder: str = 'online',
) -> Export:
    """Write a checkpoint's weights for another library, and compare.

    What differs from this project's features is not left behind: all is
    written beside its place, loaded by the other library where that is
    installed, and moved when it agrees.

    Args:
        checkpoint: Of any format that is known.
        out: The file or folder to write, which is new.
        to: One of :data:`TARGETS`.
        config: See :func:`read_source`.
        licence: Of the weights, by the hub's short name; None leaves it open
            and says so.
        picture: To compare on; None makes one.
        encoder: ``online``, or ``momentum`` of MoCo v3 or DenseCL.

    Raises:
        FileNotFoundError: If a file that is named is missing.
        FileExistsError: If ``out`` exists.
        ImportError: If it cannot be written without what is absent.
        ValueError: If the checkpoint cannot be read safely or has no place
            in the format, or the other library's features are others.
    """
    target, out = check_target(out, to), Path(out)
    if licence is not None and not re.fullmatch(r'[\w.-]+', licence):
        raise ValueError(
            f'--license {printable(licence)}: give a short name of the hub, '
            'apache-2.0 or cc-by-nc-4.0 for one, or other'
        )
    if picture is not None and not Path(picture).is_file():
        raise FileNotFoundError(f'no picture {picture}')
    source = read_source(checkpoint, config, encoder)
    target.check(source)
    pixels = pixels_of(source)
    facts = facts_of(source, target.keeps, licence)
    use = target.use(source, out.name)
    text = card(source, facts, pixels, target.library, use)
    path = None if picture is None else Path(picture)
    inputs = normalise(pixels, pictures(pixels, path))
    with staged_files(out) if target.suffix else staged(out) as place:
        target.write(source, facts, pixels, place)
        write_text(
            _card_of(place) if target.suffix else place / 'README.md', text
        )
        scale = float(features(source, inputs).abs().max())
        found = _compare(target, source, inputs, place)
        if isinstance(found, float):
            _check(found, scale, target, source)
        within = place.parent if target.suffix else place
        names = sorted(file.name for file in within.iterdir())
    folder = out.parent if target.suffix else out
    return Export(
        written=[printable(folder / name) for name in names],
        compared_with=versions(target.compares_with),
        found=found,
        scale=scale,
        facts=facts,
    )


def _card_of(file: Path) -> Path:
    """The card beside a file: ``encoder.onnx.md``."""
    return file.with_name(f'{file.name}.md')


def _compare(
    target: Target, source: Source, inputs: Tensor, place: Path
) -> float | str:
    """The largest difference, or why the other library cannot tell."""
    if missing := absent(target.compares_with):
        names = ' '.join(missing)
        return (
            f'{names} is not installed (pip install {names}, and export once '
            'more to another place)'
        )
    try:
        return target.compare(source, inputs, place)
    except ImportError as error:
        reason = str(error).partition('\n')[0]
        return f'{" ".join(target.compares_with)} does not import: {reason}'


def _check(
    difference: float, scale: float, target: Target, source: Source
) -> None:
    # Also where it is no number.
    if not difference <= target.tolerance * scale:
        raise ValueError(
            f'{source.path}: with {versions(target.compares_with)} features '
            f'differ by {difference:.2g}, of up to {scale:.2g}, so nothing '
            'was written: has its encoder a layer that the format has not?'
        )
