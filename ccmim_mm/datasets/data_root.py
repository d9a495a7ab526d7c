"""What a config's ``data_root`` means to every part that reads data."""

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from ..files import printable
from .layouts import Split, find_layout, folder_of
from .remote.cache import use_cache
from .remote.urls import is_remote, parse_root
from .settled import Kind, settle
from .tars.scan import shards_in

#: Data sets of a folder: of files, and of tars.
FOLDERS = ('PictureFolder', 'PictureTars')


class Part(NamedTuple):
    """A data set that a config names.

    Attributes:
        dataset: Its config, wrappers taken off.
        split: What it is of.
        stage: ``train``, ``val`` or ``test`` for a loader's; None for a
            hook's.
    """

    dataset: ConfigDict
    split: Split
    stage: str | None


def leaves(dataset: ConfigDict) -> Iterator[ConfigDict]:
    """The data sets within wrappers (``Seeded``, ``ConcatDataset``, ...).

    Raises:
        ValueError: If a wrapper is given what is the data set's.
    """
    if dataset.get('type') == 'Seeded':
        for name in dataset.keys() - {'type', 'dataset', '_scope_'}:
            raise ValueError(
                f'a Seeded wrapper takes no {name}: set dataset.{name} of it, '
                f'e.g. train_dataloader.dataset.dataset.{name}'
            )
    inner = dataset.get('datasets') or [dataset.get('dataset')]
    if inner == [None]:
        yield dataset
        return
    for part in inner:
        yield from leaves(part)


def leaf(cfg: Config, stage: str) -> ConfigDict:
    """The first data set of a stage's loader, wrappers taken off."""
    return next(leaves(cfg[f'{stage}_dataloader'].dataset))


def evaluation_pipeline(cfg: Config) -> list[ConfigDict]:
    """The transforms by which pictures are judged or shown.

    Those of the test, else of the validation, else of the pictures that a
    hook shows: a run without labels has no evaluation.

    Raises:
        ValueError: If the config has none of these.
    """
    for stage in ('test', 'val'):
        if cfg.get(f'{stage}_dataloader') is not None:
            return leaf(cfg, stage).pipeline
    for dataset, split, _ in parts(cfg):
        if split == 'val' and dataset.get('pipeline'):
            return dataset.pipeline
    raise ValueError(
        f'{cfg.filename or "the config"} says nowhere how pictures are '
        'judged: it has no test_dataloader, val_dataloader or PanelHook'
    )


def kind_of(dataset: ConfigDict) -> Kind:
    """What a data set is annotated with, by its config."""
    if str(dataset.get('ann_file', '')).endswith('.json'):
        return 'coco'
    if 'seg_map_path' in (dataset.get('data_prefix') or {}):
        return 'label_maps'
    if dataset.get('type') in FOLDERS and dataset.get('with_label'):
        return 'class_folders'
    return 'pictures'


def parts(cfg: Config) -> Iterator[Part]:
    """Every data set of loaders, the evaluation's bank and hooks."""
    for stage in ('train', 'val', 'test'):
        split: Split = 'train' if stage == 'train' else 'val'
        bank = (cfg.get(f'{stage}_cfg') or {}).get('bank_dataloader')
        loaders = (cfg.get(f'{stage}_dataloader'), split), (bank, 'train')
        for loader, of in loaders:
            if loader is not None:
                for dataset in leaves(loader.dataset):
                    yield Part(dataset, of, stage)  # type: ignore[arg-type]
    for hook in cfg.get('custom_hooks') or ():
        if isinstance(hook.get('dataset'), dict):
            for dataset in leaves(hook.dataset):
                yield Part(dataset, 'val', None)


def apply_data_root(cfg: Config) -> None:
    """Give every data set without a ``data_root`` that of the config.

    Where annotations or folders are not at the place that the config names,
    the usual layouts are looked for. Without labels a
    pre-training is judged by its features' spectrum alone, and one line says
    so. Folders of tar shards are read as such, which a line says too. Shards
    at a URL are kept in ``cache_dir``, ``cache_size`` bytes at most.

    Args:
        cfg: The config, changed in place. Of one with ``for_test`` the data
            of training and validation may be missing if the classes are
            known without.

    Raises:
        FileNotFoundError: If there is no such folder, or it lacks what the
            config's task needs.
        ValueError: If it is a URL with a password.
    """
    root = cfg.get('data_root')
    use_cache(cfg.get('cache_dir'), cfg.get('cache_size'))
    if root is None:
        return
    if is_remote(root):
        # Before it is written anywhere.
        parse_root(root)
    _switch_evaluation(cfg, root)
    for dataset, split, stage in parts(cfg):
        if dataset.get('data_root') is None:
            dataset.data_root = str(root)
            lenient = stage in ('train', 'val') and _may_lack(cfg, dataset)
            with suppress(FileNotFoundError) if lenient else nullcontext():
                settle(dataset, kind_of(dataset), root, split)
        elif str(dataset.data_root).rstrip('/') != str(root).rstrip('/'):
            print_log(
                f'{dataset.type} keeps its own data_root '
                f'{printable(dataset.data_root)}'
            )
        if kind_of(dataset) == 'coco':
            # Have annotations judged by that are read.
            ann_file = Path(dataset.get('data_root', ''), dataset.ann_file)
            for evaluator in evaluators(cfg, stage):
                if 'ann_file' in evaluator:
                    evaluator.ann_file = str(ann_file)
    _tell_tars_from_folders(cfg)


def _may_lack(cfg: Config, dataset: ConfigDict) -> bool:
    """Whether nothing is read of a data set that is not the test's."""
    named = cfg.get('classes', True) or kind_of(dataset) != 'coco'
    return bool(cfg.get('for_test') and named)


def _tell_tars_from_folders(cfg: Config) -> None:
    """Have folders that hold tar shards read as such, and say so."""
    tars = set()
    for dataset, _, _ in parts(cfg):
        if dataset.get('type') in FOLDERS:
            folder = of_split(dataset)
            dataset.type = FOLDERS[bool(folder and shards_in(folder))]
            if dataset.type == 'PictureTars':
                tars.add(printable(folder))
    if tars:
        print_log(
            f'Read as PictureTars, from tar shards: {", ".join(sorted(tars))}'
        )


def of_split(dataset: ConfigDict) -> Path | str | None:
    """The folder that a config of :data:`FOLDERS` reads, if there is one."""
    split, root = dataset.get('split'), dataset.data_root
    try:
        if split is None and is_remote(root):
            return root
        if split is None:
            return Path(root) if Path(root).is_dir() else None
        return folder_of(root, split, bool(dataset.get('with_label')))
    except FileNotFoundError:
        # Said by the data set, if it is built.
        return None


def evaluators(cfg: Config, stage: str | None) -> list[ConfigDict]:
    """The evaluators of a stage, be it none, one or several."""
    found = cfg.get(f'{stage}_evaluator') or []
    return list(found) if isinstance(found, list | tuple) else [found]


def _switch_evaluation(cfg: Config, root: str) -> None:
    """Judge frozen features by their spectrum if there are no labels."""
    kinds = {
        stage: {kind_of(p.dataset) for p in parts(cfg) if p.stage == stage}
        for stage in ('train', 'val')
    }
    if kinds != dict(train={'pictures'}, val={'class_folders'}):
        return
    judged = [p for p in parts(cfg) if kind_of(p.dataset) == 'class_folders']
    if all(part.dataset.get('data_root') for part in judged):
        return
    layout = find_layout(root)
    if layout.val is None:
        bank = cfg.val_cfg.get('bank_dataloader')
        for stage in ('val', 'test'):
            for key in ('dataloader', 'cfg', 'evaluator'):
                cfg[f'{stage}_{key}'] = None
        instead = ''
        if bank is not None:
            for pictures in leaves(bank.dataset):
                pictures.with_label = False
            cfg.val_dataloader, cfg.val_evaluator = bank, []
            cfg.val_cfg = dict(type='LabelFreeLoop')
            instead = '; RankMe and alpha-ReQ tell of the features'
        reason = printable(layout.reason)
        print_log(
            f'No labels ({reason}): kNN and linear probe are off{instead}'
        )
