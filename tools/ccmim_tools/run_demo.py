"""Make the demo's scenes and pre-train a tiny model on them, in minutes.

Started again, it goes on with that run. Further options are those of
``ccmim train``.
"""

import argparse
import sys


def main() -> None:
    """Make the data if they are not there, and train."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--data', default='data/demo', help='the scenes (data/demo)'
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs/demo',
        help='of the run (work_dirs/demo)',
    )
    args, rest = parser.parse_known_args()
    program, *_ = sys.argv
    from . import make_demo_data, train

    sys.argv = [program, args.data]
    make_demo_data.main()
    sys.argv = [program, 'ccmim_vit-tiny_demo', '--data', args.data]
    sys.argv += ['--work-dir', args.work_dir, '--resume', *rest]
    train.main()


if __name__ == '__main__':
    main()
