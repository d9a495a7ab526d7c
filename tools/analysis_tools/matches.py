"""Whether patches that encoders match between two crops show one place.

Each patch of one random crop is matched with that of another crop of the
picture whose features have the largest cosine, as DenseCL does to train; the
crops say which shows the same place. docs/methods/densecl.md reads the
figures.
"""

import argparse

from ccmim_tools.encoders import (
    add_json,
    encoder_parser,
    encoders,
    print_and_keep,
    read_config,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = encoder_parser(__doc__)
    add_json(parser)
    parser.add_argument(
        '--pictures', type=int, default=600, help='at most (600)'
    )
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
    cfg = read_config(args)
    import torch

    from ccmim_mm.apis import judge_matches, load_pairs
    from ccmim_mm.files import check_output

    if args.json:
        check_output(args.json, args.data, file=True)
    compared = encoders(args, cfg)
    _, judged = load_pairs(cfg, args.data, args.pictures // 2, args.seed)
    pictures = torch.cat((judged.sub, judged.dom))
    found = {}
    for name, encoder in compared:
        found[name] = judge_matches(encoder, pictures, args.seed)._asdict()
        figures = [f'{k} {v:.3f}' for k, v in found[name].items()]
        print(f'{name}: {", ".join(figures)}')
    print(f'{len(pictures)} pictures')
    return found


def main() -> None:
    """Measure, print, and write if asked to."""
    print_and_keep(measure, parse_args())


if __name__ == '__main__':
    main()
