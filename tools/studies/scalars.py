"""What mmengine logged of a run."""

import json
from pathlib import Path
from typing import Any

from .grid import Run


def read_scalars(work_dir: Path) -> list[dict[str, Any]]:
    """All rows, over all starts of a run, in the order written."""
    rows: list[dict[str, Any]] = []
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        rows += [json.loads(line) for line in path.read_text().splitlines()]
    return rows


def training_rows(work_dir: Path) -> list[dict[str, Any]]:
    """Rows of the training by iteration; of steps done twice the later."""
    rows = {
        row['iter']: row for row in read_scalars(work_dir) if 'iter' in row
    }
    return [rows[iteration] for iteration in sorted(rows)]


def final_top1(run: Run, work_dir: Path) -> float | None:
    """Top-1 after a fine-tuning's last epoch, in percent."""
    last = run.options['train_cfg.max_epochs']
    values = [
        row['accuracy/top1']
        for row in read_scalars(work_dir)
        if 'accuracy/top1' in row and row['step'] == last
    ]
    return values[-1] if values else None
