"""Which pictures of a folder a page shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from ..datasets import UnreadablePictureError
from ..datasets.listing import list_pictures
from ..files import printable

#: Pictures that a page can hold, each of which it compares with every other.
MOST = 1000


class Shown(NamedTuple):
    """Pictures of a folder.

    Attributes:
        names: Their paths within the folder, for people.
        classes: The folders that they lie in; empty for what lies in none.
        paths: Their files.
        total: Pictures that the folder has.
        unread: Of those chosen, how many could not be read.
    """

    names: list[str]
    classes: list[str]
    paths: list[str]
    total: int
    unread: int = 0


def choose(
    folder: str | Path, count: int, option: str = '--pictures'
) -> Shown:
    """Pictures spread evenly over a folder, by name.

    Args:
        folder: The folder.
        count: How many, at least 1; all if there are no more.
        option: What asks for so many.

    Raises:
        FileNotFoundError: If there is no such folder, or no picture in it.
        ValueError: If the count is below 1 or above :data:`MOST`.
    """
    if not 1 <= count <= MOST:
        raise ValueError(
            f'{option} is {count}: give 1 to {MOST}, which a page holds'
        )
    listing = list_pictures(folder)
    total = len(listing)
    rows = np.unique(np.linspace(0, total - 1, min(count, total)).astype(int))
    names = [listing[int(row)] for row in rows]
    return Shown(
        names=[printable(name) for name in names],
        classes=[printable(Path(name).parent.name) for name in names],
        paths=[listing.path(folder, int(row)) for row in rows],
        total=total,
    )


def readable(shown: Shown, encoder: Any) -> tuple[Shown, Tensor]:
    """Those that can be read, and as a model wants them.

    Args:
        shown: The pictures.
        encoder: See :class:`ccmim_mm.apis.Encoder`.

    Returns:
        They, and ``(B, C, H, W)``, normalised; what cannot be read is left
        out, and the log says so.

    Raises:
        ValueError: If none can be read.
    """
    kept, inputs, first = [], [], None
    for row, path in enumerate(shown.paths):
        try:
            inputs.append(encoder.load(path))
        except UnreadablePictureError as error:
            print_log(f'left out: {error}')
            first = first or error
        else:
            kept.append(row)
    if not kept:
        raise ValueError(f'no picture could be read: {first}')
    unread = len(shown.paths) - len(kept)
    return only(shown, kept)._replace(unread=unread), torch.cat(inputs)


def only(shown: Shown, rows: Sequence[int]) -> Shown:
    """Some of the pictures."""
    return shown._replace(
        names=[shown.names[row] for row in rows],
        classes=[shown.classes[row] for row in rows],
        paths=[shown.paths[row] for row in rows],
    )
