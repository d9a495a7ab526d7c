"""Pictures of a folder in pairs, to mix."""

from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATASETS, DefaultScope
from torch import Tensor

from ..datasets import PictureFolder, UnreadablePictureError
from ..datasets.data_root import evaluation_pipeline
from ..datasets.layouts import find_layout
from ..files import printable

#: Fewer say nothing.
MIN_PAIRS = 10


class PairsOfPictures(NamedTuple):
    """Pictures to mix, each in one pair.

    Attributes:
        sub: Packed, ``(N, C, H, W)``.
        dom: The partners.
        labels: Of sub and dom, ``(2, N)``, differing within each pair; None
            if there are none.
    """

    sub: Tensor
    dom: Tensor
    labels: Tensor | None


def load_pairs(
    cfg: Config, data_root: str | Path, pairs: int, seed: int = 0
) -> tuple[PairsOfPictures, PairsOfPictures]:
    """Draw pairs of a folder's pictures, to fit on and to judge by.

    With class folders in ``train/`` and ``val/`` they are drawn from the one
    and the other, each of two classes where there are two; else from the two
    halves of what would be trained on. No picture is in two pairs.

    Args:
        cfg: A pre-training config; its evaluation pipeline is used.
        data_root: The folder.
        pairs: Of each kind, at most.
        seed: Of the draw.

    Raises:
        FileNotFoundError: If there is no folder, or no picture in it.
        ValueError: If there are too few for :data:`MIN_PAIRS` of each kind.
    """
    if pairs < MIN_PAIRS:
        raise ValueError(f'{pairs} pairs are too few: ask for {MIN_PAIRS}')
    layout = find_layout(data_root)
    folders = [layout.train] if layout.val is None else [*layout[:2]]
    options = dict(
        type='PictureFolder',
        pipeline=evaluation_pipeline(cfg),
        with_label=layout.val is not None,
    )
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        opened = [
            DATASETS.build(dict(options, data_root=str(folder)))
            for folder in folders
        ]
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(p), generator=generator) for p in opened]
    if layout.val is None:
        opened, orders = opened * 2, [*orders[0].tensor_split(2)]
    known = [*opened[0].metainfo.get('classes', ())]
    drawn = [
        _read_pairs(pictures, order, pairs, known)
        for pictures, order in zip(opened, orders, strict=True)
    ]
    for part, pictures in zip(drawn, opened, strict=True):
        if len(part.sub) < MIN_PAIRS:
            raise ValueError(
                f'{printable(pictures.data_root)} gives {len(part.sub)} '
                f'pairs, {MIN_PAIRS} are needed to fit on and as many to '
                'judge by: take a folder of more pictures'
            )
    return drawn[0], drawn[1]


def pair_classes(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Pair shuffled pictures so that the classes of each pair differ.

    Args:
        labels: ``(M,)``, of pictures in a random order.

    Returns:
        Places of the first and of the second of each pair, at most M / 2;
        fewer only where one class has more than half of the pictures.
    """
    half = len(labels) // 2
    first = torch.arange(half)
    second = first + half
    for i in range(half):
        if labels[first[i]] == labels[second[i]]:
            own, found = labels[first], labels[second]
            fits = (own != found[i]) & (found != own[i])
            for j in fits.nonzero()[:1, 0].tolist():
                second[[i, j]] = second[[j, i]]
    differ = labels[first] != labels[second]
    return first[differ], second[differ]


def _read_pairs(
    pictures: PictureFolder, order: Tensor, pairs: int, known: list[str]
) -> PairsOfPictures:
    """Pair the first pictures that can be read.

    Args:
        pictures: All that there are.
        order: Which to try, one after the other.
        pairs: At most.
        known: Classes by number; new ones are added.
    """
    packed: list[Tensor] = []
    labels: list[int] = []
    for index in order.tolist():
        if len(packed) == 2 * pairs:
            break
        try:
            packed.append(pictures[index]['inputs'])
        except UnreadablePictureError as error:
            print_log(f'left out: {error}')
            continue
        if pictures.labels is not None:
            name = pictures.metainfo['classes'][pictures.labels[index]]
            if name not in known:
                known.append(name)
            labels.append(known.index(name))
    # One class tells nothing.
    if len({*labels}) > 1:
        numbers = torch.tensor(labels)
        first, second = pair_classes(numbers)
        both = torch.stack((numbers[first], numbers[second]))
    else:
        half = len(packed) // 2
        first, second = torch.arange(2 * half).view(2, half)
        both = None
    sides = [
        torch.stack([packed[i] for i in side.tolist()])
        if len(side)
        else torch.empty(0)
        for side in (first, second)
    ]
    return PairsOfPictures(sides[0], sides[1], both)
