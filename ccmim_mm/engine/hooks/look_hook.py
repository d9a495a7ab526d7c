"""Pages of what a run has learned, while it runs."""

from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.utils import get_ori_model

from ...datasets.tars.backend import plain_path
from ...evaluation import undisturbed
from ...files import printable
from ...look import Shown, view_of, write_page
from ...look.pictures import only
from ...visualization import as_rgb
from .looking import at_whole_model, pictures_to_look_at


@HOOKS.register_module()
class LookHook(Hook):
    """Write a page, as ``ccmim look`` does, of the same pictures each time.

    The pages go to ``look/`` in the work dir. The training's random numbers
    and BatchNorm statistics are not touched; what cannot be written is left
    out, and the log says so.

    Args:
        dataset: Where the pictures come from.
        interval: Epochs between pages; None writes after the last alone, as
            does a training that counts iterations.
        num_pictures: Pictures to look into, spread evenly over the dataset.
        num_neighbours: Pictures to find neighbours among.
        seed: Seed of the masks, the same in every page.
    """

    def __init__(
        self,
        dataset: dict,
        interval: int | None = None,
        num_pictures: int = 24,
        num_neighbours: int = 300,
        seed: int = 0,
    ) -> None:
        self.dataset = dataset
        self.interval = interval
        self.num_pictures = num_pictures
        self.num_neighbours = max(num_pictures, num_neighbours)
        self.seed = seed
        self.batch: dict | None = None
        self.total = 0
        #: The iteration of the last page.
        self.written: int | None = None

    def before_train(self, runner) -> None:
        """Load the pictures."""
        self.batch, self.total = pictures_to_look_at(
            runner, 'pages', self.dataset, self.num_neighbours, self.seed
        )

    def after_train_epoch(self, runner) -> None:
        """Write every ``interval`` epochs, if there is one."""
        epoch = runner.epoch + 1
        if self.interval and epoch % self.interval == 0:
            self.write(runner, epoch)

    def after_train(self, runner) -> None:
        """Write after the last epoch."""
        if self.written != runner.iter:
            # Counted in iterations, all of it is one epoch.
            self.write(runner, runner.epoch or 1)

    def write(self, runner, epoch: int) -> None:
        """Write one page; all processes are to."""
        self.written = runner.iter
        at_whole_model(runner, 'page', self._write, epoch)

    def _write(self, runner, epoch: int) -> None:
        if (batch := self.batch) is None:
            return
        paths = [Path(plain_path(s.img_path)) for s in batch['data_samples']]
        root = Path(runner.cfg.get('data_root') or '.')
        names = [
            p.relative_to(root) if p.is_relative_to(root) else p for p in paths
        ]
        others = Shown(
            names=[printable(str(name)) for name in names],
            classes=[printable(name.parent.name) for name in names],
            paths=[sample.img_path for sample in batch['data_samples']],
            total=self.total,
        )
        rows = torch.linspace(
            0, len(paths) - 1, min(self.num_pictures, len(paths))
        ).int()
        model = get_ori_model(runner.model)
        with undisturbed(model):
            inputs = model.data_preprocessor(batch, False)['inputs']
            name = f'{Path(runner.work_dir).name}, epoch {epoch}'
            view = view_of(
                model, printable(name), inputs[rows], inputs, seed=self.seed
            )
            thumbs = as_rgb(dict(picture=inputs), model.data_preprocessor)
        folder = Path(runner.work_dir, 'look')
        folder.mkdir(exist_ok=True)
        shown = only(others, rows.tolist())
        out = folder / f'epoch_{epoch:04d}.html'
        write_page(
            out, view['name'], [view], shown, others, thumbs['picture'].cpu()
        )
