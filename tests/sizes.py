"""A config for pictures and patches of another size."""

import copy

import numpy as np
import torch
from mmengine.dataset import Compose
from mmpretrain.registry import MODELS

from ccmim_mm.config import set_hyperparameters
from ccmim_mm.datasets.data_root import parts
from ccmim_mm.models.algorithms import MaskedMethod

SIZE, PATCH = 120, 10


def packed(pipeline):
    """What a pipeline makes of a picture that is in memory."""
    made = [t for t in pipeline if not t.type.startswith('Load')]
    picture = np.random.default_rng(0).integers(0, 255, (70, 90, 3), np.uint8)
    return Compose(made)(
        dict(img=picture, img_shape=(70, 90), gt_seg_map=picture[..., 0])
    )


def check_another_size(before):
    """Model and pipelines agree on a size that no config has."""
    cfg = copy.deepcopy(before)
    patches = 'patch_size' in cfg.model.backbone
    set_hyperparameters(
        cfg, img_size=SIZE, patch_size=PATCH if patches else None, workers=0
    )
    model = None
    if patches:
        with torch.device('meta'):
            model = MODELS.build(cfg.model)
    found = [part.dataset for part in parts(cfg)]
    # Training, validation, test, their banks, and what a hook looks at.
    assert len(found) >= 6
    for i, dataset in enumerate(found):
        sample = packed(dataset.pipeline)
        views = sample['inputs']
        views = views if isinstance(views, list) else [views]
        for view in views:
            assert tuple(view.shape) == (3, SIZE, SIZE)
        if i == 0 and isinstance(model, MaskedMethod):
            samples = [sample['data_samples']]
            assert 'mask_noise' in samples[0]
            assert model.mask_noise(views[0][None], samples).shape == (1, 144)
    if patches:
        assert model.backbone.pos_embed.shape[1] == 145
        projection = model.backbone.patch_embed.projection
        assert projection.kernel_size == (PATCH, PATCH)
    if 'num_patches' in (cfg.model.get('neck') or {}):
        assert model.neck.decoder_pos_embed.shape[1] == 145
        assert model.neck.decoder_pred.out_features == 3 * PATCH**2
