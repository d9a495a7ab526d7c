"""Every method's checkpoint is a plain ViT's, for any model of mmpretrain."""

import copy

import pytest
import torch
from conftest import TINY, build
from contrastive_models import model_cfg
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS
from teacher_cases import IMAE, MIMCO, batch, method, save_mae, save_teacher

from ccmim_mm.checkpoints import heads_of
from ccmim_mm.models.loading import load_pretrained

NO_ALIGNMENT = dict(
    align_head=None,
    mask_sampler=dict(type='RandomMaskSampler', mask_ratio=0.75),
)

#: By name, from a folder in which a teacher may be written.
METHODS = {
    'ccmim': lambda folder: build(copy.deepcopy(TINY)),
    'mae': lambda folder: build(copy.deepcopy(TINY) | NO_ALIGNMENT),
    'maskdistill': lambda folder: method(save_teacher(folder)[0]),
    'mimco': lambda folder: method(save_teacher(folder)[0], **MIMCO),
    # Not what it has of its teacher.
    'imae': lambda folder: method(
        save_mae(folder)[0], **IMAE | dict(from_teacher=False)
    ),
    'mocov3': lambda folder: build(model_cfg('mocov3')),
    'simclr': lambda folder: build(model_cfg('simclr')),
}


@pytest.mark.parametrize('name', METHODS)
def test_the_encoder_goes_into_a_classifier(name, tmp_path):
    model = METHODS[name](tmp_path).eval()
    heads = heads_of(model.backbone)
    (count,) = {*heads.values()}
    torch.manual_seed(1)
    classifier = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(
                type='VisionTransformer',
                arch=dict(
                    embed_dims=32,
                    num_layers=len(heads),
                    num_heads=count,
                    feedforward_channels=model.backbone.layers[
                        0
                    ].ffn.feedforward_channels,
                ),
                img_size=32,
                patch_size=8,
                out_type='raw',
            ),
        )
    ).eval()
    assert type(classifier.backbone) is VisionTransformer
    account = load_pretrained(
        classifier, model.state_dict(), heads=heads_of(model)
    )
    assert account.heads and not account.unexplained and not account.new
    assert {*account.unused} <= {'mask_token'}
    images, _ = batch(2)
    (tokens,) = classifier.extract_feat(images)
    found = model.features(images)
    torch.testing.assert_close(found['cls'], tokens[:, 0])
    torch.testing.assert_close(found['mean'], tokens[:, 1:].mean(1))
