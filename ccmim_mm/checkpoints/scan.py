"""What a checkpoint's pickle would build, counted before it is built.

torch's safe reader runs no code, but builds whatever it is told to: a tuple
nested a million times ends the process when it is hashed, a bytearray is as
long as the file says, and a list of millions takes minutes.
"""

import io
import os
import pickletools
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

#: Instructions of a pickle. A parameter with AdamW's state takes about 130.
MOST_INSTRUCTIONS = 500_000
#: Containers within one another; a run's checkpoint has 8.
MOST_NESTED = 100
#: Files of torch before 1.6 are so many pickles, then the tensors.
LEGACY_PICKLES = 5
#: The number that they begin with.
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

_MARK = -1
_PUT = {'PUT', 'BINPUT', 'LONG_BINPUT'}
_GET = {'GET', 'BINGET', 'LONG_BINGET'}
_INTO = {'APPEND', 'APPENDS', 'SETITEM', 'SETITEMS', 'ADDITEMS', 'BUILD'}


class _Effect(NamedTuple):
    """What an instruction does to the stack: down to a mark, then so many."""

    mark: bool
    taken: int
    given: int


def _effect(opcode: pickletools.OpcodeInfo) -> _Effect:
    before = opcode.stack_before
    mark = pickletools.markobject in before
    taken = before.index(pickletools.markobject) if mark else len(before)
    return _Effect(mark, taken, len(opcode.stack_after))


_EFFECTS = {opcode.name: _effect(opcode) for opcode in pickletools.opcodes}


def starts_as_archive(path: str | Path) -> bool:
    """Whether torch reads a file as an archive."""
    with open(path, 'rb') as file:
        return file.read(4) == b'PK\x03\x04'


class PickleError(ValueError):
    """A pickle that is not to be built."""


def check_pickles(path: str | Path) -> None:
    """Check the pickles of a file that ``torch.save`` wrote.

    Raises:
        ValueError: If they are broken or would build more, or deeper, than
            a checkpoint is; without the file's name.
    """
    if starts_as_archive(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith('data.pkl'):
                    _check(io.BytesIO(archive.read(entry)))
        return
    with open(path, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(LEGACY_PICKLES):
            if file.tell() < size:
                _check(file)


def _check(file: IO[bytes]) -> None:
    """Check the pickle that begins here."""
    start = file.tell()
    depths: list[int] = []
    memo: dict[int, int] = {}
    try:
        for count, _ in enumerate(pickletools.genops(file)):
            if count > MOST_INSTRUCTIONS:
                raise PickleError(
                    f'it has more than {MOST_INSTRUCTIONS:,} entries'
                )
        file.seek(start)
        for opcode, arg, _ in pickletools.genops(file):
            _check_argument(opcode.name, arg)
            _step(opcode.name, arg, depths, memo)
    except PickleError:
        raise
    except (ValueError, IndexError):
        raise PickleError('it is no whole pickle') from None


def _check_argument(name: str, arg: object) -> None:
    if name == 'GLOBAL' and str(arg).endswith(' bytearray'):
        raise PickleError('it asks for builtins.bytearray')
    # So long a number is nobody's; as keys they can be made to collide.
    if isinstance(arg, int) and arg.bit_length() > 64 and arg != LEGACY_MAGIC:
        raise PickleError('it has a number of more than 64 bits')


def _step(name: str, arg: Any, depths: list[int], memo: dict) -> None:
    """One instruction, on a stack of how deep each value is nested."""
    if name == 'MARK':
        depths.append(_MARK)
        return
    if name in _PUT:
        memo[arg] = depths[-1]
        return
    if name in _GET:
        depths.append(memo.get(arg, 0))
        return
    mark, taken, given = _EFFECTS[name]
    deepest = -1
    if mark:
        while (depth := depths.pop()) != _MARK:
            deepest = max(deepest, depth)
    for _ in range(taken - (name in _INTO)):
        deepest = max(deepest, depths.pop())
    depth = deepest + 1
    if name in _INTO:
        # A container grows by what is put in, not by itself.
        depth = max(depth, depths.pop())
    if depth > MOST_NESTED:
        raise PickleError(f'its entries are nested deeper than {MOST_NESTED}')
    depths.extend([depth] * given)
