"""A config as the runner wants it: its data found, its classes counted."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from ..._stack import check_scope
from ...config_parts import find_dicts, kind_of_part
from ...datasets.classes import (
    apply_classes,
    channels_of,
    class_names,
    has_classes,
    with_masks,
)
from ...datasets.coco import complete_coco, read_coco
from ...datasets.data_root import apply_data_root, evaluators, kind_of, parts
from ...files import write_atomic
from ...registry import SCOPE
from ...torchrun import is_first
from .pixel_statistics import fill_in_pixel_statistics
from .spare import spare_config, spare_data


def prepare(cfg: Config) -> Config:
    """Settle what a config leaves to the data, and refuse what is unsafe.

    Args:
        cfg: The config, changed in place.

    Raises:
        FileExistsError: If the run would write over its config, or among
            the pictures that are its data.
        ImportError: If what the task needs is not installed.
        FileNotFoundError: If the data folder lacks what the task needs.
        UnreadablePictureError: If pictures have other channels than asked.
        ValueError: If the classes or annotations do not fit, or these are
            pickles.
    """
    spare_config(cfg)
    forget_scope(cfg._cfg_dict)
    check_scope(cfg.get('default_scope', 'mmengine'))
    apply_data_root(cfg)
    spare_data(cfg)
    if has_classes(cfg):
        apply_classes(cfg)
        complete_annotations(cfg)
    fill_in_pixel_statistics(cfg)
    _refuse_pickles(cfg)
    return cfg


def forget_scope(part: Any) -> None:
    """Have names mean what they mean without a base ``ccmim_mm::...``.

    mmengine marks what it reads from one, detectors and all, as this
    package's own.
    """
    if isinstance(part, dict):
        if part.get('_scope_') == SCOPE:
            del part['_scope_']
        part = [*part.values()]
    if isinstance(part, list | tuple):
        for inner in part:
            forget_scope(inner)


def as_given(cfg: Config) -> Config:
    """A copy of a prepared config that serves other data as well."""
    given = copy.deepcopy(cfg)
    if given.get('resume'):
        # How this start began: another is no resume, nor one of this file.
        given.resume, given.load_from = False, None
    copies = given.pop('completed_annotations', {})
    for dataset, _, stage in parts(given):
        if dataset.get('ann_file') in copies:
            dataset.ann_file = copies[dataset.ann_file][0]
        root, names_file = given.get('data_root'), dataset.get('names_file')
        if dataset.get('data_root') == root:
            dataset.pop('data_root', None)
            if root and names_file and Path(names_file).is_relative_to(root):
                # Or it would be looked for in this folder in any other.
                dataset.names_file = str(Path(names_file).relative_to(root))
        for evaluator in evaluators(given, stage):
            if evaluator.get('ann_file') in copies:
                evaluator.ann_file = copies[evaluator.ann_file][1]
    return given


def complete_annotations(cfg: Config) -> None:
    """Have COCO annotations read that are as mmdet takes them.

    Where a file is not (see :func:`complete_coco`), a copy that is goes into
    the work dir's ``completed_annotations/``, and is what is trained on and
    judged by. A copy, as data set and metric read a file each, and both in
    mmdet's way.

    Args:
        cfg: The config with data and classes applied, changed in place.

    Raises:
        FileNotFoundError: If a picture is missing whose size is needed.
        ValueError: If one is not of the format or the classes.
    """
    copies: dict[str, str] = {}
    for dataset, _, stage in parts(cfg):
        if stage is None or not _is_coco(dataset):
            continue
        root = dataset.get('data_root') or ''
        folder = (dataset.get('data_prefix') or {}).get('img', '')
        ann_file = str(Path(root, dataset.ann_file))
        if not Path(ann_file).is_file():
            # Said when it is read.
            continue
        if ann_file not in copies:
            copies[ann_file] = _completed(
                cfg,
                ann_file,
                Path(root, folder),
                stage,
                channels_of(dataset),
            )
        if copies[ann_file] != ann_file:
            done = cfg.setdefault('completed_annotations', {})
            done[copies[ann_file]] = [str(dataset.ann_file), ann_file]
            dataset.ann_file = copies[ann_file]
    for stage in ('train', 'val', 'test'):
        for evaluator in evaluators(cfg, stage):
            ann_file = str(Path(evaluator.get('ann_file') or ''))
            if ann_file in copies:
                evaluator.ann_file = copies[ann_file]


def _is_coco(dataset: ConfigDict) -> bool:
    kind = kind_of_part(dataset)
    remote = dataset.get('backend_args')
    return kind == 'CocoDataset' and kind_of(dataset) == 'coco' and not remote


def _completed(
    cfg: Config,
    ann_file: str,
    pictures: Path,
    stage: str,
    channels: int | None,
) -> str:
    """Annotations as mmdet takes them: the file itself or a copy."""
    keys = ['images', 'annotations', 'categories']
    if stage == 'test':
        # Test sets are published without.
        keys.remove('annotations')
    content = read_coco(ann_file, keys)
    done = complete_coco(
        content,
        ann_file,
        pictures,
        class_names(cfg),
        with_masks(cfg),
        channels,
    )
    if not done:
        return ann_file
    data = json.dumps(content).encode()
    # By its content: what another run in this folder reads stays.
    name = f'{stage}_{hashlib.sha256(data).hexdigest()[:8]}.json'
    # No data set's own folder, should the work dir be its root.
    path = Path(cfg.work_dir, 'completed_annotations', name).absolute()
    # Of every rank, the same: there is no process group yet.
    write_atomic(data, path)
    if is_first():
        print_log(f'{ann_file}: completed as {path}: {", ".join(done)}')
    return str(path)


def _refuse_pickles(cfg: Config) -> None:
    """Refuse annotation files that could run code.

    Raises:
        ValueError: For a pickle.
    """
    if cfg.get('trust_checkpoint'):
        return
    for holder in find_dicts(cfg.to_dict(), 'ann_file'):
        if str(holder['ann_file']).endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'{holder["ann_file"]} is refused: a pickle may run any '
                'code; convert it to JSON, or pass --trust-checkpoint if '
                'you trust whoever made it'
            )
