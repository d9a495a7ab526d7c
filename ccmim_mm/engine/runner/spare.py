"""What a work dir must not be, lest a run harms what is somebody's."""

from pathlib import Path

from mmengine.config import Config, ConfigDict

from ...datasets.data_root import FOLDERS, kind_of, of_split, parts
from ...datasets.remote.urls import is_remote
from ...files import printable
from ...run_files import LOCK, holds_regular

#: Data sets that list no hidden folders.
_WITHOUT_HIDDEN = (*FOLDERS, 'PicturePairs', 'LabelMapDataset')


def spare_config(cfg: Config) -> None:
    """Refuse a work dir where a run would write over the config it is of.

    Raises:
        FileExistsError: If no run has written that config there.
    """
    source = Path(cfg.filename or '')
    if not cfg.get('work_dir'):
        return
    place = Path(cfg.work_dir, source.name)
    if not (source.is_file() and place.is_file() and place.samefile(source)):
        return
    # A copy may lack what is hidden.
    is_run = place.with_name(LOCK).exists() or holds_regular(cfg.work_dir)
    if not (is_run and _is_dumped(place)):
        raise FileExistsError(
            f'{printable(place)} is the config itself, which the run would '
            'write its own over: give another --work-dir'
        )


def spare_data(cfg: Config) -> None:
    """Refuse a work dir whose pictures would be listed with the data's.

    Args:
        cfg: The config with its data applied.

    Raises:
        FileExistsError: Naming the folder that is listed.
    """
    if not cfg.get('work_dir'):
        return
    work_dir = Path(cfg.work_dir).resolve()
    for dataset, _, _ in parts(cfg):
        for folder in listed_folders(dataset):
            data = folder.resolve()
            if not work_dir.is_relative_to(data):
                continue
            names = work_dir.relative_to(data).parts
            hidden = any(name[0] == '.' for name in names)
            if not (hidden and dataset.get('type') in _WITHOUT_HIDDEN):
                raise FileExistsError(
                    f'the work dir {printable(cfg.work_dir)} is or lies in '
                    f'{printable(folder)}, where all pictures are data, and '
                    "so would be the run's own: give another --work-dir"
                )


def listed_folders(dataset: ConfigDict) -> list[Path]:
    """The folders on a disk of which a data set takes all that it finds.

    None of COCO's, where annotations name each picture.
    """
    root = dataset.get('data_root')
    if is_remote(root):
        return []
    if kind_of(dataset) == 'label_maps':
        prefix = dataset.data_prefix
        names = prefix.get('img_path', ''), prefix.seg_map_path
        return [Path(root or '', name) for name in names]
    if not root or dataset.get('type') not in _WITHOUT_HIDDEN:
        return []
    found = of_split(dataset)
    return [Path(found)] if found else []


def _is_dumped(config: Path) -> bool:
    """Whether a config is written as mmengine writes one."""
    dumped = Config.fromfile(config, import_custom_modules=False).pretty_text
    # But for spaces, which differ by yapf's version.
    here, there = (
        ''.join(text.split()) for text in (config.read_text('utf-8'), dumped)
    )
    return here == there
