"""What mmengine logged of a fine-tuning."""

from pathlib import Path

from ccmim_mm.visualization import read_scalars

from .grid import Run


def final_top1(run: Run, work_dir: Path) -> float | None:
    """Top-1 after a fine-tuning's last epoch, in percent."""
    last = run.options['train_cfg.max_epochs']
    values = [
        row['accuracy/top1']
        for row in read_scalars(work_dir)
        if 'accuracy/top1' in row and row['step'] == last
    ]
    return values[-1] if values else None
