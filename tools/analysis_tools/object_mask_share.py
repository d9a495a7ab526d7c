"""How much of the objects a checkpoint hides, against the mask ratio.

Draws masks for every validation picture of the demo data and counts, among
the patches that are mostly object by the label maps, the share that is
masked. The interval is over pictures, which are the independent draws.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from ccmim_tools.command_line import (
    add_overrides,
    ending_in_a_line,
    read_overrides,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path of the checkpoint')
    parser.add_argument(
        '--data', default='data/demo', help='the demo data (data/demo)'
    )
    parser.add_argument(
        '--draws', type=int, default=20, help='masks a picture (20)'
    )
    add_overrides(parser)
    return parser.parse_args(argv)


def picture_shares(encoder, data: Path, draws: int) -> np.ndarray:
    """Share of each picture's object patches that is masked, ``(n,)``.

    Args:
        encoder: See ``ccmim_mm.apis.load_encoder``.
        data: The demo data.
        draws: Masks a picture.
    """
    from PIL import Image

    from ccmim_mm.datasets.listing import list_pictures
    from ccmim_mm.evaluation import object_cover

    model = encoder.model
    grid = model.backbone.patch_resolution
    generator = torch.Generator().manual_seed(0)
    listing = list_pictures(data / 'val')
    shares = []
    for path in map(Path, (listing[i] for i in range(len(listing)))):
        map_file = data / 'label_maps' / 'val' / path.with_suffix('.png')
        label_map = torch.from_numpy(np.array(Image.open(map_file)))
        objects = object_cover(label_map[None], grid)[0] > 0.5
        if not objects.any():
            continue
        scores = encoder.attention(encoder.load(data / 'val' / path))
        noise = torch.rand(draws, model.num_patches, generator=generator)
        mask = model.mask_sampler(scores.expand(draws, -1), noise).mask
        shares.append(mask[:, objects].mean().item())
    return np.array(shares)


def main() -> None:
    """Print the share and its interval."""
    args = parse_args()
    from ccmim_mm.apis import load_encoder

    options = read_overrides(args.cfg_options)
    with ending_in_a_line(raw=True):
        encoder = load_encoder(
            args.config, args.checkpoint, options, device='cpu'
        )
        shares = picture_shares(encoder, Path(args.data), args.draws)
    half = 1.96 * shares.std(ddof=1) / math.sqrt(len(shares))
    print(
        f'{shares.mean():.4f} of the object patches masked '
        f'(95 % interval {shares.mean() - half:.4f} to '
        f'{shares.mean() + half:.4f}; {len(shares)} pictures x '
        f'{args.draws} draws; mask ratio '
        f'{encoder.model.mask_sampler.mask_ratio})'
    )


if __name__ == '__main__':
    main()
