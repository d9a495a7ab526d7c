"""Whether what a file says is of the same make as what we would have said."""

import math
from typing import Any, NamedTuple

from torch import Tensor

from .content import is_finite

#: Characters of a word or a name, which the log may repeat.
LONGEST = 300


class Several(NamedTuple):
    """Stands for a list of any length.

    Attributes:
        like: What each entry is like.
    """

    like: Any


class ByName(NamedTuple):
    """Stands for a dict of any names.

    Attributes:
        like: What each value is like.
    """

    like: Any


def check_like(
    found: Any,
    own: Any,
    name: str,
    more: bool = False,
    finite: bool = True,
) -> None:
    """Check that a value from a file is like one of ours.

    Args:
        found: From the file.
        own: Numbers, words, containers and tensors, nested; as a list or a
            dict of any length :class:`Several` and :class:`ByName`.
        name: What to call it.
        more: Whether dicts may have further numbers and words.
        finite: Whether numbers have to be.

    Raises:
        ValueError: For another type, missing or unknown entries, another
            length or shape, and numbers that are not finite.
    """
    options = dict(more=more, finite=finite)
    if isinstance(own, dict | ByName):
        _check_dict(found, own, name, options)
    elif isinstance(own, list | tuple):
        _check_list(found, own, name, options)
    elif isinstance(own, Tensor):
        _check_tensor(found, own, name)
    elif isinstance(own, str):
        check(isinstance(found, str), name, found, 'a word')
        check(len(found) <= LONGEST, name, 'too long')
    elif own is None or isinstance(own, bool):
        check(_is_plain(found), name, found, 'a number or nothing')
    else:
        good = isinstance(found, int | float) and not isinstance(found, bool)
        check(good, name, found, 'a number')
        check(not finite or _is_plain(found), name, found, 'a finite number')


def check_count(found: Any, name: str, least: int, most: int) -> None:
    """Check that a value is a whole number within bounds, both included.

    Raises:
        ValueError: If it is not.
    """
    check(type(found) is int, name, found, 'a whole number')
    check(least <= found <= most, name, found, f'{least} to {most}')


def check_name(key: Any, name: str) -> None:
    """Check that a dict's key is a name that the log can repeat.

    Raises:
        ValueError: If it is not.
    """
    good = isinstance(key, str) and key.isprintable() and len(key) <= LONGEST
    check(good, f'an entry of {name}', key, 'a name')


def check(good: bool, name: str, found: Any, wanted: str = '') -> None:
    """Refuse in one line what is not good.

    Args:
        good: Whether it is.
        name: What it is about.
        found: What stands there: a word, or anything else.
        wanted: What should.

    Raises:
        ValueError: If it is not good.
    """
    if good:
        return
    if isinstance(found, int) and found.bit_length() > 64:
        found = 'a huge number'
    elif isinstance(found, str):
        found = repr(found)[1:60] if len(found) > 60 else found
    elif not isinstance(found, bool | int | float | None):
        found = f'a {type(found).__name__}'
    raise ValueError(
        f'{name} is {found}' + (f', expected {wanted}' if wanted else '')
    )


def _check_dict(
    found: Any, own: dict | ByName, name: str, options: dict
) -> None:
    check(isinstance(found, dict), name, found, 'a dict')
    for key in found if isinstance(own, ByName) else ():
        check_name(key, name)
    if isinstance(own, ByName):
        own = dict.fromkeys(found, own.like)
    for key, value in own.items():
        # Switches come with new versions, which know their default.
        if key in found:
            check_like(found[key], value, f'{name}.{key}', **options)
        elif value is not None and not isinstance(value, bool):
            raise ValueError(f'{name} has no {key}')
    for key in found.keys() - own.keys():
        check_name(key, name)
        check(options['more'], f'an entry of {name}', key, 'no such')
        check(_is_plain(found[key]), f'{name}.{key}', found[key])


def _check_list(
    found: Any, own: list | tuple, name: str, options: dict
) -> None:
    check(isinstance(found, list | tuple), name, found, 'a list')
    if isinstance(own, Several):
        own = [own.like] * len(found)
    both = f'a list of {len(found)}', f'one of {len(own)}'
    check(len(found) == len(own), name, *both)
    for i, (value, wanted) in enumerate(zip(found, own, strict=True)):
        check_like(value, wanted, f'{name}.{i}', **options)


def _check_tensor(found: Any, own: Tensor, name: str) -> None:
    check(isinstance(found, Tensor), name, found, 'a tensor')
    both = f'of {tuple(found.shape)}', f'{tuple(own.shape)}'
    check(found.shape == own.shape, name, *both)
    real = own.is_floating_point()
    check(found.is_floating_point() == real, name, f'of {found.dtype}')
    check(is_finite(found), name, 'not finite')


def _is_plain(value: Any) -> bool:
    """Whether it is nothing, a word, or a finite number."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | str)
