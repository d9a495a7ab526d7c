"""Features and attention of a folder of pictures, from a frozen encoder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS, MODELS
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from ..datasets import UnreadablePictureError
from ..engine.checkpoint import load_pretrained, read_state_dict
from ..engine.converters import convert, detect_format
from ..models import CCMIM
from ..visualization.panel import to_picture

FEATURES = ('cls', 'mean', 'patches')


def extract_features(
    cfg: Config,
    checkpoint: str,
    data_root: str,
    out: str,
    features: Sequence[str] = FEATURES[:2],
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
        features: Which of :data:`FEATURES`.
        attention_dir: Also write each picture beside its CLS attention,
            PNG, into this folder; None writes none.
        batch_size: Pictures at a time.
        num_workers: Processes that load them.

    Returns:
        The number of pictures encoded.

    Raises:
        FileNotFoundError: If folder or checkpoint are missing.
        FileExistsError: If ``out`` exists.
        ValueError: If the checkpoint does not fit.
    """
    if Path(out).exists():
        raise FileExistsError(f'{out} exists and is left untouched')
    device = get_device()
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = build_encoder(cfg, checkpoint).to(device)
        pictures = _Readable(_dataset(cfg, data_root))
    loader = DataLoader(
        pictures,
        batch_size,
        num_workers=num_workers,
        collate_fn=_collate_readable,
    )
    paths: list[str] = []
    found: dict[str, list[Tensor]] = {name: [] for name in features}
    for batch, names in loader:
        if not names:
            continue
        paths += [str(Path(name).relative_to(data_root)) for name in names]
        inputs = model.data_preprocessor(batch, False)['inputs']
        _encode(model, inputs, found)
        if attention_dir is not None:
            scores = model.backbone.score(model.backbone.embed(inputs))
            for i, path in enumerate(paths[-len(names) :]):
                target = Path(attention_dir, path).with_suffix('.png')
                write_attention(batch['inputs'][i], scores[i], target)
    if not paths:
        raise ValueError(f'no picture of {data_root} could be read')
    arrays = {k: torch.cat(v).numpy() for k, v in found.items()}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with open(out, 'xb') as file:
        np.savez(file, paths=np.array(paths), **arrays)  # type: ignore[arg-type]
    return len(paths)


def build_encoder(cfg: Config, checkpoint: str) -> CCMIM:
    """The model of a pre-training config with a checkpoint's encoder.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken or does not fill the encoder.
    """
    model = MODELS.build(
        dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
    )
    state = read_state_dict(checkpoint)
    state = convert(state, detect_format(state), 'project').state
    print_log(f'{checkpoint}: {load_pretrained(model, state)}')
    return model.eval()


def write_attention(picture: Tensor, scores: Tensor, target: Path) -> None:
    """Write a picture beside the attention to its patches.

    Args:
        picture: BGR, ``(3, H, W)``, in [0, 255].
        scores: ``(L,)``; stretched to the full colour range.
        target: The file to write.
    """
    scores = scores - scores.min()
    scores = scores / scores.max().clamp(min=1e-12)
    heat = to_picture(scores[None], picture.shape[-1])
    colours = colormaps['viridis'](heat[0, 0].cpu().numpy())[..., :3] * 255
    rgb = picture.flip(0).permute(1, 2, 0).cpu().numpy()
    target.parent.mkdir(parents=True, exist_ok=True)
    both = np.concatenate((rgb, colours), axis=1).astype(np.uint8)
    Image.fromarray(both).save(target)


@torch.no_grad()
def _encode(
    model: CCMIM, inputs: Tensor, found: dict[str, list[Tensor]]
) -> None:
    """Append a batch's features, on the CPU."""
    tokens = model.extract_feat(inputs)[0].float().cpu()
    values = dict(
        cls=tokens[:, 0], mean=tokens[:, 1:].mean(1), patches=tokens[:, 1:]
    )
    for name, parts in found.items():
        parts.append(values[name])


def _dataset(cfg: Config, data_root: str) -> Dataset:
    """The folder under the config's evaluation pipeline."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    return DATASETS.build(
        dict(type='PictureFolder', data_root=data_root, pipeline=pipeline)
    )


class _Readable(Dataset):
    """Samples of a dataset with their paths, None for unreadable ones."""

    def __init__(self, pictures: Dataset) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Tensor, str] | None:
        try:
            sample = self.pictures[index]
        except UnreadablePictureError as error:
            print_log(f'left out: {error}')
            return None
        return sample['inputs'], sample['data_samples'].img_path


def _collate_readable(
    samples: list[tuple[Tensor, str] | None],
) -> tuple[dict, list[str]]:
    """Batch what could be read: ``inputs`` ``(B, 3, H, W)``, and paths."""
    kept = [sample for sample in samples if sample is not None]
    if not kept:
        return {}, []
    inputs = default_collate([picture for picture, _ in kept])
    # mmpretrain's preprocessor wants two values.
    return dict(inputs=inputs, data_samples=None), [path for _, path in kept]
