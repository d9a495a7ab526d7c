"""What a training step of any method costs, as its config has it."""

import copy
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import Tensor, nn

from ccmim_mm.config.size_rules import height_first
from ccmim_mm.datasets.data_root import apply_data_root, leaf
from ccmim_mm.grids import as_pair
from ccmim_mm.models.data_preprocessors import OF_THE_PICTURES

from .flops import PICTURES, counting

#: Layers, heads and patch of a teacher that no file describes, by width.
TEACHERS = {
    128: (4, 4, 8),
    384: (12, 6, 16),
    768: (12, 12, 16),
    1024: (24, 16, 14),
}


class MethodStep:
    """A method with its optimizer and one synthetic batch.

    Args:
        cfg: A pre-training config. A teacher without a checkpoint gets
            random weights, and the usual size of its width.
        batch_size: Samples of the batch, each of one picture or of two.
        device: ``cpu`` or ``cuda``.

    Raises:
        ValueError: If nobody knows how large the teacher is.
    """

    def __init__(self, cfg: Config, batch_size: int, device: str) -> None:
        torch.manual_seed(0)
        # What mmpretrain's average of MoCo v3 asks for.
        MessageHub.get_current_instance().update_info('max_iters', 1000)
        with TemporaryDirectory() as folder:
            self.model: Any = MODELS.build(
                with_teacher(cfg.model, Path(folder)),
                default_args=dict(data_preprocessor=with_numbers(cfg)),
            )
            self.model.before_training()
        self.model.init_weights()
        self.model.to(device).train()
        shape = picture_shape(cfg, self.model.backbone)
        views = [
            torch.randn(batch_size, *shape, device=device)
            for _ in range(self.model.views)
        ]
        self.inputs: Any = views if len(views) > 1 else views[0]
        self.optimizer = build_optim_wrapper(self.model, cfg.optim_wrapper)

    def loss(self) -> Tensor:
        """The objective, a scalar."""
        losses = self.model(self.inputs, [], mode='loss')
        return self.model.parse_losses(losses)[0]

    def step(self) -> None:
        """One whole training step."""
        with self.optimizer.optim_context(self.model):
            loss = self.loss()
        self.optimizer.update_params(loss)


def picture_shape(cfg: Config, encoder: nn.Module) -> tuple[int, int, int]:
    """Channels, height and width in pixels of what an encoder sees.

    Args:
        cfg: A pre-training config.
        encoder: Its backbone. One without an ``img_size`` sees the crop of
            the evaluation.
    """
    size: Any = getattr(encoder, 'img_size', None)
    if size is None:
        (crop,) = (t for t in leaf(cfg, 'val').pipeline if 'crop_size' in t)
        size = height_first(crop, as_pair(crop.crop_size))
    return cfg.model.backbone.get('in_channels', 3), *as_pair(size)


def with_numbers(cfg: Config) -> ConfigDict:
    """The data preprocessor of a config, for steps that see no files.

    Costs do not depend on a mean and a spread that a run would measure.
    """
    held = copy.deepcopy(cfg.data_preprocessor)
    if OF_THE_PICTURES in (held.get('mean'), held.get('std')):
        channels = cfg.model.backbone.get('in_channels', 3)
        held.update(mean=[0.0] * channels, std=[1.0] * channels)
    return held


def with_teacher(model: ConfigDict, folder: Path) -> ConfigDict:
    """A model config whose teacher, if it has one, is there.

    Args:
        model: The config.
        folder: Where a teacher may be written to.

    Raises:
        ValueError: If nobody knows how large the teacher is.
    """
    teacher = model.get('teacher')
    if teacher is None or teacher.get('checkpoint') or teacher.get('random'):
        return model
    if teacher.get('kind') in ('pixel', 'hog'):
        return model
    model = copy.deepcopy(model)
    if teacher.type == 'MAETeacher':
        student = MODELS.build(model)
        state = {
            name.replace('embed_dom.', 'neck.decoder_embed.'): value
            for name, value in student.state_dict().items()
        }
        model.teacher.checkpoint = str(folder / 'teacher.pth')
        torch.save(dict(state_dict=state), model.teacher.checkpoint)
        model.teacher.heads = student.backbone.layers[0].attn.num_heads
        return model
    width = model.head.out_channels
    if width not in TEACHERS:
        raise ValueError(
            f'{width} channels are no usual width of a teacher: set '
            'model.teacher.random to its arch'
        )
    layers, heads, patch = TEACHERS[width]
    model.teacher.random = dict(
        embed_dims=width,
        num_layers=layers,
        num_heads=heads,
        feedforward_channels=4 * width,
        patch_size=patch,
    )
    return model


def method_cost(cfg: Config) -> dict[str, float]:
    """Parameters and FLOPs of a method, a multiply-add being two.

    Args:
        cfg: A pre-training config.

    Returns:
        ``trained`` and ``encoder``, millions of parameters; and of a
        training step for one picture ``forward`` and ``step`` (the teacher
        within), GFLOPs. The optimizer's own are left out.
    """
    method = MethodStep(cfg, PICTURES, 'cpu')
    with counting() as counter:
        loss = method.loss()
        forward = counter.get_total_flops()
        loss.backward()
        step = counter.get_total_flops()
    model = method.model
    return dict(
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad)
        / 1e6,
        encoder=sum(p.numel() for p in model.backbone.parameters()) / 1e6,
        forward=forward / PICTURES / 1e9,
        step=step / PICTURES / 1e9,
    )


class Loading:
    """Pictures as a config's training loader makes them, in this process.

    Args:
        cfg: A pre-training config.
        data: The data folder.
        batch_size: Samples of a batch.
    """

    def __init__(self, cfg: Config, data: str, batch_size: int) -> None:
        cfg = copy.deepcopy(cfg)
        cfg.data_root = data
        apply_data_root(cfg)
        loader = cfg.train_dataloader
        loader.update(
            dataset=DATASETS.build(loader.dataset),
            batch_size=batch_size,
            num_workers=0,
            persistent_workers=False,
        )
        self.loader = Runner.build_dataloader(loader, seed=0)
        self.batches: Iterator = iter(())

    def next(self) -> Any:
        """The next batch."""
        try:
            return next(self.batches)
        except StopIteration:
            self.batches = iter(self.loader)
            return next(self.batches)
