"""ccMIM: contextual image masking modelling (ICLR 2023)."""

from contextlib import nullcontext

import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from ..task_modules import MaskIndices, sample_masked, top_masked_share
from .base import Curve
from .masked_method import MaskedMethod


@MODELS.register_module()
class CCMIM(MaskedMethod):
    """Masked image modelling with attention-chosen masks and alignment.

    Implements "Contextual Image Masking Modeling via Synergized Contrasting
    without View Augmentation for Faster and Better Visual Pretraining"
    (ICLR 2023), by the authors' release: the encoder's own CLS attention
    chooses what to hide, and the CLS token of the visible patches is aligned
    with that of the hidden ones.

    Args:
        backbone: The encoder, a :class:`MaskedViT`.
        neck: The decoder, a :class:`MaskedPretrainDecoder`.
        head: The reconstruction head, a :class:`MaskedPretrainHead`.
        mask_sampler: Chooses the masked patches; see ``mask_samplers``.
        align_head: The alignment head. None trains without contrast, and
            with ``RandomMaskSampler`` that is MAE.
        align_patches: How many of the masked patches, drawn at random, the
            masked branch reads. None is all of them, as released; fewer
            are an approximation that saves time (chosen here).
        masked_grad: Let the alignment's gradient into the masked branch
            too, of the keys of the own rank alone (chosen here); the release
            does not, and so needs no graph there.
        data_preprocessor: Normalises pictures on the device.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If encoder, decoder and head disagree on the patches, or
            the mask ratio leaves no patch visible, or fewer masked than
            ``align_patches``.
    """

    # An MAE checkpoint has no projector, a bare encoder no decoder.
    may_be_new = ('align_head.', 'neck.')
    spread_value, accuracy_value = 'align_std', 'align_acc'
    curves = (
        Curve('reconstruction loss', 'MSE', ('loss_rec',)),
        Curve('alignment', 'nats', ('align_ce',)),
        Curve(
            'how the alignment and the mask do',
            'share',
            ('align_acc', 'top_masked'),
        ),
    )

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        mask_sampler: dict = dict(type='AdditiveNoiseMaskSampler'),
        align_head: dict | None = None,
        align_patches: int | None = None,
        masked_grad: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            mask_sampler=mask_sampler,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.align_head = None
        if align_head is not None:
            self.align_head = MODELS.build(align_head)
        self.align_patches = align_patches
        self.masked_grad = masked_grad
        self._check_parts()

    def loss(
        self, inputs: Tensor, data_samples: list[DataSample]
    ) -> dict[str, Tensor]:
        """One training step's losses, as released.

        Args:
            inputs: Normalised pictures, ``(B, C, H, W)``.
            data_samples: One a picture; a ``mask_noise`` field ``(L,)`` in
                them, uniform in [0, 1), replaces the noise drawn here.

        Returns:
            ``loss_rec`` and ``loss_align``, weighted: their sum is the
            objective; ``align_ce``, ``align_acc``, ``align_std`` and
            ``top_masked`` (see :func:`top_masked_share`) for the log.
        """
        noise = self.mask_noise(inputs, data_samples)
        losses = {}

        # 1. Embed. 2. Score with the current encoder. 3. Select.
        tokens = self.backbone.embed(inputs)
        scores = self.scores(tokens)
        ids = self.mask_sampler(scores, noise)
        if scores is not None:
            losses['top_masked'] = top_masked_share(scores, ids.mask)

        # 4. Encode both halves with the same weights. 5. Reconstruct.
        visible = self.backbone.encode(tokens, ids.ids_visible)
        pred = self.neck(visible, ids)
        losses['loss_rec'] = self.head.loss(pred, inputs, ids)

        # 6. Align; as released the masked half has no gradient, so no graph.
        if self.align_head is not None:
            ids_masked = sample_masked(ids, self.align_patches)
            with nullcontext() if self.masked_grad else torch.no_grad():
                masked_cls = self.backbone.encode_cls(tokens, ids_masked)
            losses |= self.align_head.loss(visible[:, 0], masked_cls)
        return losses

    def check_batch(self, batch_size: int) -> None:
        """Refuse a batch that the alignment cannot learn from."""
        if self.align_head is not None:
            self.align_head.check_batch(batch_size)

    @torch.no_grad()
    def predict_pictures(
        self, inputs: Tensor, tokens: Tensor, ids: MaskIndices
    ) -> Tensor | None:
        """What the decoder makes of the visible patches, see the parent."""
        visible = self.backbone.encode(tokens, ids.ids_visible)
        pred = self.neck.predict_all(visible, ids.ids_restore)
        return self.head.to_pictures(pred, inputs)

    def panel(self, inputs: Tensor, seed: int) -> dict[str, Tensor]:
        """Attention, mask, prediction and features, see the parent."""
        scores, mask, images = self.explain(inputs, seed)
        hidden = self.hidden_pixels(mask, inputs.shape[-2:])
        panel = dict(attention=scores, masked=inputs * (1 - hidden))
        if images is not None:
            panel['predicted'] = images
            panel['pasted'] = inputs * (1 - hidden) + images * hidden
        return panel | super().panel(inputs, seed)

    def _check_parts(self) -> None:
        """Refuse parts that do not fit, naming the fix."""
        self._check_decoder()
        patches = self.num_patches
        masked = patches - self.mask_sampler.num_visible(patches)
        if self.align_patches not in (None, *range(1, masked + 1)):
            raise ValueError(
                f'model.align_patches={self.align_patches}, but '
                f'{masked} of {patches} patches are masked: set it to None '
                f'or from 1 to {masked}'
            )
