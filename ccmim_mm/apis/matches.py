"""How well an encoder's patches match between two crops of a picture."""

import torch
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import hflip, resized_crop

from ..evaluation import Agreement, Crops, match_agreement
from ..grids import grid_of, in_words
from ..models import patch_features_of
from .encoder import Encoder

BATCH_SIZE = 64
#: Share of the picture's area, and width over height, of a crop.
SCALE, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)


def cut(pictures: Tensor, generator: torch.Generator) -> tuple[Tensor, Crops]:
    """Cut a random crop out of each picture, and flip every other one.

    Args:
        pictures: Packed, ``(N, C, H, W)``.
        generator: Of the draws.

    Returns:
        Views of the pictures' size, and where they were cut out.
    """
    views, boxes = [], []
    flipped = torch.rand(len(pictures), generator=generator) < 0.5
    seeds = torch.randint(2**31, (len(pictures),), generator=generator)
    with torch.random.fork_rng(devices=[]):
        for picture, seed, flip in zip(
            pictures, seeds.tolist(), flipped, strict=True
        ):
            torch.manual_seed(seed)
            box = RandomResizedCrop.get_params(picture, [*SCALE], [*RATIO])
            view = resized_crop(picture, *box, [*picture.shape[1:]])
            views.append(hflip(view) if flip else view)
            boxes.append(box)
    return torch.stack(views), Crops(torch.tensor(boxes).float(), flipped)


@torch.no_grad()
def judge_matches(
    encoder: Encoder, pictures: Tensor, seed: int = 0
) -> Agreement:
    """Match the patches of two crops of each picture.

    Args:
        encoder: The encoder.
        pictures: Packed, ``(N, C, H, W)``.
        seed: Of the crops.

    Raises:
        ValueError: If the encoder has no patches, or none that fill the
            pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    views, crops = zip(
        *(cut(pictures, generator) for _ in range(2)), strict=True
    )
    first, second = (_encode(encoder, view) for view in views)
    size = (pictures.shape[-2], pictures.shape[-1])
    grid = grid_of(first.shape[1], size)
    if grid is None:
        raise ValueError(
            f'{first.shape[1]} square patches do not fill pictures of '
            f'{in_words(size)} pixels: take sides that the encoder divides'
        )
    return match_agreement((first, second), (crops[0], crops[1]), grid)


def _encode(encoder: Encoder, pictures: Tensor) -> Tensor:
    """Features of every patch, ``(N, L, C)``, on the CPU."""
    batches = pictures.split(BATCH_SIZE)
    return torch.cat(
        [
            patch_features_of(encoder.model, encoder.normalise(batch)).cpu()
            for batch in batches
        ]
    )
