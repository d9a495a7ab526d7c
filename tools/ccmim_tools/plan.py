"""What a pre-training needs of GPUs, planned without one.

A step of fake tensors, which have sizes and no values, is followed from
allocation to release: memory by way of training and batch, the largest batch
that fits, FLOPs and hours. What an allocator, a CUDA context and kernels take
for themselves is not in it. --check sets the plan beside real steps.
"""

import argparse
import logging
import os
from typing import TYPE_CHECKING

from .command_line import (
    CONFIG_HELP,
    add_overrides,
    choose_device,
    fail,
    read_overrides,
    refuse_missing,
    the_config,
)

if TYPE_CHECKING:
    from mmengine.config import Config

#: Pictures of ImageNet's training set.
IMAGENET = 1_281_167


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line (``sys.argv`` by default)."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help=CONFIG_HELP)
    for name, kind, text in (
        ('gpu-memory', float, 'GiB of a GPU, to find what fits: 24 80'),
        ('batch-size', int, "pictures of a process (the config's)"),
        ('ranks', int, 'tell what collectives move among so many: 8 64'),
    ):
        parser.add_argument(
            f'--{name}', type=kind, nargs='+', default=[], help=text
        )
    for name, kind, default, text in (
        ('gpus', int, 8, 'processes'),
        ('tflops', float, None, 'peak of a GPU at the precision, to tell '
         'hours: 10^12 FLOPs a second, by its data sheet'),
        ('utilisation', float, 0.4, 'share of the peak that is reached'),
        ('pictures', int, IMAGENET, 'of an epoch'),
    ):  # fmt: skip
        parser.add_argument(f'--{name}', type=kind, default=default, help=text)
    parser.add_argument(
        '--check',
        action='store_true',
        help='run steps of each --batch-size here, on the GPU or else the '
        'CPU, in one process, and print planned and measured peak alone',
    )
    add_overrides(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the command and print its tables."""
    args = parse_args(argv)
    _check(args)
    options = read_overrides(args.cfg_options)
    path = the_config(args.config)
    gpus = os.environ.get('CUDA_VISIBLE_DEVICES')
    # Fake tensors are a CPU's, whatever is here.
    choose_device('cpu')
    from mmengine.registry import init_default_scope

    from ccmim_mm.config import apply_options, read_config
    from ccmim_mm.engine.runner.work_dir import config_of

    try:
        from .planning.check import check
        from .planning.tables import Asked, tables
    except ModuleNotFoundError as error:
        refuse_missing(error, 'study')

    logging.disable(logging.WARNING)
    try:
        cfg = read_config(config_of(path))
        apply_options(cfg, options)
        _check_parts(cfg, args)
        init_default_scope('mmpretrain')
        asked = Asked(
            gpus=args.gpus,
            memory=args.gpu_memory,
            batches=args.batch_size or [cfg.train_dataloader.batch_size],
            pictures=args.pictures,
            tflops=args.tflops,
            utilisation=args.utilisation,
            ranks=args.ranks,
        )
        found = tables(cfg, asked)
        if args.check:
            found = check(cfg, asked.batches, gpus)
        for text in found:
            print(f'{text}\n', flush=True)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    except (AssertionError, AttributeError, KeyError, TypeError) as error:
        # Of what was built with an argument that it does not take.
        if not options:
            raise
        fail(f'--cfg-options: {type(error).__name__}: {error}')


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot be meant."""
    for name in ('gpu_memory', 'batch_size', 'ranks', 'gpus', 'pictures'):
        values = getattr(args, name)
        for value in values if isinstance(values, list) else [values]:
            if not value > 0:
                option = name.replace('_', '-')
                fail(f'--{option} is {value}: give more than 0')
    if args.tflops is not None and not args.tflops > 0:
        fail(f'--tflops is {args.tflops}: give more than 0')
    if not 0 < args.utilisation <= 1:
        fail(f'--utilisation is {args.utilisation}: give a share, as 0.4')


def _check_parts(cfg: 'Config', args: argparse.Namespace) -> None:
    """Refuse a config that lacks what a step is made of.

    Raises:
        ValueError: Naming it.
    """
    needed = ['model', 'data_preprocessor', 'optim_wrapper']
    if not args.batch_size:
        needed.append('train_dataloader')
    for name in needed:
        if not cfg.get(name):
            raise ValueError(
                f'{args.config} has no {name}: give the config of a '
                'pre-training'
            )


if __name__ == '__main__':
    main()
