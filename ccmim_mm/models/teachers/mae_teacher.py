"""A frozen MAE that sees pictures behind the student's masks."""

from collections.abc import Sequence

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from ...checkpoints import Weights
from ...grids import Size
from ..backbones.visible import encode_visible
from .frozen_teacher import FrozenTeacher
from .preprocess import Normalization

_EMBED = 'neck.decoder_embed.'
_KINDS = ('auto', 'project', 'mmpretrain', 'ccmim', 'mae')


@MODELS.register_module()
class MAETeacher(FrozenTeacher):
    """A MAE's encoder and the first linear map of its decoder, frozen.

    Called with whole pictures it is the parent, behind the last norm and
    without a norm of its own. Its digest is of the linear map too.

    Args:
        checkpoint: The MAE's file, with its decoder; ``--teacher`` sets it.
        kind: Its format, which its names tell (``auto``): ``project`` (or
            ``mmpretrain``), ``ccmim``, ``mae``.
        heads: Attention heads, see the parent.
        mean: Of RGB pixels in [0, 255], see the parent.
        std: Likewise.
        grid: Rows and columns of the student's patches, or one number for
            both; the method sets it.
        img_size: Size of the student's pictures, in pixels; likewise.
        pixels: ``(mean, std)`` that the student's are normalised with;
            likewise.

    Raises:
        ValueError: For a kind that has no decoder.
    """

    def __init__(
        self,
        checkpoint: str | None = None,
        kind: str = 'auto',
        heads: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        grid: Size,
        img_size: Size,
        pixels: Normalization,
    ) -> None:
        if kind not in _KINDS:
            raise ValueError(
                f'model.teacher.kind={kind!r} is none of {", ".join(_KINDS)}: '
                'the teacher is a MAE with its decoder'
            )
        super().__init__(
            checkpoint=checkpoint,
            kind=kind,
            heads=heads,
            mean=mean,
            std=std,
            final_norm=True,
            target_norm='none',
            grid=grid,
            img_size=img_size,
            pixels=pixels,
        )
        #: Once it is read, all that its file holds, by this project's names,
        #: for who starts from it; to be set to None by whoever has.
        self.weights: Weights | None = None
        #: Likewise, channels D of its latents.
        self.latent_width: int | None = None

    @torch.no_grad()
    def latents(self, inputs: Tensor, ids_visible: Tensor) -> Tensor:
        """What its decoder would be given of masked pictures.

        Args:
            inputs: Pictures as the student sees them, normalised,
                ``(B, C, H, W)`` of ``img_size``.
            ids_visible: The patches that it may see, ``(B, V)``.

        Returns:
            ``(B, V + 1, D)``, CLS first, fp32.
        """
        pictures, net = self._taken(inputs), self._network
        encoded = encode_visible(net, pictures, ids_visible)
        return net.decoder_embed(encoded).float()

    def _take(self, weights: Weights) -> None:
        found = {
            name.removeprefix(_EMBED): value
            for name, value in weights.state.items()
            if name.startswith(_EMBED)
        }
        if found.keys() != {'weight', 'bias'}:
            raise ValueError(
                "it has no decoder_embed, the first map of a MAE's decoder, "
                'whose outputs are to be predicted: take a MAE checkpoint '
                'with its decoder (of configs/mae_vit-*.py, or the official '
                'one of the pre-training)'
            )
        super()._take(weights)
        self.latent_width, width = found['weight'].shape
        embed = nn.Linear(width, self.latent_width)
        embed.load_state_dict(found)
        # Of the network, so that it goes where that goes.
        self._network.decoder_embed = embed.requires_grad_(False)
        self.digest = weights.digest(_EMBED)
        self.weights = weights
