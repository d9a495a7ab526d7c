"""Pictures with label maps, whatever their file name endings."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from .walk import pictures_below


class Pairing(NamedTuple):
    """Pictures and label maps that belong together by their names.

    Attributes:
        pairs: Of each picture, in their paths' order, and its label map.
        bare: Pictures without one.
        alone: Label maps without a picture.
        shared: Label maps that several pictures would share.
    """

    pairs: list[tuple[Path, Path]]
    bare: list[Path]
    alone: list[Path]
    shared: list[Path]


def pair_label_maps(
    pictures: str | Path, label_maps: str | Path, suffix: str = '.png'
) -> Pairing:
    """Find the label map of every picture: of the same relative name.

    Args:
        pictures: Folder of the pictures, nested or flat, of any suffix that
            is known; links are followed, what is hidden is left out.
        label_maps: Folder of the label maps, likewise.
        suffix: Of the label maps, one that pictures have, in lower or upper
            case; of two that differ by it alone, the one that has it as it
            stands here.
    """
    maps = {
        path.relative_to(label_maps).with_suffix(''): path
        for path in sorted(
            pictures_below(label_maps), key=lambda p: p.suffix == suffix
        )
        if path.suffix.lower() == suffix.lower()
    }
    found = pictures_below(pictures)
    # As mmseg sorts them.
    found.sort(key=str)
    names = [path.relative_to(pictures).with_suffix('') for path in found]
    counts = Counter(names)
    named = list(zip(found, names, strict=True))
    return Pairing(
        pairs=[(path, maps[name]) for path, name in named if name in maps],
        bare=[path for path, name in named if name not in maps],
        alone=sorted(maps[name] for name in maps.keys() - counts.keys()),
        shared=sorted(maps[n] for n in maps if counts[n] > 1),
    )


@DATASETS.register_module()
class LabelMapDataset(BaseDataset):
    """Pictures of any suffix, mixed too, with label maps.

    What mmseg's ``BaseSegDataset`` is for pictures of one suffix; its
    pipelines, metrics and visualizers take the samples of this one. A
    picture and its label map have the same relative name, suffixes aside,
    in ``data_prefix``'s ``img_path`` and ``seg_map_path``.

    Args:
        args: As for mmengine's ``BaseDataset``. An ``ann_file`` names the
            pictures to take, one a line, without suffix; without it all are
            taken.
        seg_map_suffix: Of the label maps.
        reduce_zero_label: Whether 0 is ignored and 1 the first class.
        metainfo: ``classes`` and, to draw, their ``palette``.
        kwargs: As for mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: If there is no picture with a label map, or one
            that is named has none.
    """

    def __init__(
        self,
        *args,
        seg_map_suffix: str = '.png',
        reduce_zero_label: bool = False,
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        self.seg_map_suffix = seg_map_suffix
        # mmseg's loading and metrics ask for both.
        self._common = dict(
            label_map=None, reduce_zero_label=reduce_zero_label
        )
        metainfo = {**(metainfo or {}), **self._common}
        super().__init__(*args, metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Every picture that has a label map, in its path's order."""
        folder = self.data_prefix['img_path']
        pairs = pair_label_maps(
            folder, self.data_prefix['seg_map_path'], self.seg_map_suffix
        ).pairs
        if self.ann_file:
            lines = Path(self.ann_file).read_text('utf-8').splitlines()
            named = {Path(line.strip()) for line in lines if line.strip()}
            by_name = {
                p.relative_to(folder).with_suffix(''): (p, m) for p, m in pairs
            }
            if missing := sorted(named - by_name.keys()):
                raise FileNotFoundError(
                    f'{self.ann_file}: {missing[0]} has no picture with a '
                    f'label map in {folder} ({len(missing)} such)'
                )
            pairs = [by_name[name] for name in sorted(named)]
        if not pairs:
            raise FileNotFoundError(
                f'no picture in {folder} has a label map in '
                f'{self.data_prefix["seg_map_path"]}'
            )
        return [
            dict(
                img_path=str(picture),
                seg_map_path=str(label_map),
                seg_fields=[],
                **self._common,
            )
            for picture, label_map in pairs
        ]
