"""Features and attention of a folder of pictures, from a frozen encoder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from ..datasets import PictureFolder, UnreadablePictureError
from ..datasets.data_root import evaluation_pipeline
from ..evaluation import Rows
from ..files import beside, check_output, open_atomic, printable
from ..visualization import as_rgb
from ..visualization.panel import to_array, to_heat
from .encoder import load_encoder

FEATURES = ('cls', 'mean', 'patches')


def extract_features(
    cfg: Config,
    checkpoint: str,
    data_root: str,
    out: str,
    features: Sequence[str] | None = None,
    attention_dir: str | None = None,
    batch_size: int = 64,
    num_workers: int = 2,
) -> int:
    """Encode every picture of a folder and write what came out as ``.npz``.

    The arrays are ``paths`` ``(N,)``, relative to the folder, and those of
    ``features``: ``cls`` and ``mean`` (of the patches) ``(N, C)``,
    ``patches`` ``(N, L, C)``, all float32. Pictures that cannot be read are
    named and left out.

    Args:
        cfg: A pre-training config; its evaluation pipeline is used.
        checkpoint: Any format that is known.
        data_root: The folder.
        out: The file to write.
        features: Which of :data:`FEATURES`; None is all that are one
            vector a picture.
        attention_dir: Also write each picture beside its CLS attention
            into this folder, ``x.jpg`` as ``x.jpg.png``; None writes none.
        batch_size: Pictures at a time.
        num_workers: Processes that load them.

    Returns:
        The number of pictures encoded.

    Raises:
        FileNotFoundError: If folder or checkpoint are missing.
        FileExistsError: If ``out`` or ``attention_dir`` exists, or lies in
            the folder.
        OSError: If one of them cannot be written.
        ValueError: If the checkpoint does not fit, the model has no such
            features, or ``attention_dir`` is or lies in ``out``.
    """
    check_output(out, data_root, file=True)
    if attention_dir is not None:
        check_output(attention_dir, data_root)
        maps = Path(attention_dir).resolve()
        if Path(out).resolve() in (maps, *maps.parents):
            raise ValueError(
                f'{printable(attention_dir)} cannot hold attention pictures, '
                f'as {printable(out)} is to be a file: name another place'
            )
    pipeline = evaluation_pipeline(cfg)
    folder = dict(type='PictureFolder', data_root=data_root, pipeline=pipeline)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        pictures = _Readable(DATASETS.build(folder))
    encoder = load_encoder(cfg, checkpoint)
    loader = DataLoader(
        pictures,
        batch_size,
        num_workers=num_workers,
        collate_fn=_collate_readable,
    )
    paths: list[str] = []
    found: dict[str, Rows] = {}
    for packed, names in loader:
        if not names:
            continue
        paths += names
        inputs = encoder.normalise(packed)
        for name, value in encoder.features(inputs, features).items():
            found.setdefault(name, Rows(len(pictures))).add(value)
        if attention_dir is not None:
            heat = to_heat(encoder.attention(inputs), inputs.shape[-2:])
            shown = as_rgb(
                dict(picture=inputs), encoder.model.data_preprocessor
            )
            for path, picture, colours in zip(
                names, shown['picture'], heat, strict=True
            ):
                target = Path(attention_dir, beside(path, '.png'))
                target.parent.mkdir(parents=True, exist_ok=True)
                both = np.hstack((to_array(picture), colours))
                Image.fromarray(both).save(target)
    if not paths:
        raise ValueError(f'no picture of {data_root} could be read')
    arrays = {name: rows.rows().numpy() for name, rows in found.items()}
    # Another may have written there in the meantime.
    check_output(out, file=True)
    with open_atomic(out) as file:
        np.savez(file, paths=np.array(paths), **arrays)  # type: ignore[arg-type]
    return len(paths)


class _Readable(Dataset):
    """Samples of a folder with their names, None for unreadable ones."""

    def __init__(self, pictures: PictureFolder) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, str] | None:
        try:
            sample = self.pictures[index]
        except UnreadablePictureError as error:
            print_log(f'left out: {error}')
            return None
        return sample['inputs'], self.pictures.name(index)


def _collate_readable(
    samples: list[tuple[Tensor, str] | None],
) -> tuple[Tensor, list[str]]:
    """Batch what could be read: ``(B, C, H, W)``, and names."""
    kept = [sample for sample in samples if sample is not None]
    if not kept:
        return torch.empty(0), []
    inputs = default_collate([picture for picture, _ in kept])
    return inputs, [path for _, path in kept]
