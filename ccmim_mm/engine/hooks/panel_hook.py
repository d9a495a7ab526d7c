"""Pictures of what a run hides, attends to and reconstructs."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.utils import get_ori_model
from PIL import Image

from ...evaluation import undisturbed
from ...models import PretrainMethod
from ...visualization import as_rgb, draw_panel
from .looking import at_whole_model, pictures_to_look_at


@HOOKS.register_module()
class PanelHook(Hook):
    """Draw a panel of fixed pictures before training and while it runs.

    What it shows is the method's ``panel``. The panels go to ``panels/`` in
    the work dir and to the visualizer, that is to TensorBoard or W&B where
    those are set up. The training's random numbers and BatchNorm statistics
    are not touched. What cannot be drawn is left out, and the log says so.

    Args:
        dataset: Where the pictures come from.
        interval: Epochs between panels; the last epoch is always drawn, and
            with None or 0 it alone.
        num_pictures: Pictures, spread evenly over the dataset.
        seed: Seed of the masks, the same in every panel.
        channels: Those of pictures that are no RGB to show as red, green and
            blue; None is the first three, or the first alone.
    """

    def __init__(
        self,
        dataset: dict,
        interval: int | None = 10,
        num_pictures: int = 6,
        seed: int = 0,
        channels: Sequence[int] | None = None,
    ) -> None:
        self.dataset = dataset
        self.interval = interval
        self.num_pictures = num_pictures
        self.seed = seed
        self.channels = channels
        self.batch: dict | None = None

    def before_train(self, runner) -> None:
        """Load the pictures and draw the untrained model."""
        self.batch, _ = pictures_to_look_at(
            runner, 'panels', self.dataset, self.num_pictures, self.seed
        )
        if runner.iter == 0:
            self.draw(runner, 0)

    def after_train_epoch(self, runner) -> None:
        """Draw every ``interval`` epochs and after the last."""
        epoch = runner.epoch + 1
        due = self.interval and epoch % self.interval == 0
        if due or epoch == runner.max_epochs:
            self.draw(runner, epoch)

    def draw(self, runner, epoch: int) -> None:
        """Draw one panel, if the method has one; all processes are to."""
        at_whole_model(runner, 'panel', self._draw, epoch)

    def _draw(self, runner, epoch: int) -> None:
        if self.batch is None:
            return
        model = get_ori_model(runner.model)
        panel = {}
        with undisturbed(model):
            inputs = model.data_preprocessor(self.batch, False)['inputs']
            if isinstance(model, PretrainMethod):
                panel = model.panel(inputs, self.seed)
        if not panel:
            if epoch == 0:
                name = type(model).__name__
                runner.logger.info(f'No panels: {name} has nothing to show')
            return
        drawn = draw_panel(
            as_rgb(
                dict(picture=inputs) | panel,
                model.data_preprocessor,
                self.channels,
            )
        )
        folder = Path(runner.work_dir, 'panels')
        folder.mkdir(exist_ok=True)
        Image.fromarray(drawn).save(folder / f'epoch_{epoch:04d}.png')
        runner.visualizer.add_image('panel', drawn, step=runner.iter)
