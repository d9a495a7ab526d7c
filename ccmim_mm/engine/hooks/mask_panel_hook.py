"""Pictures of what a run hides, attends to and reconstructs."""

from pathlib import Path

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS
from mmpretrain.utils import get_ori_model
from PIL import Image
from torch import Tensor

from ...visualization import draw_panel
from ..runner.undisturbed import undisturbed
from .fixed_pictures import load_fixed_pictures


@HOOKS.register_module()
class MaskPanelHook(Hook):
    """Draw a panel of fixed pictures before training and while it runs.

    The panels go to ``panels/`` in the work dir and to the visualizer, that
    is to TensorBoard or W&B where those are set up. The training's random
    numbers and BatchNorm statistics are not touched.

    Args:
        dataset: Where the pictures come from.
        interval: Epochs between panels; the last epoch is always drawn.
        num_pictures: Pictures, spread evenly over the dataset.
        seed: Seed of the masks, the same in every panel.
    """

    def __init__(
        self,
        dataset: dict,
        interval: int = 10,
        num_pictures: int = 6,
        seed: int = 0,
    ) -> None:
        self.dataset = dataset
        self.interval = interval
        self.num_pictures = num_pictures
        self.seed = seed
        self.batch: dict | None = None

    def before_train(self, runner) -> None:
        """Load the pictures and draw the untrained model."""
        self.batch = load_fixed_pictures(
            self.dataset, self.num_pictures, self.seed
        )
        if runner.iter == 0:
            self.draw(runner, 0)

    def after_train_epoch(self, runner) -> None:
        """Draw every ``interval`` epochs and after the last."""
        epoch = runner.epoch + 1
        if epoch % self.interval == 0 or epoch == runner.max_epochs:
            self.draw(runner, epoch)

    @master_only
    def draw(self, runner, epoch: int) -> None:
        """Draw one panel."""
        model = get_ori_model(runner.model)
        preprocessor = model.data_preprocessor
        with undisturbed(model):
            inputs = preprocessor(self.batch, False)['inputs']
            generator = torch.Generator().manual_seed(self.seed)
            noise = torch.rand(
                len(inputs), model.num_patches, generator=generator
            )
            result = model.reconstruct(inputs, noise.to(inputs.device))

            def to_pixels(images: Tensor) -> Tensor:
                return images * preprocessor.std + preprocessor.mean

            panel = draw_panel(
                to_pixels(inputs),
                result.scores,
                result.mask,
                to_pixels(result.images),
            )
        folder = Path(runner.work_dir, 'panels')
        folder.mkdir(exist_ok=True)
        Image.fromarray(panel).save(folder / f'epoch_{epoch:04d}.png')
        runner.visualizer.add_image('mask_panel', panel, step=runner.iter)
