"""Convert a checkpoint from and to the formats of others."""

import argparse
from pathlib import Path

from .command_line import check_new, fail

#: Formats that are written, and those that are read alone.
WRITTEN = ('project', 'ccmim', 'mae', 'timm', 'hf', 'hf_mae')
READ = ('dino', 'mocov3', 'clip_visual')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', type=Path, help='checkpoint to read')
    parser.add_argument('dst', type=Path, help='checkpoint to write, new')
    parser.add_argument(
        '--from',
        dest='source',
        type=_underscored,
        choices=('auto', *WRITTEN, *READ),
        default='auto',
        help='format of SRC; auto tells it by the names',
    )
    parser.add_argument(
        '--to',
        dest='target',
        type=_underscored,
        choices=WRITTEN,
        default='project',
        help='format of DST',
    )
    parser.add_argument(
        '--encoder',
        choices=('online', 'momentum'),
        default='online',
        help='momentum: of MoCo v3 or DenseCL write the moving average of '
        'the encoder, alone, in place of the one that was trained',
    )
    return parser.parse_args(argv)


def _underscored(name: str) -> str:
    """``hf-mae``, as ``ccmim export`` has it, is ``hf_mae``."""
    return name.replace('-', '_')


def main(argv: list[str] | None = None) -> None:
    """Convert."""
    args = parse_args(argv)
    # Before torch is imported.
    if not Path(args.src).exists():
        fail(f'no checkpoint {args.src}')
    check_new(args.dst)
    from ccmim_mm.checkpoints import (
        convert,
        momentum_encoder,
        read_told,
        save_state_dict,
    )
    from ccmim_mm.checkpoints.read import renamed
    from ccmim_mm.files import check_output, printable

    try:
        check_output(args.dst)
        told = read_told(args.src)
        count = len(told.state)
        if args.encoder == 'momentum':
            told = told._replace(state=momentum_encoder(told.state))
        ours, dropped = renamed(told, args.src, args.source)
        state, left_out = ours.state, [*dropped]
        # Of this project's, ViT or not: what is missing, the loading says.
        if args.target != 'project':
            state, more = convert(state, 'project', args.target)
            left_out += more
        key = 'state_dict' if args.target == 'project' else 'model'
        save_state_dict(state, args.dst, key, ours.heads)
    except (ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from None
    print(
        f'{len(state)} of {count} tensors, {ours.form} -> '
        f'{args.target}, written to {printable(args.dst)}'
    )
    if left_out:
        print('left out, as the format has no place for them:')
        print('\n'.join(f'  {name}' for name in left_out))


if __name__ == '__main__':
    main()
