"""torchrun, which says plainly when the ranks have left because asked to.

Takes torchrun's arguments. It exits with 75, and no traceback, if all ranks
did, or if the launcher itself was signalled and the work dir of the command
says that they saved; in all other cases as torchrun does.
"""

import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

from start_up import EXIT_CODE, work_dir_of


def launch() -> None:
    """Run torchrun."""
    tool = next(i for i, a in enumerate(sys.argv) if a.endswith('.py') and i)
    work_dir = work_dir_of(sys.argv[tool + 1 :])
    marker = work_dir and work_dir / 'preempted'
    try:
        main()
    except ChildFailedError as error:
        codes = {failure.exitcode for failure in error.failures.values()}
        if codes != {EXIT_CODE}:
            raise
        raise SystemExit(EXIT_CODE) from None
    except SignalException as error:
        if marker is None or not marker.is_file():
            raise
        print(f'{marker}: {marker.read_text().strip()}', file=sys.stderr)
        print(f'{error}: exiting with {EXIT_CODE}', file=sys.stderr)
        raise SystemExit(EXIT_CODE) from None


if __name__ == '__main__':
    launch()
