"""One HTML file that shows what checkpoints have learned.

Attention by layer and head, masks, predictions, features and their
likeness, neighbours, a map and the run's curves, on pictures of a folder.
The file needs no network and no server.
"""

import argparse

from .command_line import (
    add_device,
    check_checkpoint,
    check_folder,
    check_new,
    choose_device,
    ending_in_a_line,
    read_paths,
)
from .config_names import find_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(
        prog='ccmim look',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='of any format that is known')
    parser.add_argument('data', help='folder of pictures, nested or flat')
    parser.add_argument(
        '--out', default='look.html', help='the file to write (look.html)'
    )
    parser.add_argument(
        '--compare',
        nargs='+',
        default=[],
        metavar='CKPT',
        help='other checkpoints, on the same pictures beside it',
    )
    parser.add_argument(
        '--config',
        nargs='+',
        default=[],
        help='config or work dir of each checkpoint that does not lie in the '
        "work dir of its run, or 'none'",
    )
    parser.add_argument(
        '--pictures',
        type=int,
        default=24,
        help='to look into, spread evenly over the folder (24)',
    )
    parser.add_argument(
        '--neighbours',
        type=int,
        default=300,
        help='pictures to find neighbours among (300)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the masks (0)')
    add_device(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Write the page."""
    args = parse_args()
    read_paths(args)
    checkpoints = [args.checkpoint, *args.compare]
    for checkpoint in checkpoints:
        check_checkpoint(checkpoint)
    check_folder(args.data)
    check_new(args.out, '--out')
    choose_device(args.device)
    with ending_in_a_line():
        configs = [
            name if name == 'none' else find_config(name)
            for name in args.config
        ]
        # Here, as it takes seconds.
        from ccmim_mm.apis.look import look

        look(
            checkpoints,
            args.data,
            args.out,
            configs,
            args.pictures,
            args.neighbours,
            args.seed,
        )


if __name__ == '__main__':
    main()
