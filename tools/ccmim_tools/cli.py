"""``ccmim COMMAND ...``: one door to everything that is installed."""

import difflib
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

#: Command -> its module, and what it does.
COMMANDS = {
    'demo': ('run_demo', 'make 2,500 scenes and pre-train on them'),
    'train': ('train', 'pre-train, or train a task from a checkpoint'),
    'test': ('test', 'judge a checkpoint'),
    'features': ('extract_features', 'features of a folder of pictures'),
    'look': ('look', 'a page that shows what checkpoints have learned'),
    'curves': ('curves', 'the curves of several runs in one picture'),
    'pack': ('pack', 'a folder of pictures as tar shards, which train alike'),
    'convert': ('convert_checkpoint', "from and to other projects' files"),
    'export': ('export', 'an encoder for transformers, timm, ONNX, torch'),
    'study': ('study', 'run and report method x data set x seed'),
    'plan': ('plan', 'memory, batch and hours of a training, without a GPU'),
    'bench': ('benchmark', 'measure a step, its parts and its data'),
    'doctor': ('doctor', 'what is wrong with this environment, and the cure'),
}


def main() -> None:
    """Run the command that ``sys.argv`` names."""
    command, *rest = sys.argv[1:] or ['--help']
    if command in ('-h', '--help'):
        print(_usage())
    elif command == '--version':
        print(f'ccmim_mm {_version()}')
    elif command in COMMANDS:
        # What argparse calls the program.
        sys.argv = [f'ccmim {command}', *rest]
        import_module(f'.{COMMANDS[command][0]}', __package__).main()
    else:
        _refuse(command)


def _usage() -> str:
    lines = [f'  {name:<10}{text}' for name, (_, text) in COMMANDS.items()]
    return '\n'.join(
        ['usage: ccmim COMMAND ...', '', *lines, '', 'ccmim COMMAND --help']
    )


def _version() -> str:
    try:
        return version('ccmim_mm')
    except PackageNotFoundError:
        return 'of a folder that is not installed'


def _refuse(command: str) -> NoReturn:
    near = difflib.get_close_matches(command, COMMANDS, 1)
    meant = f'did you mean {near[0]}?' if near else ', '.join(COMMANDS)
    print(f'error: no command {command}: {meant}', file=sys.stderr)
    raise SystemExit(2)
