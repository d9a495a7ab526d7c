"""Where the attention lies, and what a part of the picture tells by itself.

Classes are told by nearest neighbours and by a linear probe, from the CLS
token of whole pictures and of a part of their patches: those that the
method's own mask leaves visible, as many at random, the most and the least
attended. docs/study/masks.md reads the figures.
"""

import argparse
from typing import TYPE_CHECKING

from ccmim_tools.encoders import (
    add_json,
    encoder_parser,
    encoders,
    print_and_keep,
    read_config,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ccmim_mm.apis import Encoder, PairsOfPictures

#: Pictures at a time.
BATCH_SIZE = 64


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = encoder_parser(__doc__)
    add_json(parser)
    parser.add_argument(
        '--pictures',
        type=int,
        default=3000,
        help='to fit on, and to judge by, at most (3000)',
    )
    return parser.parse_intermixed_args(argv)


def check_method(encoder: 'Encoder') -> None:
    """Refuse what has no attention scores.

    Raises:
        ValueError: If the method does not mask.
    """
    from ccmim_mm.models import MaskedMethod

    if not isinstance(encoder.model, MaskedMethod):
        raise ValueError(
            f'{type(encoder.model).__name__} has no attention scores: give '
            'the config of a method that masks, as ccmim_vit-b'
        )


def choose_parts(
    encoder: 'Encoder', scores: 'Tensor', noise: 'Tensor'
) -> dict[str, 'Tensor | None']:
    """Patches to look at, by the name of the choice.

    Args:
        encoder: Of a method that masks.
        scores: Its attention scores, ``(B, L)``.
        noise: Uniform in [0, 1), ``(B, L)``.

    Returns:
        Indices ``(B, V)``, as many as the method leaves visible; None is
        all.
    """
    sampler = encoder.model.mask_sampler
    count = sampler.num_visible(scores.shape[1])
    return dict(
        whole=None,
        own_mask=sampler(scores, noise).ids_visible,
        random=noise.topk(count).indices,
        most_attended=scores.topk(count).indices,
        least_attended=scores.topk(count, largest=False).indices,
    )


def describe_places(
    encoder: 'Encoder', inputs: 'Tensor', scores: 'Tensor'
) -> dict[str, 'Tensor']:
    """What the attended patches are, a figure a picture.

    Args:
        encoder: Of a method that masks.
        inputs: Normalised pictures, ``(B, C, H, W)``.
        scores: The attention scores, ``(B, L)``.

    Returns:
        Each ``(B,)``: ``border``, the share of the attention on patches at
        the border; ``contrast`` and ``norm``, the standard deviation of the
        pixels and the length of the tokens before the final norm of the
        most attended tenth, over those of all patches.
    """
    import torch
    from torch.nn.functional import unfold

    backbone = encoder.model.backbone
    rows, columns = backbone.patch_resolution
    border = torch.ones(rows, columns, device=scores.device)
    border[1:-1, 1:-1] = 0
    side = (inputs.shape[2] // rows, inputs.shape[3] // columns)
    pixels = unfold(inputs, side, stride=side).unflatten(
        1, (inputs.shape[1], -1)
    )
    contrast = pixels.std(dim=2, correction=0).mean(dim=1)
    norm = last_tokens(encoder, inputs)[:, -rows * columns :].norm(dim=-1)
    most = scores.topk(max(1, scores.shape[1] // 10)).indices
    return dict(
        border=(scores * border.flatten()).sum(1) / scores.sum(1),
        contrast=contrast.gather(1, most).mean(1)
        / contrast.mean(1).clamp(min=1e-6),
        norm=norm.gather(1, most).mean(1) / norm.mean(1),
    )


def last_tokens(encoder: 'Encoder', inputs: 'Tensor') -> 'Tensor':
    """What the last layer gives to the final norm, ``(B, 1 + L, C)``."""
    given = []
    norm = encoder.model.backbone.norm1
    handle = norm.register_forward_pre_hook(lambda _, args: given.append(args))
    try:
        encoder.model.extract_feat(inputs)
    finally:
        handle.remove()
    return given[0][0]


def look(
    encoder: 'Encoder', pictures: 'PairsOfPictures', seed: int
) -> tuple[dict[str, 'Tensor'], dict[str, 'Tensor']]:
    """Encode whole pictures and parts of them.

    Args:
        encoder: Of a method that masks.
        pictures: Packed.
        seed: Of the masks.

    Returns:
        CLS tokens ``(N, C)`` by :func:`choose_parts`, and figures ``(N,)``
        by :func:`describe_places`.

    Raises:
        ValueError: If the method has no attention scores.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    tokens: dict[str, list[Tensor]] = {}
    places: dict[str, list[Tensor]] = {}
    packed = torch.cat((pictures.sub, pictures.dom))
    for batch in packed.split(BATCH_SIZE):
        inputs = encoder.normalise(batch)
        scores = encoder.attention(inputs)
        noise = torch.rand(scores.shape, generator=generator)
        parts = choose_parts(encoder, scores, noise.to(scores.device))
        with torch.no_grad():
            embedded = encoder.model.backbone.embed(inputs)
            for name, keep in parts.items():
                cls = encoder.model.backbone.encode_cls(embedded, keep)
                tokens.setdefault(name, []).append(cls.float().cpu())
            found = describe_places(encoder, inputs, scores)
        for name, value in found.items():
            places.setdefault(name, []).append(value.cpu())
    return (
        {name: torch.cat(parts) for name, parts in tokens.items()},
        {name: torch.cat(parts) for name, parts in places.items()},
    )


def measure(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Judge every encoder on the same pictures.

    Args:
        args: The command line.

    Returns:
        By encoder ``knn_PART`` and ``linear_PART``, top-1 in percent, and
        the means of :func:`describe_places`.

    Raises:
        OSError: If a file is missing, or the one to write exists.
        ValueError: If something else is wrong with what was asked for.
    """
    cfg = read_config(args)
    from ccmim_mm.apis import load_pairs
    from ccmim_mm.evaluation import knn_accuracy, linear_probe_accuracy
    from ccmim_mm.files import check_output

    if args.json:
        check_output(args.json, args.data, file=True)
    compared = encoders(args, cfg, check_method)
    fitted, judged = load_pairs(cfg, args.data, args.pictures // 2, args.seed)
    if fitted.labels is None or judged.labels is None:
        raise ValueError(
            f'{args.data} has no classes: name a folder with class folders '
            'in train/ and in val/'
        )
    labels = fitted.labels.flatten(), judged.labels.flatten()
    found: dict[str, dict[str, float]] = {}
    for name, encoder in compared:
        banks, _ = look(encoder, fitted, args.seed)
        queries, places = look(encoder, judged, args.seed + 1)
        figures = {k: v.mean().item() for k, v in places.items()}
        for part, bank in banks.items():
            data = bank, labels[0], queries[part], labels[1]
            figures[f'knn_{part}'] = knn_accuracy(*data)
            figures[f'linear_{part}'] = linear_probe_accuracy(*data)
        found[name] = figures
        shown = (f'{k} {v:.3g}' for k, v in figures.items())
        print(f'{name}: {", ".join(shown)}')
    print(f'{len(labels[0])} pictures to fit on, {len(labels[1])} to judge by')
    return found


def main() -> None:
    """Measure, print, and write if asked to."""
    print_and_keep(measure, parse_args())


if __name__ == '__main__':
    main()
