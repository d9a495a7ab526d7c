"""A frozen model whose features of whole pictures are what is predicted."""

import hashlib
from collections.abc import Sequence
from typing import Any, Literal, Self

import torch
from mmengine.registry import MODELS
from torch import Tensor

from ...checkpoints import Weights
from ...grids import Size, as_pair
from .encoder import build_encoder, random_weights, read_teacher
from .picture_targets import PatchHOG, PatchPixels
from .preprocess import Normalization, Preprocess, default_normalization
from .targets import Targets

_PICTURES: dict[str, Any] = dict(pixel=PatchPixels, hog=PatchHOG)
_NETWORKS = (
    *('auto', 'project', 'mmpretrain', 'ccmim', 'mae', 'timm', 'dino'),
    *('mocov3', 'clip_visual'),
)


@MODELS.register_module()
class FrozenTeacher:
    """Features of a plain ViT, pixels or gradients, as targets.

    No module, and so in no optimizer, state dict, average or bucket of
    gradients: it is read when the training begins (:meth:`prepare`), and
    goes to the device of the first pictures. Its size is read off the file.
    The whole design is chosen here.

    Args:
        checkpoint: The teacher's file; ``--teacher`` sets it.
        kind: Its format, which its names tell (``auto``): ``project`` (or
            ``mmpretrain``), ``ccmim``, ``mae``, ``timm``, ``dino``,
            ``mocov3``, ``clip_visual``. Or ``pixel``, the normalised pixels
            of each patch, or ``hog``, MaskFeat's gradients: no file.
        encoder: Which of a checkpoint of MoCo v3: ``online`` is the one that
            was trained, ``momentum`` its moving average.
        heads: Attention heads, which no shape tells. None takes the file's
            word, MoCo v3's own number for the official files, or the usual
            one of its width; for mmpretrain's MoCo v3 ViT-S, which has 12
            and not 6, it is needed.
        mean: Of RGB pixels in [0, 255], as the teacher was trained. None is
            CLIP's for ``clip_visual``, for a file of this project and for
            other pictures than RGB that of the run, and ImageNet's else.
        std: Likewise.
        layer: The last layer to run, from 0, or from -1 backwards.
        final_norm: Apply the norm behind the last layer.
        image_feature: What stands for a picture as a whole: the CLS token or
            the mean of the patches.
        target_norm: ``ln`` gives each vector mean 0 and variance 1 over its
            channels, without affine; ``l2`` length 1. None is ``ln`` for
            networks, and for pixels and gradients ``none``.
        norm_eps: Of its norms; None is 1e-5 for CLIP and 1e-6 else.
        quick_gelu: CLIP's activation; None is for ``clip_visual`` alone.
        random: In place of a checkpoint, a control: the arch of a network of
            random weights, the same every time, as a dict, with
            ``patch_size``.
        grid: Rows and columns of the student's patches, or one number for
            both; the method sets it.
        img_size: Size of the student's pictures, in pixels; likewise.
        pixels: ``(mean, std)`` that the student's are normalised with;
            likewise.

    Raises:
        ValueError: For a kind, encoder, feature or norm that is not known.
    """

    def __init__(
        self,
        checkpoint: str | None = None,
        kind: str = 'auto',
        encoder: Literal['online', 'momentum'] = 'online',
        heads: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        layer: int = -1,
        final_norm: bool = False,
        image_feature: Literal['cls', 'mean'] = 'cls',
        target_norm: Literal['ln', 'l2', 'none'] | None = None,
        norm_eps: float | None = None,
        quick_gelu: bool | None = None,
        random: dict | None = None,
        *,
        grid: Size,
        img_size: Size,
        pixels: Normalization,
    ) -> None:
        for name, value, known in (
            ('kind', kind, (*_NETWORKS, *_PICTURES)),
            ('encoder', encoder, ('online', 'momentum')),
            ('image_feature', image_feature, ('cls', 'mean')),
            ('target_norm', target_norm, (None, 'ln', 'l2', 'none')),
        ):
            if value not in known:
                raise ValueError(
                    f'model.teacher.{name}={value!r} is none of '
                    f'{", ".join(map(str, known))}'
                )
        self.checkpoint = checkpoint
        self.kind = kind
        self.encoder = encoder
        self.layer = layer
        self.final_norm = final_norm
        self.image_feature = image_feature
        self.random = random
        self.grid = grid
        self.img_size = as_pair(img_size)
        self.pixels = pixels
        self.own_pixels = mean, std
        self.options: dict[str, Any] = dict(
            heads=heads, norm_eps=norm_eps, quick_gelu=quick_gelu
        )
        default = 'none' if kind in _PICTURES else 'ln'
        self.target_norm = target_norm or default
        #: SHA-256 of its weights, once they are read.
        self.digest: bytes | None = None
        #: Channels D of its targets, likewise.
        self.width: int | None = None
        #: Makes the student's pictures its own, likewise.
        self.preprocess: Any = None
        self._network: Any = None
        self._device: torch.device | None = None

    def __deepcopy__(self, memo: dict) -> Self:
        """Itself: what is frozen can be shared."""
        return self

    @property
    def has_image(self) -> bool:
        """Whether it says something of a picture as a whole."""
        return self.kind not in _PICTURES

    @property
    def name(self) -> str:
        """What to call it."""
        if not self.has_image:
            return f'model.teacher.kind={self.kind}'
        return self.checkpoint or 'of random weights'

    def prepare(self, trust: bool = False) -> None:
        """Read the teacher, once.

        Args:
            trust: Let its file run code.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If none is named, or one that would not be read, or
                it cannot be read safely, is of another kind than said, is no
                plain ViT, or has heads that nobody knows.
        """
        if self._network is not None:
            return
        if self.checkpoint and (self.random or not self.has_image):
            other = 'random' if self.random else f'kind={self.kind}'
            raise ValueError(
                f'model.teacher.{other} reads no file, and {self.checkpoint} '
                f'is named too: leave --teacher out, or model.teacher.{other}'
            )
        if self.has_image:
            self._read(trust)
        else:
            self._network = _PICTURES[self.kind](self.grid)
            self.digest = hashlib.sha256(self.kind.encode()).digest()
            size, pixels = self.img_size, self.pixels
            self.preprocess = Preprocess(size, pixels, pixels)
            blank = torch.zeros(1, len(pixels[0]), *size)
            self.width = self._of_pictures(blank).shape[-1]

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Targets:
        """What it says of the student's pictures.

        Args:
            inputs: Whole pictures as the student sees them, normalised,
                ``(B, C, H, W)`` of ``img_size``.
        """
        pictures = self._taken(inputs)
        if not self.has_image:
            found = Targets(self._of_pictures(pictures), None)
            return found.normed(self.target_norm)
        tokens = self._network(pictures)[-1].float()
        patches = tokens[:, 1:]
        mean = self.image_feature == 'mean'
        image = patches.mean(1) if mean else tokens[:, 0]
        return Targets(patches, image).normed(self.target_norm)

    def _taken(self, inputs: Tensor) -> Tensor:
        """Pictures as its own, where it is, too."""
        self.prepare()
        if self._device != inputs.device:
            self._network.to(inputs.device)
            self._device = inputs.device
        return self.preprocess(inputs)

    def _read(self, trust: bool) -> None:
        if self.random is not None:
            arch = dict(self.random)
            patch_size = arch.pop('patch_size')
            weights = random_weights(
                arch, patch_size, self.grid, len(self.pixels[0])
            )
        elif self.checkpoint is None:
            raise ValueError(
                'the method learns from a teacher, and the config names none: '
                '--teacher CKPT, or set model.teacher.checkpoint'
            )
        else:
            weights = read_teacher(
                self.checkpoint, self.kind, trust, self.encoder
            )
        try:
            self._take(weights)
        except ValueError as error:
            raise ValueError(f'the teacher {self.name}: {error}') from None

    def _take(self, weights: Weights) -> None:
        """Become the network of some weights."""
        network = build_encoder(
            weights, self.grid, self.layer, self.final_norm, **self.options
        )
        # Its own eval() forgets to return it.
        network.eval()
        self._network = network.requires_grad_(False)
        projection = network.patch_embed.projection
        channels = projection.in_channels
        if channels != len(self.pixels[0]):
            raise ValueError(
                f'it takes pictures of {channels} channels, and the pictures '
                f'have {len(self.pixels[0])}: take a teacher that was trained '
                'on such pictures'
            )
        rows, columns = as_pair(self.grid)
        patch = projection.kernel_size[0]
        usual = default_normalization(weights, channels, self.pixels)
        mean, std = self.own_pixels
        own = mean or usual[0], std or usual[1]
        size = rows * patch, columns * patch
        self.preprocess = Preprocess(size, self.pixels, own)
        self.width = network.embed_dims
        self.digest = weights.digest()

    def _of_pictures(self, pictures: Tensor) -> Tensor:
        """Pixels or gradients, ``(B, L, D)``, in fp32."""
        with torch.autocast(pictures.device.type, enabled=False):
            return self._network(pictures.float())
