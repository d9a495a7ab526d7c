"""Measure a training step, its parts, its rivals and its data."""

import argparse
import logging
from pathlib import Path

from .benchmarks import NAMES
from .command_line import (
    check_folder,
    check_lowest,
    ending_in_a_line,
    fail,
    read_paths,
    refuse_missing,
    the_config,
)

PRECISIONS = ('fp32', 'bf16')
#: What options of whole numbers can be at least.
LOWEST = dict(
    img_size=1,
    batch_size=1,
    repeats=1,
    threads=1,
    pictures=1,
    workers=0,
    listing=1,
    batches=1,
    sizes=1,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument('--config', default='ccmim_vit-s')
    common.add_argument('--img-size', type=int, help='in pixels')
    common.add_argument('--batch-size', type=int, default=16)
    _add_timing(common)
    commands = parser.add_subparsers(dest='command', required=True)
    step = commands.add_parser(
        'step', parents=[common], help='one contender, part by part'
    )
    step.add_argument('--contender', default='ccmim', choices=NAMES)
    step.add_argument('--precision', default='fp32', choices=PRECISIONS)
    compare = commands.add_parser(
        'compare', parents=[common], help='all contenders, in turns'
    )
    compare.add_argument(
        '--precision', nargs='+', default=PRECISIONS, choices=PRECISIONS
    )
    compare.add_argument('--no-memory', action='store_true')
    compare.add_argument(
        '--compiled', action='store_true', help='also with compiled layers'
    )
    data = commands.add_parser(
        'data', parents=[common], help='the pipeline, against bare decoding'
    )
    data.add_argument('--data', help='folder of pictures')
    data.add_argument('--pictures', type=int, default=1024)
    data.add_argument('--workers', type=int, nargs='+', default=[0, 1, 2])
    data.add_argument('--listing', type=int, help='list so many names')
    growth = commands.add_parser(
        'growth', parents=[common], help='over batch, picture size and ranks'
    )
    growth.add_argument('--precision', default='fp32', choices=PRECISIONS)
    growth.add_argument('--batches', type=int, nargs='+', default=[4, 16, 64])
    growth.add_argument('--sizes', type=int, nargs='+', default=[64, 128, 256])
    methods = commands.add_parser(
        'methods', help='parameters, FLOPs and time of any methods, in turns'
    )
    methods.add_argument('configs', nargs='+', metavar='CONFIG')
    methods.add_argument('--data', help='folder of pictures, to time loading')
    methods.add_argument(
        '--batch-size', type=int, help="of all (each config's own)"
    )
    _add_timing(methods, '0 counts and times nothing')
    return parser.parse_args(argv)


def _add_timing(
    parser: argparse.ArgumentParser, repeats: str | None = None
) -> None:
    """Options of how to measure; what is said of the repeats."""
    parser.add_argument('--device', choices=['cpu', 'cuda'])
    parser.add_argument('--repeats', type=int, default=7, help=repeats)
    parser.add_argument('--threads', type=int, help='on a CPU')
    parser.add_argument('--json', type=Path, help='add the figures to a file')


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot be meant, before anything is imported."""
    nothing_timed = dict(repeats=0) if args.command == 'methods' else {}
    check_lowest(args, LOWEST | nothing_timed)
    folder = vars(args).get('data')
    check_folder(folder)
    if args.command == 'data' and not (folder or args.listing):
        fail('nothing to measure: give --data DIR, --listing N or both')


def _config_paths(args: argparse.Namespace) -> dict[str, str]:
    """Paths of the configs, by the names that the figures go by."""
    names = args.configs if args.command == 'methods' else [args.config]
    paths = {Path(name).stem: the_config(name) for name in names}
    if len(paths) < len(names):
        fail('two of the configs go by the same name: measure one at a time')
    return paths


def main(argv: list[str] | None = None) -> None:
    """Run the command and print its table."""
    args = parse_args(argv)
    read_paths(args)
    _check(args)
    paths = _config_paths(args)
    import torch
    from mmengine.registry import init_default_scope

    from ccmim_mm.config import read_config, set_picture_size
    from ccmim_mm.engine.runner.work_dir import config_of

    try:
        from .benchmarks import commands
        from .benchmarks.contenders import check_contenders
        from .benchmarks.report import read_figures
    except ModuleNotFoundError as error:
        refuse_missing(error, 'study')

    if args.json:
        try:
            read_figures(args.json)
        except OSError as error:
            raise SystemExit(f'error: {error}') from None
    logging.disable(logging.WARNING)
    init_default_scope('mmpretrain')
    gpu = torch.cuda.is_available()
    args.device = args.device or ('cuda' if gpu else 'cpu')
    if args.device == 'cuda' and not gpu:
        raise SystemExit('error: torch finds no GPU: use --device cpu')
    if args.threads:
        torch.set_num_threads(args.threads)
    with ending_in_a_line():
        configs = {
            name: read_config(config_of(path)) for name, path in paths.items()
        }
        if args.command == 'methods':
            commands.methods(args, configs)
            return
        (cfg,) = configs.values()
        if args.command != 'data':
            check_contenders(cfg)
        if args.img_size:
            set_picture_size(cfg, args.img_size)
        getattr(commands, args.command)(args, cfg)


if __name__ == '__main__':
    main()
