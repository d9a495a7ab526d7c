"""Whether patches that encoders match between two crops show one place.

Each patch of one random crop is matched with that of another crop of the
picture whose features have the largest cosine, as DenseCL does to train; the
crops say which shows the same place. docs/methods/densecl.md reads the
figures.
"""

import argparse
import json
from pathlib import Path

from mmengine.config import Config, DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='pre-training config of the encoders')
    parser.add_argument(
        'checkpoints', nargs='*', help='their checkpoints, of any known kind'
    )
    parser.add_argument('--data', required=True, help='folder of pictures')
    parser.add_argument('--json', type=Path, help='write the figures here too')
    parser.add_argument(
        '--pictures', type=int, default=600, help='at most (600)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the crops (0)')
    parser.add_argument(
        '--random', action='store_true', help='random weights too, as control'
    )
    parser.add_argument(
        '--device',
        default='auto',
        choices=['auto', 'cpu'],
        help='auto is the GPU where there is one',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='overrides'
    )
    # Checkpoints may stand behind options, too.
    return parser.parse_intermixed_args(argv)


def measure(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Match the same crops by every encoder.

    Args:
        args: The command line.

    Returns:
        The fields of :class:`~ccmim_mm.evaluation.Agreement`, by encoder.

    Raises:
        OSError: If a file is missing, or the one to write exists.
        ValueError: If something else is wrong with what was asked for.
    """
    import torch

    from ccmim_mm.apis import (
        apply_options,
        judge_matches,
        load_encoder,
        load_pairs,
    )
    from ccmim_mm.engine.runner.work_dir import config_of
    from ccmim_mm.files import check_output, printable
    from ccmim_mm.hub import find_config

    if not args.checkpoints and not args.random:
        raise ValueError('name a checkpoint, or --random')
    if args.json:
        check_output(args.json, args.data)
    for checkpoint in args.checkpoints:
        if not Path(checkpoint).is_file():
            raise FileNotFoundError(f'no checkpoint {printable(checkpoint)}')
    cfg = Config.fromfile(config_of(find_config(args.config)))
    apply_options(cfg, args.cfg_options)
    _, judged = load_pairs(cfg, args.data, args.pictures // 2, args.seed)
    pictures = torch.cat((judged.sub, judged.dom))
    device = None if args.device == 'auto' else args.device
    found = {}
    for checkpoint in [*args.checkpoints, *[None] * args.random]:
        torch.manual_seed(args.seed)
        encoder = load_encoder(cfg, checkpoint, device=device)
        name = printable(checkpoint or 'random weights')
        agreement = judge_matches(encoder, pictures, args.seed)
        found[name] = agreement._asdict()
        figures = [f'{k} {v:.3f}' for k, v in found[name].items()]
        print(f'{name}: {", ".join(figures)}')
    print(f'{len(pictures)} pictures')
    return found


def main() -> None:
    """Measure, print, and write if asked to."""
    args = parse_args()
    try:
        found = measure(args)
        if args.json:
            from ccmim_mm.files import write_atomic

            content = json.dumps(found, indent=2) + '\n'
            write_atomic(content.encode(), args.json)
    except (ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from None


if __name__ == '__main__':
    main()
