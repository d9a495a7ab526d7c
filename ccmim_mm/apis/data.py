"""Pointing a config at a folder of pictures."""

import os
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from mmengine.logging import print_log

from ..datasets.listing import SUFFIXES
from .transfer import apply_transfer_data, find_task


class DataLayout(NamedTuple):
    """Where the pictures lie.

    Attributes:
        train: Folder to train on.
        val: Folder to evaluate on; None if there are no labels.
        reason: Why there is none.
    """

    train: Path
    val: Path | None
    reason: str = ''


def find_layout(root: str | Path) -> DataLayout:
    """Tell an ImageNet-like folder from a plain one.

    With ``train/`` and ``val/`` in it, ``train/`` is what is trained on; if
    both hold class folders, the labels serve the evaluation. With ``train/``
    alone, likewise. Anything else is trained on as a whole.

    Args:
        root: The data folder.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f'no folder {root}: give --data the folder of your pictures, or '
            'put ImageNet there as train/ and val/ with class folders'
        )
    train, val = root / 'train', root / 'val'
    if not train.is_dir():
        return DataLayout(root, None, f'no {train} and {val}')
    if not val.is_dir():
        return DataLayout(train, None, f'no {val}')
    for folder in (train, val):
        if not has_class_folders(folder):
            return DataLayout(train, None, f'{folder} has no class folders')
    return DataLayout(train, val)


def has_class_folders(folder: Path) -> bool:
    """Whether a folder holds folders and no pictures of its own."""
    found = False
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            if entry.is_dir():
                found = True
            elif entry.name.lower().endswith(SUFFIXES):
                return False
    return found


def apply_data(cfg: Config, root: str | Path) -> None:
    """Point every part of a config at a data folder.

    Pre-training takes any; without labels its frozen-feature evaluation is
    switched off, and one line says so.

    Args:
        cfg: The config, changed in place.
        root: The data folder.

    Raises:
        FileNotFoundError: If there is no such folder, or it lacks what the
            config's task needs.
    """
    if find_task(cfg) != 'pretrain':
        apply_transfer_data(cfg, root)
        return
    layout = find_layout(root)
    cfg.train_dataloader.dataset.data_root = str(layout.train)
    for hook in cfg.get('custom_hooks', []):
        if hook.type in ('MaskPanelHook', 'MaskAnalysisHook'):
            hook.dataset.data_root = str(layout.val or layout.train)
    if layout.val is None:
        for key in ('dataloader', 'cfg', 'evaluator'):
            cfg[f'val_{key}'] = cfg[f'test_{key}'] = None
        print_log(f'No labels ({layout.reason}): kNN and linear probe are off')
        return
    for stage in ('val', 'test'):
        bank = cfg[f'{stage}_cfg'].bank_dataloader
        bank.dataset.data_root = str(layout.train)
        cfg[f'{stage}_dataloader'].dataset.data_root = str(layout.val)
