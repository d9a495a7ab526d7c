"""What is wrong with this environment, and what to do about it.

Exits with 1 if something is broken that pre-training needs.
"""

import argparse
from collections.abc import Callable, Iterable

from .finding import Finding
from .folders import check_folders
from .machine import check_machine, check_operators
from .packages import check_owners, check_photographs, check_stack

#: In this order: what comes first explains what comes after.
CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    check_owners,
    check_stack,
    check_machine,
    check_operators,
    check_photographs,
    check_folders,
)


def main() -> None:
    """Print every finding, with the cure of what needs one."""
    argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    broken = 0
    for check in CHECKS:
        for found in check():
            print(found, flush=True)
            broken += found.level == 'broken'
    if broken:
        raise SystemExit(f'{broken} broken: the first one first')
    print('Nothing that pre-training needs is broken.')


__all__ = ['CHECKS', 'Finding', 'main']
