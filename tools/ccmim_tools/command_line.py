"""Options that several tools have, and mistakes that cost no import."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
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
    add_device(found)
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


def add_device(
    parser: argparse.ArgumentParser,
    choices: Sequence[str] = ('auto', 'cpu', 'cuda'),
) -> None:
    """Give a parser ``--device``, for :func:`choose_device`."""
    parser.add_argument(
        '--device',
        default='auto',
        choices=choices,
        help='auto is the GPU where there is one',
    )


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
    args.config = the_config(args.config)
    check_folder(args.data, 'data')
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


def the_config(name: str) -> str:
    """The path of a config; ends with a line where there is none."""
    try:
        return find_config(name)
    except OSError as error:
        fail(error)


def check_folder(data: str | None, what: str = 'pictures') -> None:
    """End with a line where there is no such folder; a URL is asked later."""
    if data is not None and not ('://' in data or Path(data).is_dir()):
        fail(f'no folder {data}: give the folder of your {what}')


def check_new(path: str | Path, other: str = 'file to write') -> None:
    """End with a line where a file that is to be written is there."""
    if Path(path).exists():
        fail(f'{path} exists: name another {other}')


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


@contextlib.contextmanager
def ending_in_a_line(raw: bool = False) -> Iterator[None]:
    """End with what is wrong with what was asked for, not with a traceback.

    Args:
        raw: Print it as it is, of several lines perhaps.
    """
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        if raw:
            raise SystemExit(f'error: {error}') from None
        fail(error)


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
