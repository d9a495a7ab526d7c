"""What mmengine logged of a run."""

import json
from pathlib import Path
from typing import Any


def read_scalars(work_dir: Path) -> list[dict[str, Any]]:
    """All rows, over all starts of a run, in the order written.

    Lines that a killed process or a full disk cut off are left out: the
    steps since the last checkpoint are done, and logged, again.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text(errors='replace').splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
    return rows


def training_rows(work_dir: Path) -> list[dict[str, Any]]:
    """Rows of the training by iteration; of steps done twice the later."""
    rows = {
        row['iter']: row for row in read_scalars(work_dir) if 'iter' in row
    }
    return [rows[iteration] for iteration in sorted(rows)]
