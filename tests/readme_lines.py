"""README's blocks, and what bash makes of their lines."""

import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

README = (ROOT / 'README.md').read_text()
_NOTE = '{ printf "%q " "${0##*/}" "$@"; echo; } >> "$CALLS"\n'
#: For bash, in the place of what lines and launchers start: it notes how it
#: was called. torch finds eight GPUs, and Slurm a node.
STAND_INS = {
    **dict.fromkeys(('make', 'pip', 'ccmim'), _NOTE),
    'python': '[ "$1" = -c ] && echo 8 && exit\n' + _NOTE,
    'srun': 'while [ "$1" != bash ]; do shift; done\n'
    'SLURM_NODEID=0 SLURM_JOB_NODELIST=node[0-3] exec "$@"\n',
    'scontrol': 'echo node0\n',
}


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        language: ``bash`` or ``python``.
        text: What is in it.
    """

    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines but for empty ones."""
        return [line for line in self.text.splitlines() if line.strip()]


def blocks(text: str = README) -> list[Block]:
    """All fenced blocks, in order."""
    found = re.findall(r'^ *```(.*)\n((?:.*\n)*?) *```$', text, re.M)
    return [Block(*block) for block in found]


def override(line: str) -> str | None:
    """What a line has for ``--cfg-options``, if it is for that."""
    found = re.fullmatch(r'([a-z_]+[\w.]*=\S+)(\s+#.*)?', line)
    return found and ''.join(shlex.split(found[1]))


def rule_of(line: str, names: Iterable[str]) -> str:
    """The one name that a line begins with, behind its variables.

    Raises:
        LookupError: If none or several do.
    """
    words = shlex.split(line, comments=True)
    while words and re.match(r'[A-Z_]+=', words[0]):
        del words[0]
    found = [n for n in names if words[: len(n.split())] == n.split()]
    if len(found) != 1:
        raise LookupError(f'{len(found)} rules for this line: {line}')
    return found[0]


def called(line: str, folder: Path) -> list[str]:
    """The command that a line starts in a folder, by bash itself.

    Launchers run as they are, as far as Python.
    """
    notes, stand_ins = folder / '.calls', folder / '.stand_ins'
    stand_ins.mkdir(exist_ok=True)
    for name, text in STAND_INS.items():
        (stand_ins / name).write_text(f'#!/bin/bash\n{text}')
        (stand_ins / name).chmod(0o755)
    notes.write_text('')
    path = f'{stand_ins}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        ['bash', '-c', line],
        cwd=folder,
        env={**os.environ, 'PATH': path, 'CALLS': str(notes)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (words,) = map(shlex.split, notes.read_text().splitlines())
    return words


def pinned() -> set[str]:
    """What is tested with, as ``name==version``."""
    texts = [
        (ROOT / path).read_text()
        for path in ('requirements.txt', 'tests/requirements.txt')
    ]
    return {*re.findall(r'^\S+==\S+$', '\n'.join(texts), re.M)}


def extras() -> set[str]:
    """What can stand in brackets behind the package."""
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    return {*project['optional-dependencies']}
