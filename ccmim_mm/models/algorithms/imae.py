"""i-MAE: two pictures out of one masked mixture."""

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...checkpoints.load import load
from ..loading import into_method
from ..task_modules import MaskIndices
from .base import Curve
from .teacher_method import TeacherMethod

#: The share of a picture in the mixtures that a panel shows; chosen here.
_SHOWN = 0.7


@MODELS.register_module()
class IMAE(TeacherMethod):
    """A MAE of mixtures, with a latent for each of the two pictures.

    After "i-MAE: Are Latent Representations in Masked Autoencoders Linearly
    Separable?" (arXiv 2210.11470) and its release. With x1, x2 two pictures,
    s their share, uniform in [0, 1), and E the encoder of what is visible,

        z = E(s x1 + (1 - s) x2),   l_sub = W_sub z,   l_dom = W_dom z,

    sub the picture of the smaller coefficient and dom the other; one decoder
    predicts the masked pixels of each from its latent, and each latent is
    drawn to what a frozen MAE makes of its own picture behind the same mask:

        L = sum over both of MSE(D(l), x) + MSE(l, T(x)).

    The release shows the teacher the mixture, which leaves its two latents
    nothing to take apart (it does not run as it is); that it sees each
    picture by itself is chosen here, as is the order at s = 1/2: there x2 is
    subordinate.

    Args:
        backbone: The encoder, a :class:`MaskedViT`.
        neck: The decoder, a :class:`MaskedPretrainDecoder`; its first linear
            map becomes ``embed_sub`` and ``embed_dom``.
        head: The reconstruction head, a :class:`MaskedPretrainHead`. The
            release predicts pixels as they are (``norm_pix=False``).
        teacher: A :class:`MAETeacher`.
        mask_sampler: Chooses the masked patches; see ``mask_samplers``.
        per_picture: Draw a share for each pair, and not one for all of a
            step, as released (chosen here).
        from_teacher: Start encoder, decoder and both linear maps from the
            teacher, as released.
        data_preprocessor: Normalises pictures on the device.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If encoder, decoder and head disagree on the patches, or
            the mask ratio leaves no patch visible.
    """

    views = 2
    needs_mask_token = False
    may_be_new = ('embed_sub.', 'embed_dom.', 'neck.', 'teacher_digest')
    # Of a MAE's decoder; here it is two.
    starts_anew = ('neck.decoder_embed.',)
    curves = (
        Curve('reconstruction', 'MSE', ('loss_rec_sub', 'loss_rec_dom')),
        Curve('distillation', 'MSE', ('loss_dist_sub', 'loss_dist_dom')),
        Curve(
            'latents nearer to their own picture',
            'share',
            ('ident_sub', 'ident_dom'),
        ),
    )

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        teacher: dict,
        mask_sampler: dict = dict(type='RandomMaskSampler', mask_ratio=0.75),
        per_picture: bool = False,
        from_teacher: bool = True,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            teacher=teacher,
            head=head,
            mask_sampler=mask_sampler,
            neck=neck,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self._check_decoder()
        self.per_picture = per_picture
        self.from_teacher = from_teacher
        self.embed_dom = embed = self.neck.decoder_embed
        self.embed_sub = nn.Linear(embed.in_features, embed.out_features)
        self.neck.decoder_embed = nn.Identity()

    def loss(  # type: ignore[override]
        self, inputs: list[Tensor], data_samples: list[DataSample]
    ) -> dict[str, Tensor]:
        """One training step's losses.

        Args:
            inputs: The first and the second pictures, normalised,
                ``(B, C, H, W)`` each, as :class:`PicturePairs` has them.
            data_samples: One a pair; a ``mask_noise`` field ``(L,)`` in
                them, uniform in [0, 1), replaces the noise drawn here.

        Returns:
            ``loss_rec_sub``, ``loss_rec_dom``, ``loss_dist_sub`` and
            ``loss_dist_dom``, whose sum is the objective; ``ident_sub`` and
            ``ident_dom`` for the log, see :func:`identified`.

        Raises:
            TypeError: If the pictures are no pairs.
        """
        if isinstance(inputs, Tensor) or len(inputs) != 2:
            raise TypeError(
                'i-MAE mixes two pictures and got no pairs: set '
                "train_dataloader.dataset.dataset.type='PicturePairs'"
            )
        first, second = inputs
        noise = self.mask_noise(first, data_samples)

        # 1. Mix. 2. See which is which.
        share = self.draw_share(first)
        leads = share >= 0.5
        pictures = dict(
            sub=torch.where(leads, second, first),
            dom=torch.where(leads, first, second),
        )
        tokens = self.backbone.embed(share * first + (1 - share) * second)

        # 3. Mask and encode the mixture, and take it apart.
        ids = self.mask_sampler(self.scores(tokens), noise)
        latents = self.latents(tokens, ids.ids_visible)

        # 4. Decode both, and ask the teacher of each picture by itself.
        both = MaskIndices(*(part.repeat(2, 1) for part in ids))
        decoded = self.neck.decode(torch.cat([*latents.values()]), both)
        seen = self.teacher.latents(
            torch.cat([*pictures.values()]), both.ids_visible
        )
        predictions = dict(zip(pictures, decoded.chunk(2), strict=True))
        targets = dict(zip(pictures, seen.chunk(2), strict=True))

        losses = {}
        for name, other in (('sub', 'dom'), ('dom', 'sub')):
            latent, target = latents[name].float(), targets[name]
            losses[f'loss_rec_{name}'] = self.head.loss(
                predictions[name], pictures[name], ids
            )
            losses[f'loss_dist_{name}'] = F.mse_loss(latent, target)
            losses[f'ident_{name}'] = identified(
                latent, target, targets[other]
            )
        return losses

    def draw_share(self, pictures: Tensor) -> Tensor:
        """How much of each first picture there is in a step's mixtures.

        Args:
            pictures: ``(B, C, H, W)``.

        Returns:
            ``(B, 1, 1, 1)`` or, one for all, ``(1, 1, 1, 1)``, in [0, 1).
        """
        count = len(pictures) if self.per_picture else 1
        return torch.rand(count, 1, 1, 1, device=pictures.device)

    def latents(
        self, tokens: Tensor, keep: Tensor | None = None
    ) -> dict[str, Tensor]:
        """A mixture's latents of both pictures.

        Args:
            tokens: All embedded patches of mixtures, ``(B, L, C)``.
            keep: Indices of those to encode, ``(B, n)``; None keeps all.

        Returns:
            ``sub`` and ``dom``, in this order, ``(B, n + 1, D)`` each, CLS
            first.
        """
        encoded = self.backbone.encode(tokens, keep)
        return dict(sub=self.embed_sub(encoded), dom=self.embed_dom(encoded))

    def branch_latents(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Both latents of patches, none of them masked, see the parent."""
        sub, dom = self.latents(self.backbone.embed(inputs)).values()
        return sub[:, 1:], dom[:, 1:]

    def before_training(self, trust: bool = False) -> None:
        """Read the teacher and start from it, see the parent."""
        super().before_training(trust)
        if self.teacher.weights is not None:
            # Here already, so that what does not fit is refused.
            self._start()

    def init_weights(self) -> None:
        """Initialise as MAE does, and from the teacher if it is read."""
        super().init_weights()
        if self.teacher.weights is not None:
            self._start()
            self.teacher.weights = None

    def _start(self) -> None:
        """Take what the teacher's file has.

        Raises:
            ValueError: If it is of another size.
        """
        if not self.from_teacher:
            return
        state, heads, *_ = self.teacher.weights
        state = dict(state)
        for part in ('weight', 'bias'):
            value = state.pop(f'neck.decoder_embed.{part}')
            state[f'embed_sub.{part}'] = state[f'embed_dom.{part}'] = value
        policy = into_method(self)._replace(
            remedy=' model.from_teacher=False starts without it'
        )
        name = self.teacher.name
        try:
            account = load(self, state, policy, heads=heads)
        except ValueError as error:
            raise ValueError(f'to start from {name}: {error}') from None
        print_log(f'Starts from {name}: {account}', 'current')

    @property
    def starts_from(self) -> str | None:
        """The teacher, see the parent."""
        return self.teacher.name if self.from_teacher else None

    def check_teacher(self) -> None:
        """Refuse latents of another width, see the parent."""
        width = self.embed_dom.out_features
        if self.teacher.latent_width != width:
            raise ValueError(
                f'the teacher {self.teacher.name} has latents of '
                f'{self.teacher.latent_width} channels and the decoder is '
                f'{width} wide: set model.neck.decoder_embed_dim='
                f'{self.teacher.latent_width}'
            )

    @torch.no_grad()
    def panel(self, inputs: Tensor, seed: int) -> dict[str, Tensor]:
        """Mixtures with the next picture, their attention, mask, parts."""
        other = inputs.roll(-1, 0)
        mixed = _SHOWN * inputs + (1 - _SHOWN) * other
        tokens = self.backbone.embed(mixed)
        scores, ids = self.draw_mask(tokens, seed)
        hidden = self.hidden_pixels(ids.mask, inputs.shape[-2:])
        panel = dict(
            other=other,
            mixed=mixed,
            attention=scores,
            masked=mixed * (1 - hidden),
        )
        latents = self.latents(tokens, ids.ids_visible)
        for name, picture in (('dom', inputs), ('sub', other)):
            pred = self.neck.predict_all(latents[name], ids.ids_restore)
            predicted = self.head.to_pictures(pred, picture)
            if predicted is not None:
                panel[f'predicted {name}'] = predicted
        return panel


@torch.no_grad()
def identified(latent: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """How often a latent is nearer to its own picture's than to the other's.

    By the mean over the tokens of the cosine; chosen here.

    Args:
        latent: ``(B, n, D)``.
        own: The teacher's latent of its picture, ``(B, n, D)``.
        other: That of the other picture, ``(B, n, D)``.

    Returns:
        The share in [0, 1], a scalar: 1/2 if it knows neither, and for the
        subordinate picture 0 if it is what the mixture gives.
    """
    near, far = (
        F.cosine_similarity(latent, target, dim=-1).mean(1)
        for target in (own, other)
    )
    return (near > far).float().mean()
