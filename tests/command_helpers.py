"""The commands, in processes that are forked from one with torch imported.

As a process of their own, but for the ten seconds of imports that each has:
arguments, environment, output and exit code are a shell's.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from conftest import ROOT

CONTEXT = multiprocessing.get_context('forkserver')


def _main(
    command: list[str], env: dict[str, str], outputs: Sequence[str]
) -> None:
    for number, path in enumerate(outputs, 1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(ROOT)
    option, *arguments = command
    if option == '-m':
        module, *arguments = arguments
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name='__main__', alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(option, run_name='__main__')


class Forked:
    """What of ``subprocess.Popen`` a study asks for.

    Args:
        command: Python and its arguments: a script or ``-m`` and a module.
        env: The environment.
        stdout: An open file.
        stderr: Likewise; None for the same.
    """

    def __init__(self, command, env, stdout, stderr=None):
        python, *rest = map(str, command)
        assert python == sys.executable
        names = [stdout.name, getattr(stderr, 'name', stdout.name)]
        self.process = CONTEXT.Process(
            target=_main, args=(rest, dict(env), names)
        )
        self.process.start()
        self.terminate = self.process.terminate

    def wait(self):
        """Its exit code; below zero for a signal."""
        self.process.join()
        return self.process.exitcode


def forked(command, env=None):
    """Run a command to its end, as ``subprocess.run`` does.

    Args:
        command: Python and its arguments: a script or ``-m`` and a module.
        env: The environment; None for this process's.
    """
    with TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ('stdout', 'stderr')]
        with paths[0].open('w') as out, paths[1].open('w') as errors:
            process = Forked(command, env or os.environ, out, errors)
        return subprocess.CompletedProcess(
            command, process.wait(), *(path.read_text() for path in paths)
        )
