"""Run a study (method x data set x seed), and report what came out."""

import argparse
from pathlib import Path

from .command_line import ending_in_a_line, read_paths, refuse_missing


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument('grid', help='e.g. configs/study/grid_tiny.py')
    common.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/study'),
        help='of all runs (work_dirs/study)',
    )
    commands = parser.add_subparsers(dest='command', required=True)
    run = commands.add_parser(
        'run', parents=[common], help='run what has not been run'
    )
    run.add_argument(
        '--data-root',
        type=Path,
        default=Path('data/study'),
        help='folder with a folder per data set (data/study)',
    )
    run.add_argument('--datasets', nargs='+', help='only these')
    run.add_argument('--methods', nargs='+', help='only these')
    run.add_argument('--seeds', nargs='+', type=int, help='only these')
    run.add_argument(
        '--stage',
        nargs='+',
        help='only these: pretrain, finetune, or transfers of the grid',
    )
    run.add_argument(
        '--jobs',
        type=int,
        help='runs at a time: one per GPU, or one on a CPU, if not given',
    )
    run.add_argument(
        '--dry-run', action='store_true', help='print the commands alone'
    )
    report = commands.add_parser(
        'report', parents=[common], help='write the CSV, tables and plots'
    )
    report.add_argument(
        '--out', type=Path, help='where to (report in the work dir)'
    )
    report.add_argument(
        '--earlier',
        type=Path,
        nargs='+',
        default=[],
        metavar='CSV',
        help='results.csv or transfer.csv of other reports on the grid: their '
        'runs are added, but for those that the work dir has too',
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Run what was asked for and has not been run."""
    import shlex

    from .studies import execute, expand, load_grid, select

    runs = select(
        expand(load_grid(args.grid)),
        datasets=args.datasets,
        methods=args.methods,
        seeds=args.seeds,
        stages=args.stage,
    )
    if args.dry_run:
        for item in runs:
            print(shlex.join(item.command(args.work_dir, args.data_root)))
        return
    left = execute(runs, args.work_dir, args.data_root, args.jobs)
    if left:
        raise SystemExit(
            f'{len(left)} of {len(runs)} runs are not done; the same command '
            'goes on'
        )


def report(args: argparse.Namespace) -> None:
    """Write the CSV, tables and plots."""
    from mmengine.logging import MMLogger

    from ccmim_mm.engine.console import is_verbose, quieten

    from .studies import load_grid, write_report

    if not is_verbose():
        # Else a line for each parameter of each run's model.
        quieten(MMLogger.get_current_instance())
    grid, out = load_grid(args.grid), args.out or args.work_dir / 'report'
    for path in write_report(grid, args.work_dir, out, args.earlier):
        print(path)


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parse_args(argv)
    read_paths(args)
    try:
        # What wants the extra.
        from .studies import execute  # noqa: F401
    except ModuleNotFoundError as error:
        refuse_missing(error, 'study')
    try:
        with ending_in_a_line(raw=True):
            dict(run=run, report=report)[args.command](args)
    except KeyboardInterrupt:
        raise SystemExit('stopped; the same command goes on') from None


if __name__ == '__main__':
    main()
