"""What is wrong with data, as one line that names the first and the fix."""

import os
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Item = TypeVar('Item')


def refuse(
    where: str | Path,
    problems: Iterable[str],
    fix: str,
    kind: type[Exception] = ValueError,
) -> None:
    """Raise an error for the first problem, if there are any."""
    problems = list(problems)
    if problems:
        more = f' ({len(problems)} such)' if len(problems) > 1 else ''
        raise kind(f'{where}: {problems[0]}{more}; {fix}')


def problems_of(
    items: Iterable[Item], problem: Callable[[Item], str | None]
) -> list[str]:
    """What is wrong with items that are looked at several at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [found for found in pool.map(problem, items) if found]


def twice(values: Iterable[Hashable], what: str) -> list[str]:
    """A problem for every value that has been there before."""
    seen = set()
    problems = []
    for value in values:
        if value in seen:
            problems.append(f'{what} {value!r} is there twice')
        seen.add(value)
    return problems
