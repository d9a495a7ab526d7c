"""Whether masks follow the attention, and where the attention lies."""

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.utils import get_ori_model
from torch import Tensor

from ...evaluation import (
    effective_rank,
    feature_std,
    object_cover,
    on_object,
    undisturbed,
)
from ...models import MaskedMethod, features_of, top_masked_share
from ..console import FILE_ONLY
from ..points import remember
from .looking import at_whole_model, optional, pictures_to_look_at


@HOOKS.register_module()
class MaskAnalysisHook(Hook):
    """Measure attention, masks and features with every evaluation.

    On fixed pictures, without touching the training's random numbers or
    BatchNorm statistics. Of any model, by the features that it gives:

    - ``std_cls, std_mean, rank_cls, rank_mean``: their spread and effective
      rank.

    And of a method that masks:

    - ``score_std``: standard deviation of the scores over a picture's
      patches; the ccMIM release's noise has 0.289;
    - ``top_masked``: share of the most attended patches that are masked
      (see :func:`ccmim_mm.models.top_masked_share`);
    - with label maps (:class:`LoadLabelMap` in the pipeline)
      ``object_share`` of the patches, ``object_attention`` and
      ``object_masked``: the share of the attention, and of what is masked,
      on the object. Equal to the first they show no preference.

    What cannot be measured is left out, and the log says so. The results
    are logged, and kept with their iteration as
    ``mask_analysis`` in the message hub, so they outlive a resume.

    Args:
        dataset: Where the pictures come from.
        num_pictures: Pictures, spread evenly over the dataset.
        draws: Masks drawn for each.
        seed: Seed of the masks, the same every time.
    """

    def __init__(
        self,
        dataset: dict,
        num_pictures: int = 512,
        draws: int = 4,
        seed: int = 0,
    ) -> None:
        self.dataset = dataset
        self.num_pictures = num_pictures
        self.draws = draws
        self.seed = seed
        self.batch: dict | None = None
        self.cover: Tensor | None = None

    def before_train(self, runner) -> None:
        """Load the pictures, and find their objects."""
        if runner.val_loop is None:
            return
        what = 'mask analysis'
        batch, _ = pictures_to_look_at(
            runner, what, self.dataset, self.num_pictures, self.seed
        )
        if batch is not None:
            with optional(runner, what):
                self._find_objects(get_ori_model(runner.model), batch)
                self.batch = batch

    def _find_objects(self, model: torch.nn.Module, batch: dict) -> None:
        samples = batch['data_samples']
        if 'gt_seg_map' in samples[0] and isinstance(model, MaskedMethod):
            maps = [torch.as_tensor(s.gt_seg_map).squeeze() for s in samples]
            grid = model.backbone.patch_resolution
            self.cover = object_cover(torch.stack(maps), grid)

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        """Measure, log and remember; all processes are to."""
        at_whole_model(runner, 'mask analysis', self._measure)

    def _measure(self, runner) -> None:
        if self.batch is None:
            return
        model = get_ori_model(runner.model)
        with undisturbed(model):
            batch = model.data_preprocessor(self.batch, False)
            inputs = batch['inputs'].split(128)
            measures = self.measure_features(model, inputs)
            if isinstance(model, MaskedMethod):
                measures = self.measure_masks(model, inputs) | measures
        runner.visualizer.add_scalars(measures, step=runner.iter)
        runner.logger.info(
            'Attention and masks  '
            + '  '.join(f'{k}: {v:.3f}' for k, v in measures.items()),
            extra=FILE_ONLY,
        )
        remember(runner, 'mask_analysis', measures)

    def measure_features(
        self, model: torch.nn.Module, inputs: tuple[Tensor, ...]
    ) -> dict[str, float]:
        """Spread and rank of the features, of a model in evaluation mode."""
        found = [features_of(model, part) for part in inputs]
        features = {k: torch.cat([f[k] for f in found]) for k in found[0]}
        return {f'std_{k}': feature_std(v) for k, v in features.items()} | {
            f'rank_{k}': effective_rank(v) for k, v in features.items()
        }

    def measure_masks(
        self, model: MaskedMethod, inputs: tuple[Tensor, ...]
    ) -> dict[str, float]:
        """What it attends to and hides, of a method in evaluation mode."""
        scores = torch.cat([model.attention(part) for part in inputs])
        generator = torch.Generator().manual_seed(self.seed)
        shape = (self.draws * len(scores), scores.shape[1])
        noise = torch.rand(shape, generator=generator).to(scores.device)
        repeated = scores.repeat(self.draws, 1)
        mask = model.mask_sampler(repeated, noise).mask
        measures = dict(
            score_std=scores.std(1, correction=0).mean().item(),
            top_masked=top_masked_share(repeated, mask).item(),
        )
        if self.cover is not None:
            cover = self.cover.to(scores.device)
            masked = on_object(mask, cover.repeat(self.draws, 1))
            measures |= dict(
                object_share=cover.mean().item(),
                object_attention=on_object(scores, cover).mean().item(),
                object_masked=masked.mean().item(),
            )
        return measures
