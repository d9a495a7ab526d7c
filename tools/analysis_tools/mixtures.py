"""How well encoders separate mixtures of two pictures (LS, DS).

Writes mixtures.json, with all figures, and mixtures.png, LS over the mix,
into a folder. Without labels (train/ and val/ with class folders) DS is left
out, and the pairs are drawn at random. docs/methods/mixtures.md has the
formulas; they are this project's, not those of the i-MAE paper.
"""

import argparse
import json
from pathlib import Path

from ccmim_tools.command_line import ending_in_a_line
from ccmim_tools.encoders import encoder_parser, encoders, read_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = encoder_parser(__doc__)
    parser.add_argument('--out', required=True, help='the folder to write')
    parser.add_argument(
        '--pairs',
        type=int,
        default=300,
        help='to fit on, and as many to judge by, at most (300)',
    )
    return parser.parse_intermixed_args(argv)


def measure(args: argparse.Namespace) -> dict:
    """Measure every encoder on the same pairs.

    Args:
        args: The command line.

    Returns:
        What ``mixtures.json`` holds.

    Raises:
        OSError: If a file is missing, or the folder to write is not empty.
        ValueError: If something else is wrong with what was asked for.
    """
    cfg = read_config(args)
    from ccmim_mm.apis import judge_mixtures, load_pairs
    from ccmim_mm.files import check_output, printable

    check_output(args.out, args.data)
    compared = encoders(args, cfg)
    fitted, judged = load_pairs(cfg, args.data, args.pairs, args.seed)
    found = {}
    for name, encoder in compared:
        found[name] = judge_mixtures(encoder, fitted, judged, seed=args.seed)
        print_figures(name, found[name])
    return dict(
        config=printable(args.config),
        data=printable(args.data),
        seed=args.seed,
        pairs=dict(fitted=len(fitted.sub), judged=len(judged.sub)),
        encoders=found,
    )


def print_figures(name: str, found: dict) -> None:
    """Print an encoder's figures, a line for each weight."""
    print(name)
    for row in found['mixtures']:
        cells = [f'{k} {v:.3f}' for k, v in row.items() if k != 'weight']
        print(f'  weight {row["weight"]}: {", ".join(cells)}')
    if 'clean' in found:
        cells = [f'{k} {v:.3f}' for k, v in found['clean'].items()]
        print(f'  single pictures: {", ".join(cells)}')
    else:
        print('  no labels (class folders in train/ and val/): no DS')


def main() -> None:
    """Measure, print and write."""
    args = parse_args()
    with ending_in_a_line(raw=True):
        found = measure(args)
        from ccmim_mm.files import printable, write_atomic
        from ccmim_mm.visualization import plot_mixtures

        out = Path(args.out)
        content = json.dumps(found, indent=2) + '\n'
        write_atomic(content.encode(), out / 'mixtures.json')
        mixtures = {n: e['mixtures'] for n, e in found['encoders'].items()}
        plot_mixtures(mixtures, out / 'mixtures.png')
    pairs = ' and '.join(f'{n} {k}' for k, n in found['pairs'].items())
    print(f'{printable(out)}: mixtures.json, mixtures.png ({pairs} pairs)')


if __name__ == '__main__':
    main()
