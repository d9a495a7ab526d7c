"""What the analyses that compare encoders have on their command lines."""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .command_line import (
    CONFIG_HELP,
    add_device,
    add_overrides,
    check_checkpoint,
    ending_in_a_line,
    fail,
    settle,
)

if TYPE_CHECKING:
    from mmengine.config import Config

    from ccmim_mm.apis import Encoder


def encoder_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of a config, checkpoints, and pictures to compare them on.

    Checkpoints may stand behind options, too: parse what is intermixed.
    """
    found = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument('config', help=CONFIG_HELP)
    found.add_argument(
        'checkpoints', nargs='*', help='of that config, of any known kind'
    )
    found.add_argument('--data', required=True, help='folder of pictures')
    found.add_argument('--seed', type=int, default=0, help='of the draws (0)')
    found.add_argument(
        '--random', action='store_true', help='random weights too, as control'
    )
    add_device(found, ('auto', 'cpu'))
    add_overrides(found)
    return found


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option to keep the figures, see :func:`print_and_keep`."""
    parser.add_argument('--json', type=Path, help='write the figures here too')


def print_and_keep(
    measure: Callable[[argparse.Namespace], dict], args: argparse.Namespace
) -> None:
    """Measure, and write what was found to ``--json``; end with a line.

    Args:
        measure: Checks what was asked for, then finds and prints the
            figures.
        args: Of a parser with :func:`add_json`.
    """
    with ending_in_a_line():
        found = measure(args)
        if args.json:
            from ccmim_mm.files import write_atomic

            content = json.dumps(found, indent=2) + '\n'
            write_atomic(content.encode(), args.json)


def read_config(args: argparse.Namespace) -> 'Config':
    """The config with its overrides, when all that is named is there.

    Args:
        args: Of :func:`encoder_parser`, settled here.

    Raises:
        ImportError: If the config imports what is not there.
        ValueError: If the config is none, or an override means nothing.
    """
    if not args.checkpoints and not args.random:
        fail('name a checkpoint, or --random')
    for checkpoint in args.checkpoints:
        check_checkpoint(checkpoint)
    settle(args)
    # Here, as it takes seconds.
    from ccmim_mm import config
    from ccmim_mm.engine.runner.work_dir import config_of

    cfg = config.read_config(config_of(args.config))
    config.apply_options(cfg, args.cfg_options)
    return cfg


def encoders(
    args: argparse.Namespace,
    cfg: 'Config',
    check: Callable[['Encoder'], None] | None = None,
) -> Iterator[tuple[str, 'Encoder']]:
    """Each encoder by its name, one after the other.

    All are loaded once before, so that a broken one costs no figures of the
    others; they may be too large to be kept.

    Args:
        args: Of :func:`encoder_parser`.
        cfg: See :func:`read_config`.
        check: Raises a ValueError for an encoder that cannot be measured.

    Raises:
        ValueError: If a checkpoint is broken or of another encoder.
    """
    for _, encoder in _load_each(args, cfg):
        if check is not None:
            check(encoder)
    return _load_each(args, cfg)


def _load_each(
    args: argparse.Namespace, cfg: 'Config'
) -> Iterator[tuple[str, 'Encoder']]:
    """See :func:`encoders`."""
    import torch

    from ccmim_mm.apis import load_encoder
    from ccmim_mm.files import printable

    for checkpoint in [*args.checkpoints, *[None] * args.random]:
        torch.manual_seed(args.seed)
        name = printable(checkpoint or 'random weights')
        yield name, load_encoder(cfg, checkpoint)
