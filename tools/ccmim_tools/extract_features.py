"""Features of a folder of pictures, from a frozen encoder.

Writes an .npz with `paths` (N) and, as asked for, `cls` (N, C), `mean`
(N, C; of the patches) and `patches` (N, L, C), float32; with --attention
also a picture of each picture's CLS attention.
"""

import argparse

from .command_line import (
    CONFIG_HELP,
    add_device,
    add_overrides,
    check_new,
    ending_in_a_line,
    settle,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help=CONFIG_HELP)
    parser.add_argument(
        'checkpoint',
        help='its checkpoint, of any format that is known',
    )
    parser.add_argument('data', help='folder of pictures, nested or flat')
    parser.add_argument('out', help='the .npz to write')
    parser.add_argument(
        '--features',
        nargs='+',
        choices=['cls', 'mean', 'patches'],
        help='all that are one vector a picture, if not given',
    )
    parser.add_argument(
        '--attention', help='write attention pictures into this folder'
    )
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--num-workers', type=int, default=2)
    add_device(parser)
    add_overrides(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Extract the features and write them."""
    args = parse_args()
    settle(args, ['checkpoint'])
    check_new(args.out)
    with ending_in_a_line(raw=True):
        # Here, as it takes seconds.
        import numpy as np

        from ccmim_mm.apis import extract_features
        from ccmim_mm.config import apply_options, read_config
        from ccmim_mm.engine.runner.work_dir import config_of
        from ccmim_mm.files import printable

        cfg = read_config(config_of(args.config))
        apply_options(cfg, args.cfg_options)
        count = extract_features(
            cfg,
            args.checkpoint,
            args.data,
            args.out,
            args.features,
            args.attention,
            args.batch_size,
            args.num_workers,
        )
    with np.load(args.out) as arrays:
        features = ', '.join(name for name in arrays if name != 'paths')
    print(f'{printable(args.out)}: {features} of {count} pictures')


if __name__ == '__main__':
    main()
