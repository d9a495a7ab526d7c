"""Whether masks follow the attention, and where the attention lies."""

import math

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS
from mmpretrain.utils import get_ori_model
from torch import Tensor

from ...evaluation import (
    effective_rank,
    feature_std,
    object_cover,
    on_object,
)
from ...models import CCMIM, top_masked_share
from ..runner.undisturbed import undisturbed
from .fixed_pictures import load_fixed_pictures


@HOOKS.register_module()
class MaskAnalysisHook(Hook):
    """Measure attention, masks and features with every evaluation.

    On fixed pictures, without touching the training's random numbers or
    BatchNorm statistics:

    - ``score_std``: standard deviation of the scores over a picture's
      patches; the release's noise has 0.289;
    - ``top_masked``: share of the most attended patches that are masked
      (see :func:`ccmim_mm.models.top_masked_share`);
    - ``std_cls, std_mean, rank_cls, rank_mean``: spread and effective rank
      of the features;
    - with label maps (:class:`LoadLabelMap` in the pipeline)
      ``object_share`` of the patches, ``object_attention`` and
      ``object_masked``: the share of the attention, and of what is masked,
      on the object. Equal to the first they show no preference.

    The results are logged, and kept with their iteration as
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
        self.batch = load_fixed_pictures(
            self.dataset, self.num_pictures, self.seed
        )
        samples = self.batch['data_samples']
        if 'gt_seg_map' in samples[0]:
            # On all ranks, so that maps that do not fit stop all of them.
            maps = [torch.as_tensor(s.gt_seg_map).squeeze() for s in samples]
            grid = math.isqrt(get_ori_model(runner.model).num_patches)
            self.cover = object_cover(torch.stack(maps), grid)

    @master_only
    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        """Measure, log and remember."""
        if self.batch is None:
            return
        model = get_ori_model(runner.model)
        with undisturbed(model):
            measures = self.measure(model)
        runner.visualizer.add_scalars(measures, step=runner.iter)
        runner.logger.info(
            'Attention and masks  '
            + '  '.join(f'{k}: {v:.3f}' for k, v in measures.items())
        )
        hub = runner.message_hub
        history = hub.runtime_info.get('mask_analysis', [])
        point = dict(iter=runner.iter, **measures)
        hub.update_info('mask_analysis', [*history, point])

    def measure(self, model: CCMIM) -> dict[str, float]:
        """All measures of a model in evaluation mode."""
        batch = model.data_preprocessor(self.batch, False)
        inputs = batch['inputs'].split(128)
        tokens = torch.cat([model.extract_feat(x)[0] for x in inputs])
        scores = torch.cat(
            [model.backbone.score(model.backbone.embed(x)) for x in inputs]
        )
        generator = torch.Generator().manual_seed(self.seed)
        shape = (self.draws * len(scores), scores.shape[1])
        noise = torch.rand(shape, generator=generator).to(scores.device)
        repeated = scores.repeat(self.draws, 1)
        mask = model.mask_sampler(repeated, noise).mask
        cls, mean = tokens[:, 0], tokens[:, 1:].mean(1)
        measures = dict(
            score_std=scores.std(1, correction=0).mean().item(),
            top_masked=top_masked_share(repeated, mask).item(),
            std_cls=feature_std(cls),
            std_mean=feature_std(mean),
            rank_cls=effective_rank(cls),
            rank_mean=effective_rank(mean),
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
