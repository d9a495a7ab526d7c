"""Tables for people, JSON for programs, and what machine it was."""

import datetime
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ccmim_mm.files import write_atomic
from ccmim_mm.version import __version__


def environment(device: str) -> dict[str, Any]:
    """The machine, the software and the day."""
    name = platform.machine()
    cpuinfo = Path('/proc/cpuinfo')
    if device == 'cuda':
        name = torch.cuda.get_device_name()
    elif cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                name = line.partition(':')[2].strip()
                break
    return dict(
        device=name,
        threads=torch.get_num_threads(),
        capability=torch.backends.cpu.get_cpu_capability(),
        python=platform.python_version(),
        torch=torch.__version__,
        ccmim_mm=__version__,
        date=datetime.date.today().isoformat(),
    )


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a Markdown table; numbers with three significant digits."""
    cells = pd.DataFrame(rows).map(_cell)
    return cells.to_markdown(
        index=False, tablefmt='github', disable_numparse=True
    )


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ''
    if isinstance(value, float):
        return f'{value:.3g}' if abs(value) < 1000 else f'{value:.0f}'
    return str(value)


def publish(
    title: str,
    rows: Sequence[dict[str, Any]],
    setting: dict[str, Any],
    path: Path | None,
) -> None:
    """Print a table and add it to a JSON file.

    Args:
        title: Of the table, and its key in the file.
        rows: One dict a row, all with the same keys.
        setting: What the figures hold for.
        path: The file; None writes none.
    """
    described = ', '.join(f'{k} {v}' for k, v in setting.items())
    print(f'\n{title}\n{described}\n\n{table(rows)}', flush=True)
    if path is not None:
        data = read_figures(path)
        data[title] = dict(setting=setting, rows=rows)
        write_atomic((json.dumps(data, indent=2) + '\n').encode(), path)


def read_figures(path: Path) -> dict[str, Any]:
    """What :func:`publish` has written to a file; nothing if there is none.

    Raises:
        FileExistsError: If the file is something else.
    """
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        if all(part.keys() == {'setting', 'rows'} for part in data.values()):
            return data
    except (OSError, ValueError, AttributeError):
        pass
    raise FileExistsError(
        f'{path} is no file of figures and is left untouched: give --json '
        'another'
    )
