"""Options that several tools have, and mistakes that cost no import."""

import argparse
import io
import math
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from .config_names import find_config
from .run_files import run_files

# Paths are bytes: what is no text in them is printed escaped.
for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors='backslashreplace')


class _Verbose(argparse.Action):
    """Asks for mmengine's console, of the tool and what it starts."""

    def __call__(self, *args, **kwargs) -> None:
        os.environ['CCMIM_VERBOSE'] = '1'


#: What options of whole numbers can be at least.
LOWEST = dict(
    epochs=1,
    iters=1,
    batch_size=1,
    patch_size=1,
    channels=1,
    seed=0,
    workers=0,
)
#: What of the tools' options and arguments is a path, or a list of such.
PATHS = (
    *('attention', 'checkpoint', 'compare', 'config', 'configs', 'data'),
    *('data_root', 'earlier', 'grid', 'json', 'out', 'picture', 'pretrained'),
    *('resume', 'runs', 'show_dir', 'teacher', 'work_dir'),
)
CONFIG_HELP = 'path of the config, or its name here: ccmim_vit-b for one'


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that a run and a test share."""
    found = argparse.ArgumentParser(
        description=description,
        # What looks for the work dir before anything is parsed knows none.
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument('config', help=CONFIG_HELP)
    found.add_argument('--work-dir', help='where logs and checkpoints go')
    found.add_argument(
        '--data',
        help='the data folder, or the URL of tar shards. Pre-training takes '
        'pictures, nested or flat, and with train/ and val/ class folders the '
        'labels serve the evaluation; the other tasks take the layouts that '
        'the docs name',
    )
    found.add_argument(
        '--device',
        default='auto',
        choices=['auto', 'cpu', 'cuda'],
        help='auto is the GPU where there is one',
    )
    add_overrides(found)
    found.add_argument(
        '--launcher',
        default='none',
        choices=['none', 'pytorch'],
        help='pytorch under torchrun, which dist_run.sh starts',
    )
    found.add_argument(
        '--verbose',
        action=_Verbose,
        nargs=0,
        default=argparse.SUPPRESS,
        help="mmengine's whole log on the screen too, as CCMIM_VERBOSE=1",
    )
    # torch.distributed.launch passes it; torchrun sets LOCAL_RANK.
    found.add_argument('--local_rank', '--local-rank', help=argparse.SUPPRESS)
    return found


def add_settings(options: argparse.ArgumentParser) -> None:
    """Options that move everything in a config that depends on them."""
    for name, kind, text in (
        ('batch-size', int, 'pictures a step of each process; the rate stays, '
         'but with --auto-scale-lr, and so does the accumulation'),
        ('lr', float, 'learning rate at its peak'),
        ('img-size', size, 'side of the pictures in pixels, or HEIGHTxWIDTH: '
         'of the model, and of crops and resizes in training and evaluation'),
        ('patch-size', int, 'side of a patch in pixels: of encoder, decoder, '
         'head and masks'),
        ('channels', int, 'of the pictures, if they are no RGB: TIFF, NumPy '
         'arrays and others are read as they are stored'),
        ('seed', int, 'of the training'),
        ('workers', int, 'processes that load pictures, for each loader'),
    ):  # fmt: skip
        options.add_argument(f'--{name}', type=kind, help=text)


def size(text: str) -> int | tuple[int, int]:
    """``64``, or ``64x96``: height and width.

    Raises:
        ValueError: If it is neither.
    """
    height, cross, width = text.partition('x')
    return (int(height), int(width)) if cross else int(height)


def check_settings(args: argparse.Namespace) -> None:
    """Refuse values that no config can have, of train's own options."""
    check_lowest(args, LOWEST)
    sides = (
        args.img_size if isinstance(args.img_size, tuple) else (args.img_size,)
    )
    for side in sides:
        if side is not None and side < 1:
            fail(f'--img-size is {side}: give 1 or more')
    if args.lr is not None and not 0 < args.lr < math.inf:
        fail(f'--lr is {args.lr}: give a number above 0, as 1e-3')


def check_lowest(args: argparse.Namespace, lowest: dict[str, int]) -> None:
    """Refuse whole numbers, alone or in lists, that are too low."""
    for name, least in lowest.items():
        value = getattr(args, name, None)
        for number in value if isinstance(value, list) else [value]:
            if number is not None and number < least:
                option = name.replace('_', '-')
                fail(f'--{option} is {number}: give {least} or more')


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Give a parser ``--cfg-options``, for :func:`read_overrides`."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        help='override the config, e.g. train_dataloader.batch_size=64 '
        'model.mask_sampler.type=RandomMaskSampler',
    )


def read_paths(args: argparse.Namespace) -> None:
    """Have ``~`` mean the home folder, which a shell reads but in --out=~/x.

    Refuses empty paths: what a shell makes of a variable that is not set.
    """
    for name in PATHS:
        value = getattr(args, name, None)
        paths = value if isinstance(value, list) else [value]
        if '' in paths:
            fail(f'{name.replace("_", "-")} is empty: give a path')
        read = [
            path and type(path)(os.path.expanduser(path)) for path in paths
        ]
        if value is not None:
            setattr(args, name, read if isinstance(value, list) else read[0])


def settle(args: argparse.Namespace, paths: Iterable[str] = ()) -> None:
    """Refuse what is not there before anything long; then read the rest.

    Args:
        args: The command line, changed in place: ``config`` becomes a path,
            ``cfg_options`` values by dotted keys, ``device`` goes.
        paths: Options that name a checkpoint.
    """
    read_paths(args)
    try:
        args.config = find_config(args.config)
    except OSError as error:
        fail(error)
    if args.data is not None and not is_there(args.data):
        fail(f'no folder {args.data}: give the folder of your data')
    for name in paths:
        path = getattr(args, name)
        if path not in (None, 'auto'):
            check_checkpoint(path)
    choose_device(args.device)
    del args.device
    args.cfg_options = read_overrides(args.cfg_options)
    if 'work_dir' in args and 'work_dir' in (args.cfg_options or {}):
        # What looks for a run's marker reads the option alone.
        fail('--cfg-options work_dir: give --work-dir in its place')


def is_there(data: str) -> bool:
    """Whether there is such a folder; of a URL it is asked later."""
    return '://' in data or Path(data).is_dir()


def check_checkpoint(path: str | Path) -> None:
    """End with a line where there is neither a file nor a model's folder."""
    if Path(path).is_file() or Path(path, 'config.json').is_file():
        return
    newest = run_files.last_named(path)
    if newest:
        newest = f': the newest of this run is {Path(path, newest)}'
    fail(f'no checkpoint {path}{newest}')


def read_overrides(texts: list[str] | None) -> dict[str, Any] | None:
    """Values by dotted keys, of ``KEY=VALUE``; None if there are none."""
    if texts is None:
        return None
    for text in texts:
        if '=' not in text:
            fail(f'--cfg-options {text}: write KEY=VALUE')
    # Here, as it imports torch.
    from .overrides import OverridesAction

    args = argparse.Namespace()
    action = OverridesAction(['--cfg-options'], 'cfg_options', nargs='+')
    try:
        action(argparse.ArgumentParser(), args, texts, '--cfg-options')
    except ValueError as error:
        fail(f'--cfg-options: {error}')
    return args.cfg_options


def fail(error: object) -> NoReturn:
    """End with a line."""
    text = ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode()
        for c in str(error)
    )
    raise SystemExit(f'error: {text}')


def refuse_missing(error: ModuleNotFoundError, extra: str) -> NoReturn:
    """End with what installs the packages of a command."""
    fail(f"{error}: pip install 'ccmim_mm[{extra}]' brings what is missing")


def choose_device(device: str) -> None:
    """Hide the GPUs, or insist on one; before anything uses them."""
    if device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    elif device == 'cuda':
        import torch

        if not torch.cuda.device_count():
            raise SystemExit(
                'error: --device cuda, but torch finds no GPU: use --device '
                'cpu, or check the driver with nvidia-smi'
            )
