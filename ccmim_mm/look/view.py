"""What a page shows of one encoder."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..evaluation import alpha_req, feature_std, rankme
from ..grids import grid_of
from ..models import MaskedMethod, features_of, patch_features_of
from ..models.algorithms.colours import in_colours
from ..run_files import CURVES
from ..visualization import as_rgb
from .attention import attention_by_layer
from .packing import (
    as_bytes,
    as_jpeg,
    as_png,
    as_signed,
    in_base64,
    rounded,
)

#: Main directions of patches that a page keeps, to compare them by.
DIRECTIONS = 32
#: Masks that are drawn and predicted.
DRAWS = 3
#: Pictures that are encoded at a time.
BATCH = 32


@torch.no_grad()
def view_of(
    model: Any,
    name: str,
    inputs: Tensor,
    others: Tensor,
    work_dir: Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """What a page shows of one encoder.

    Args:
        model: A model of this project or mmpretrain, in evaluation mode.
        name: What to call it.
        inputs: Pictures to look into, normalised, ``(N, C, H, W)``.
        others: Pictures to find neighbours among, likewise, ``(M, ...)``.
        work_dir: Of its run, for its curves; None has none.
        seed: Of the masks.

    Returns:
        For JSON, by the names that the page's script has.
    """
    size = tuple(inputs.shape[-2:])
    view: dict[str, Any] = dict(
        name=name,
        method=type(model).__name__,
        size=list(size),
        pictures=[as_jpeg(p) for p in _rgb(model, inputs)],
        **_patches(model, inputs),
        **_whole(model, others),
        **_attention(model, inputs),
        **_masks(model, inputs, seed),
        curves=None,
    )
    curves = work_dir and work_dir / CURVES
    if curves and curves.is_file():
        view['curves'] = as_png(curves.read_bytes())
    return view


def _rgb(model: Any, inputs: Tensor) -> Tensor:
    shown = as_rgb(dict(picture=inputs), model.data_preprocessor)
    return shown['picture']


def _attention(model: Any, inputs: Tensor) -> dict[str, Any]:
    """By layer and head, each map over its own largest value."""
    parts = [attention_by_layer(model, x) for x in inputs.split(BATCH)]
    found = [part for part in parts if part is not None]
    if not found:
        return dict(attention=None)
    maps = torch.cat(found)
    peaks = maps.amax(-1)
    scaled = maps / peaks.clamp(min=1e-12)[..., None]
    return dict(
        layers=maps.shape[1],
        heads=maps.shape[2],
        attention=in_base64(as_bytes(scaled)),
        peaks=rounded(peaks.flatten(), 3),
    )


def _patches(model: Any, inputs: Tensor) -> dict[str, Any]:
    """Features of patches: in colours, and in their main directions."""
    try:
        parts = [patch_features_of(model, x) for x in inputs.split(BATCH)]
    except ValueError:
        return dict(grid=None, colours=None, compact=None)
    patches = torch.cat(parts).float().nan_to_num()
    length, width = patches.shape[1:]
    grid = grid_of(length, tuple(inputs.shape[-2:]))
    if grid is None:
        return dict(grid=None, colours=None, compact=None)
    coloured = in_colours(inputs, dict(features=patches))['features']
    rows, columns = (
        side // count
        for side, count in zip(inputs.shape[-2:], grid, strict=True)
    )
    colours = coloured[..., rows // 2 :: rows, columns // 2 :: columns]
    centred = patches.flatten(0, 1) - patches.flatten(0, 1).mean(0)
    energy = centred.square().sum()
    directions = min(DIRECTIONS, width, len(centred))
    basis = torch.linalg.svd(centred, full_matrices=False)[2][:directions]
    compact = centred @ basis.mT
    # How much of what two patches differ by the page still has.
    kept = compact.square().sum() / energy.clamp(min=1e-12)
    unit = torch.nn.functional.normalize(compact, dim=1)
    return dict(
        grid=list(grid),
        colours=in_base64(as_bytes((colours.permute(0, 2, 3, 1) + 2) / 4)),
        compact=in_base64(as_signed(unit)),
        directions=directions,
        kept=round(float(kept), 4),
        constant=_constant(patches),
    )


def _constant(patches: Tensor) -> float:
    """Share of the patches' energy that is one vector, in [0, 1]."""
    mean = patches.flatten(0, 1).mean(0)
    whole = patches.square().sum(-1).mean().clamp(min=1e-12)
    return round(float(mean.square().sum() / whole), 4)


def _whole(model: Any, others: Tensor) -> dict[str, Any]:
    """Features of whole pictures: neighbours, a map, how many directions."""
    parts = [features_of(model, part) for part in others.split(BATCH)]
    found = {k: torch.cat([p[k] for p in parts]).float() for k in parts[0]}
    name = 'cls' if 'cls' in found else next(iter(found))
    features = found[name].nan_to_num()
    centred = features - features.mean(0)
    unit = torch.nn.functional.normalize(centred, dim=1)
    _, values, basis = torch.linalg.svd(centred, full_matrices=False)
    energy = values.square() / values.square().sum().clamp(min=1e-12)
    places = centred @ basis[:2].mT
    # A direction has no sign of its own: to where pictures are brighter.
    bright = others.float().mean((1, 2, 3))
    lean = (bright - bright.mean()) @ places
    places = places * torch.where(lean < 0, -1.0, 1.0)
    if places.shape[1] < 2:
        places = torch.nn.functional.pad(places, (0, 2 - places.shape[1]))
    return dict(
        feature=name,
        likeness=in_base64(as_signed(unit @ unit.mT)),
        map=rounded(places),
        shares=rounded(energy[:2], 3),
        rankme=round(rankme(features), 2),
        alpha=_finite(alpha_req(features)),
        spread=round(feature_std(features), 4),
    )


def _finite(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


def _masks(model: Any, inputs: Tensor, seed: int) -> dict[str, Any]:
    """Scores to draw masks by, and what is predicted behind some."""
    if not isinstance(model, MaskedMethod):
        return dict(scores=None, predictions=[])
    view: dict[str, Any] = dict(
        scores=rounded(
            torch.cat([model.attention(x) for x in inputs.split(BATCH)]), 5
        ),
        sampler=type(model.mask_sampler).__name__,
        ratio=model.mask_sampler.mask_ratio,
        predictions=[],
        norm_pix=bool(getattr(model.head, 'norm_pix', False)),
    )
    for draw in range(DRAWS):
        told = [
            model.explain(part, seed + draw + DRAWS * row)
            for row, part in enumerate(inputs.split(BATCH))
        ]
        images = [part.images for part in told if part.images is not None]
        if not images:
            break
        mask = torch.cat([part.mask for part in told])
        shown = _rgb(model, torch.cat(images))
        view['predictions'].append(
            dict(
                mask=in_base64(mask.byte()),
                pictures=[as_jpeg(picture) for picture in shown],
            )
        )
    return view
