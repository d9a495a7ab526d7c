"""The curves of several runs, finished or not, in one picture.

Losses, evaluations and what warns of a collapse; a run that goes on is drawn
as far as it has come.
"""

import argparse

from .command_line import ending_in_a_line, read_paths


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(
        prog='ccmim curves',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('runs', nargs='+', help='work dirs')
    parser.add_argument(
        '--out', default='curves.png', help='the PNG to write (curves.png)'
    )
    parser.add_argument(
        '--over',
        default='iterations',
        choices=['iterations', 'minutes'],
        help='minutes are of training alone, pauses left out (iterations)',
    )
    return parser.parse_args(argv)


def main() -> None:
    """Write the picture."""
    args = parse_args()
    read_paths(args)
    # Here, as it takes seconds.
    from ccmim_mm.apis.curves import draw_curves

    with ending_in_a_line():
        draw_curves(args.runs, args.out, args.over)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
