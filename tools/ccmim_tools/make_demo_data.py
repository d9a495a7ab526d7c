"""Generate the demo data set."""

import argparse
import time

from .command_line import ending_in_a_line, read_paths


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', help='folder to make')
    parser.add_argument(
        '--num-train', type=int, default=2000, help='training scenes, >= 6'
    )
    parser.add_argument(
        '--num-val', type=int, default=500, help='validation scenes, >= 6'
    )
    parser.add_argument(
        '--size', type=int, default=96, help='side in pixels, >= 32'
    )
    parser.add_argument('--seed', type=int, default=0, help='>= 0')
    return parser.parse_args()


def main() -> None:
    """Generate the data set and say where it is."""
    args = parse_args()
    read_paths(args)
    start = time.perf_counter()
    with ending_in_a_line():
        from .demo import generate_demo

        out = generate_demo(
            args.out, args.num_train, args.num_val, args.size, args.seed
        )
    seconds = time.perf_counter() - start
    print(
        f'{out}: {args.num_train} training and {args.num_val} validation '
        f'scenes of {args.size} pixels, {seconds:.1f} s'
    )


if __name__ == '__main__':
    main()
