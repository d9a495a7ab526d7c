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
from mmengine.config import Config, DictAction


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
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='overrides'
    )
    return parser.parse_args(argv)


def picture_shares(
    model: torch.nn.Module, dataset, draws: int, maps: Path, root: Path
) -> np.ndarray:
    """Share of each picture's object patches that is masked, ``(n,)``."""
    from PIL import Image

    from ccmim_mm.evaluation import object_cover

    grid = math.isqrt(model.num_patches)
    generator = torch.Generator().manual_seed(0)
    shares = []
    for i in range(len(dataset)):
        sample = dataset[i]
        path = Path(sample['data_samples'].img_path).relative_to(root)
        label_map = np.array(Image.open((maps / path).with_suffix('.png')))
        cover = object_cover(torch.from_numpy(label_map)[None], grid)
        objects = cover[0] > 0.5
        if not objects.any():
            continue
        batch = dict(
            inputs=sample['inputs'][None],
            data_samples=[sample['data_samples']],
        )
        inputs = model.data_preprocessor(batch, False)['inputs']
        scores = model.backbone.score(model.backbone.embed(inputs))
        noise = torch.rand(draws, model.num_patches, generator=generator)
        mask = model.mask_sampler(scores.expand(draws, -1), noise).mask
        shares.append(mask[:, objects].mean().item())
    return np.array(shares)


def main() -> None:
    """Print the share and its interval."""
    args = parse_args()
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import DATASETS, MODELS

    from ccmim_mm.checkpoints import load_pretrained, read_state_dict

    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope(cfg.default_scope)
    cfg.model.data_preprocessor = cfg.data_preprocessor
    model = MODELS.build(cfg.model).eval()
    try:
        load_pretrained(model, read_state_dict(args.checkpoint))
    except (ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from None
    root = Path(args.data, 'val')
    cfg.val_dataloader.dataset.data_root = str(root)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    maps = Path(args.data, 'label_maps', 'val')
    shares = picture_shares(model, dataset, args.draws, maps, root)
    half = 1.96 * shares.std(ddof=1) / math.sqrt(len(shares))
    print(
        f'{shares.mean():.4f} of the object patches masked '
        f'(95 % interval {shares.mean() - half:.4f} to '
        f'{shares.mean() + half:.4f}; {len(shares)} pictures x '
        f'{args.draws} draws; mask ratio {model.mask_sampler.mask_ratio})'
    )


if __name__ == '__main__':
    main()
