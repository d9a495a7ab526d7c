"""Masked methods that predict what a frozen teacher sees."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from .colours import in_colours
from .masked_method import MaskedMethod


class TeacherMethod(MaskedMethod):
    """A masked method with a teacher of whole pictures.

    The teacher is no part of the module: no optimizer, state dict, average
    or gradient bucket has it. Its digest is a small buffer, so that a run
    goes on with the teacher that it had.

    Args:
        backbone: The encoder, a :class:`MaskedViT` with ``mask_token=True``
            unless the method drops masked patches.
        teacher: A :class:`FrozenTeacher`.
        head: What turns predictions and targets into losses.
        mask_sampler: Chooses the masked patches; see ``mask_samplers``.
        neck: The decoder; None has none.
        data_preprocessor: Normalises pictures on the device.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If the encoder has no mask token where one is needed, or
            the mask ratio leaves no patch visible.
    """

    #: Whether a token stands in the place of masked patches.
    needs_mask_token: ClassVar[bool] = True
    may_be_new: ClassVar[tuple[str, ...]] = (
        *('neck.', 'head.', 'backbone.mask_token', 'teacher_digest'),
    )

    teacher_digest: Tensor

    def __init__(
        self,
        backbone: dict,
        teacher: dict,
        head: dict,
        mask_sampler: dict = dict(type='RandomMaskSampler', mask_ratio=0.4),
        neck: dict | None = None,
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
        if self.needs_mask_token and self.backbone.mask_token is None:
            raise ValueError(
                f'{type(self).__name__} puts a token in the place of masked '
                'patches: set model.backbone.mask_token=True'
            )
        self._pixels = data_preprocessor or {}
        channels = self.backbone.patch_embed.projection.in_channels
        mean = self._pixels.get('mean') or [0.0] * channels
        std = self._pixels.get('std') or [1.0] * channels
        built = MODELS.build(
            teacher,
            default_args=dict(
                grid=self.backbone.patch_resolution,
                img_size=self.backbone.img_size,
                pixels=(mean, std),
            ),
        )
        # In a tuple it is nobody's submodule, whatever it is.
        self._teacher = (built,)
        digest = torch.zeros(32, dtype=torch.uint8)
        self.register_buffer('teacher_digest', digest)
        self.register_load_state_dict_pre_hook(_keep_digest)

    @property
    def teacher(self) -> Any:
        """The teacher."""
        return self._teacher[0]

    def loss(
        self, inputs: Tensor, data_samples: list[DataSample]
    ) -> dict[str, Tensor]:
        """One training step's losses.

        Args:
            inputs: Normalised pictures, ``(B, C, H, W)``.
            data_samples: One a picture; a ``mask_noise`` field ``(L,)`` in
                them, in [0, 1), replaces the noise drawn here.

        Returns:
            The head's.
        """
        noise = self.mask_noise(inputs, data_samples)
        tokens = self.backbone.embed(inputs)
        ids = self.mask_sampler(self.scores(tokens), noise)
        encoded = self.backbone.encode(tokens, mask=ids.mask)
        return self.head.loss(encoded, self.teacher(inputs), ids)

    def before_training(self, trust: bool = False) -> None:
        """Read the teacher, see the parent."""
        if self.backbone.patch_embed.projection.in_channels == len(
            'RGB'
        ) and not self._pixels.get('bgr_to_rgb', self._pixels.get('to_rgb')):
            raise ValueError(
                'the teacher sees RGB, and the pictures are read as BGR: set '
                'data_preprocessor.bgr_to_rgb=True'
            )
        self.teacher.prepare(trust)
        self.check_teacher()
        digest = torch.frombuffer(
            bytearray(self.teacher.digest), dtype=torch.uint8
        )
        self.teacher_digest.copy_(digest)

    def check_teacher(self) -> None:
        """Refuse a teacher, once it is read, that does not fit.

        Raises:
            ValueError: Naming what to set.
        """
        self.head.check_teacher(self.teacher)

    def check_resume(
        self, state: Mapping[str, Tensor], settings: Mapping[str, str]
    ) -> None:
        """Refuse a run of another teacher, see the parent."""
        was, now = (
            bytes(part.get('teacher_digest', torch.zeros(0)).tolist()).hex()
            for part in (state, self.state_dict())
        )
        if was != now:
            before = settings.get('model.teacher.checkpoint', 'a teacher')
            raise ValueError(
                f'it learnt from {before} (SHA-256 {was[:12]}), and here the '
                f'teacher is {self.teacher.name} ({now[:12]}): give that one '
                'by --teacher, or start from these weights with this one: '
                '--pretrained, another --work-dir'
            )

    def facts(self) -> dict[str, str]:
        """The teacher's digest, see the parent."""
        return {'the teacher (SHA-256)': self.teacher.digest.hex()[:12]}

    @torch.no_grad()
    def panel(self, inputs: Tensor, seed: int) -> dict[str, Tensor]:
        """Attention, mask, and the teacher's and predicted features.

        These as the three main directions of the teacher's, in colours;
        predicted ones of a method that puts tokens in the masked places.
        """
        tokens = self.backbone.embed(inputs)
        scores, ids = self.draw_mask(tokens, seed)
        hidden = self.hidden_pixels(ids.mask, inputs.shape[-2:])
        features = dict(teacher=self.teacher(inputs).patches)
        if self.needs_mask_token and self.head.predict is not None:
            encoded = self.backbone.encode(tokens, mask=ids.mask)
            features['predicted'] = self.head.predict(encoded[:, 1:]).float()
        return dict(
            attention=scores, masked=inputs * (1 - hidden)
        ) | in_colours(inputs, features)


def _keep_digest(
    module: TeacherMethod, state: dict, prefix: str, *args: Any
) -> None:
    """The digest is of the teacher that is here, whatever a file says."""
    name = f'{prefix}teacher_digest'
    if name in state:
        state[name] = module.teacher_digest
