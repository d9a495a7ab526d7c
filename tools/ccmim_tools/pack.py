"""Pack a folder of pictures into tar shards, which train to the same bits.

Shards are read in long runs where a million files are a million seeks. They
are written in a shuffled order, so that pictures that lie together are not of
one class.
"""

import argparse
import signal
import sys
from pathlib import Path

from .command_line import ending_in_a_line, read_paths


def size(text: str) -> int:
    """See :func:`size_of`."""
    # Not above: it brings torch along, which a line of help can do without.
    from ccmim_mm.datasets.sizes import size_of

    return size_of(text)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'data',
        help='folder of pictures; train/ and val/ in it, or training/, valid/ '
        'and the like, get shards each, and class folders become labels',
    )
    parser.add_argument('out', help='folder to make')
    parser.add_argument(
        '--shard-size',
        type=size,
        default='1GB',
        help='after so much the next shard begins (1GB); KB, MB, GB, GiB',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the order, >= 0 (0)'
    )
    return parser.parse_args()


def main() -> None:
    """Pack, and say what came out."""
    args = parse_args()
    read_paths(args)
    out = Path(args.out)
    if left := sorted(out.absolute().parent.glob(f'.{out.name}.*.part')):
        print(f'left by a pack that was cut off, remove it: {left[0]}')
    # Have what is half written removed.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ending_in_a_line():
            from ccmim_mm.datasets.packing import pack
            from ccmim_mm.files import printable

            packed = pack(args.data, out, args.shard_size, args.seed)
    finally:
        signal.signal(signal.SIGTERM, before)
    print(
        f'{out}: {packed.pictures:,} pictures in {packed.shards:,} shards, '
        f'{packed.size / 1e9:.2f} GB'
    )
    if packed.beside:
        names = [printable(name) for name in packed.beside]
        named = ', '.join(names[:5] + ['...'] * (len(names) > 5))
        print(f'left out {len(names):,} beside train and val: {named}')
    if packed.left_out:
        print(
            f'left out {len(packed.left_out):,} that cannot be read, which '
            f'moves the others up: first {packed.left_out[0]}'
        )


if __name__ == '__main__':
    main()
