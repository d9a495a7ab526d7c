"""How an encoder separates mixtures of two pictures, and what it tells."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..evaluation import (
    PairLatents,
    Rows,
    class_share,
    fit_linear_probe,
    ident,
    measure_separability,
    own_class_lead,
)
from ..models import branch_latents_of, patch_features_of
from .encoder import Encoder
from .pairs import PairsOfPictures

#: Weights of the subordinate picture.
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5)
BATCH_SIZE = 64

_Read = Callable[[Any, Tensor], Sequence[Tensor]]
_Classify = Callable[[Tensor], Tensor]


@torch.no_grad()
def judge_mixtures(
    encoder: Encoder,
    fitted: PairsOfPictures,
    judged: PairsOfPictures,
    weights: Sequence[float] = WEIGHTS,
    seed: int = 0,
) -> dict[str, Any]:
    """All measures of mixtures of an encoder.

    ``ident`` and DS are of the method's branches where it has some, else of
    the regressed latents.

    Args:
        encoder: The encoder.
        fitted: Pairs to fit regressions and probe on.
        judged: Pairs to judge by.
        weights: Of the subordinate picture.
        seed: Of the probe.

    Returns:
        ``latents``: ``branches`` or ``regressed``. ``mixtures``, one for
        each weight: the fields of
        :class:`~ccmim_mm.evaluation.Separability`, ``ls``, ``ident_sub``,
        ``ident_dom``, and with labels ``ds_sub`` and ``ds_dom``. With labels
        also ``clean``: of single pictures ``eta2`` and its chance level
        ``eta2_chance``, and the probe's accuracy ``probe``. All are shares.

    Raises:
        ValueError: If the encoder has no patches, or its latents are not
            finite or all alike.
    """
    first = encoder.normalise(judged.sub[:1])
    has_branches = branch_latents_of(encoder.model, first) is not None
    clean = [_singles(encoder, _patches, part) for part in (fitted, judged)]
    targets = clean
    if has_branches:
        targets = [
            _singles(encoder, _branches, part) for part in (fitted, judged)
        ]
    kind = 'branches' if has_branches else 'regressed'
    report: dict[str, Any] = dict(latents=kind, mixtures=[])
    classify: _Classify | None = None
    labels = judged.labels
    if fitted.labels is not None and labels is not None:
        bank = torch.cat(targets[0]).mean(1)
        classify = fit_linear_probe(bank, fitted.labels.flatten(), seed)
        report['clean'] = _clean_figures(
            classify, clean[1], targets[1], labels.flatten()
        )
    mean = (targets[0][0].mean(0) + targets[0][1].mean(0)) / 2
    for weight in weights:
        mixed = [
            _encode(encoder, _patches, *part[:2], weight)[0]
            for part in (fitted, judged)
        ]
        found, *told = measure_separability(
            PairLatents(mixed[0], *clean[0]),
            PairLatents(mixed[1], *clean[1]),
            weight,
        )
        if has_branches:
            told = _encode(encoder, _branches, *judged[:2], weight)
        row = dict(found._asdict(), ls=found.ls)
        for own, name in enumerate(('sub', 'dom')):
            sides = targets[1][own], targets[1][1 - own]
            row[f'ident_{name}'] = ident(told[own], *sides, mean)
            if classify is not None and labels is not None:
                pooled = told[own].mean(1)
                row[f'ds_{name}'] = own_class_lead(
                    classify, pooled, labels[own], labels[1 - own]
                )
        report['mixtures'].append(row)
    return report


def _clean_figures(
    classify: _Classify,
    latents: list[Tensor],
    targets: list[Tensor],
    labels: Tensor,
) -> dict[str, float]:
    """How much latents of single pictures know of their classes."""
    hits = classify(torch.cat(targets).mean(1)) == labels
    return dict(
        eta2=class_share(torch.cat(latents).mean(1), labels),
        eta2_chance=(len(labels.unique()) - 1) / (len(labels) - 1),
        probe=hits.double().mean().item(),
    )


def _patches(model: Any, inputs: Tensor) -> Sequence[Tensor]:
    return (patch_features_of(model, inputs),)


def _branches(model: Any, inputs: Tensor) -> Sequence[Tensor]:
    return branch_latents_of(model, inputs) or ()


def _singles(
    encoder: Encoder, read: _Read, pairs: PairsOfPictures
) -> list[Tensor]:
    """Latents of sub and dom by themselves; of branches the dominant's."""
    return [_encode(encoder, read, side)[-1] for side in pairs[:2]]


def _encode(
    encoder: Encoder,
    read: _Read,
    sub: Tensor,
    dom: Tensor | None = None,
    weight: float = 1.0,
) -> list[Tensor]:
    """Latents of pictures, or of mixtures, ``(N, L, C)`` each, on the CPU."""
    rows: list[Rows] = []
    for start in range(0, len(sub), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        inputs = encoder.normalise(sub[part])
        if dom is not None:
            inputs = weight * inputs + (1 - weight) * encoder.normalise(
                dom[part]
            )
        latents = read(encoder.model, inputs)
        rows = rows or [Rows(len(sub)) for _ in latents]
        for row, latent in zip(rows, latents, strict=True):
            row.add(latent.float().cpu())
    return [row.rows() for row in rows]
