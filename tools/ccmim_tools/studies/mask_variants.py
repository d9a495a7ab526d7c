"""Other ways to choose masks by attention, for the study alone.

Each is one registered class, in the place of the sampler or the encoder of a
config; ``configs/study/grid_masks.py`` has them all. docs/study/masks.md has
what they gave. All are chosen here unless a source is named.
"""

import copy

import torch
from mmengine.logging import MessageHub
from mmpretrain.registry import MODELS, TASK_UTILS
from torch import Tensor, nn

from ccmim_mm.models import AdditiveNoiseMaskSampler, MaskedViT


@TASK_UTILS.register_module()
class RankMaskSampler(AdditiveNoiseMaskSampler):
    """The release's rule on ranks, whose scale is that of the noise.

    Takes the parent's arguments.
    """

    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """Ranks in [0, 1] minus noise, ``(B, L)``."""
        ranks = scores.argsort(dim=1, stable=True).argsort(dim=1)
        return super().priority(ranks / (scores.shape[1] - 1), noise)


@TASK_UTILS.register_module()
class StandardMaskSampler(AdditiveNoiseMaskSampler):
    """The release's rule on standardised scores, the noise likewise.

    Takes the parent's arguments.
    """

    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """Scores minus noise, both of variance 1, ``(B, L)``."""
        std, mean = torch.std_mean(scores, dim=1, keepdim=True)
        standard = (scores - mean) / std.clamp(min=1e-12)
        return super().priority(standard, (noise - 0.5) * 12**0.5)


@TASK_UTILS.register_module()
class HintMaskSampler(AdditiveNoiseMaskSampler):
    """Leaves some of the most attended patches visible (AttMask, ECCV 2022).

    Args:
        mask_ratio: Share of the patches to hide, in (0, 1).
        top: Share of the patches that counts as most attended, in (0, 1).
        hint: Share of these to show, in (0, 1].
    """

    def __init__(
        self, mask_ratio: float = 0.75, top: float = 0.1, hint: float = 0.5
    ) -> None:
        super().__init__(mask_ratio)
        self.top = top
        self.hint = hint

    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """Scores minus noise, ``(B, L)``, the lowest for the hints."""
        count = max(1, round(self.top * scores.shape[1]))
        most = scores.topk(count, dim=1).indices
        shown = noise.gather(1, most).topk(max(1, round(self.hint * count)), 1)
        hints = most.gather(1, shown.indices)
        return super().priority(scores, noise).scatter(1, hints, -torch.inf)


@TASK_UTILS.register_module()
class CurriculumMaskSampler(AdditiveNoiseMaskSampler):
    """Random masks at first, ranks of scores weighing more with each step.

    Args:
        mask_ratio: Share of the patches to hide, in (0, 1).
        ramp: Share of the training after which ranks weigh 1, in (0, 1].
    """

    def __init__(self, mask_ratio: float = 0.75, ramp: float = 1.0) -> None:
        super().__init__(mask_ratio)
        self.ramp = ramp

    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """Weighted ranks minus noise, ``(B, L)``."""
        hub = MessageHub.get_current_instance()
        done = hub.get_info('iter', 0) / max(1, hub.get_info('max_iters', 1))
        ranks = scores.argsort(dim=1, stable=True).argsort(dim=1)
        weight = min(1.0, done / self.ramp)
        weighted = weight * ranks / (scores.shape[1] - 1)
        return super().priority(weighted, noise)


@MODELS.register_module()
class LateScoresViT(MaskedViT):
    """Scores of the last layers alone.

    Args:
        skip: Layers at the start whose attention does not count.
        **kwargs: Of the parent.
    """

    def __init__(self, skip: int = 3, **kwargs) -> None:
        super().__init__(**kwargs)
        self.skip = skip

    @torch.no_grad()
    def score(self, tokens: Tensor) -> Tensor:
        """See the parent, ``(B, L)``, of the layers after ``skip``."""
        x = self._prepend_cls(tokens)
        for layer in self.layers[: self.skip]:
            x = layer(x)
        scores = torch.zeros(tokens.shape[:2], device=tokens.device)
        for layer in self.layers[self.skip :]:
            x, row = layer(x, cls_row=True)
            scores += row
        return scores


@MODELS.register_module()
class RegisterViT(MaskedViT):
    """Tokens that keep what is global, so that patches need not.

    "Vision Transformers Need Registers" (ICLR 2024). They stand behind the
    CLS token, have no position, and no output or score shows them.

    Args:
        num_registers: Their number.
        **kwargs: Of the parent.
    """

    def __init__(self, num_registers: int = 4, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_registers = num_registers
        registers = torch.zeros(1, num_registers, self.embed_dims)
        self.registers = nn.Parameter(registers)

    def init_weights(self) -> None:
        """Initialise as the parent does, and the registers like the CLS."""
        super().init_weights()
        nn.init.normal_(self.registers, std=0.02)

    def score(self, tokens: Tensor) -> Tensor:
        """See the parent, ``(B, L)``."""
        registers = self.registers.expand(len(tokens), -1, -1)
        whole = torch.cat((registers, tokens), dim=1)
        return super().score(whole)[:, self.num_registers :]

    def encode(
        self,
        tokens: Tensor,
        keep: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """See the parent, ``(B, n + 1, C)``."""
        x = self._with_registers(self._prepare(tokens, keep, mask))
        x = self.norm1(self._run(self.layers, x))
        return torch.cat((x[:, :1], x[:, 1 + self.num_registers :]), dim=1)

    def encode_cls(
        self,
        tokens: Tensor,
        keep: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The CLS token of :meth:`encode`, ``(B, C)``."""
        return self.encode(tokens, keep, mask)[:, 0]

    def forward(
        self, x: Tensor, mask: bool | None = None
    ) -> tuple[Tensor, ...]:
        """Features of the whole picture, ``((B, L + 1, C),)``."""
        return (self.encode(self.embed(x)),)

    def _with_registers(self, x: Tensor) -> Tensor:
        """``(B, 1 + n, C)`` to ``(B, 1 + R + n, C)``."""
        registers = self.registers.expand(len(x), -1, -1)
        return torch.cat((x[:, :1], registers, x[:, 1:]), dim=1)


@MODELS.register_module()
class AveragedScoresViT(MaskedViT):
    """Scores of an averaged copy of the layers, as a teacher has them.

    Args:
        momentum: Share of the copy that stays at a step, in [0, 1).
        **kwargs: Of the parent.
    """

    def __init__(self, momentum: float = 0.99, **kwargs) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.averaged_layers = copy.deepcopy(self.layers)
        self.averaged_layers.requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise as the parent does, and the copy as a copy."""
        super().init_weights()
        self.averaged_layers.load_state_dict(self.layers.state_dict())

    @torch.no_grad()
    def score(self, tokens: Tensor) -> Tensor:
        """See the parent, ``(B, L)``; in training the copy moves first."""
        if self.training:
            for own, average in zip(
                self.layers.parameters(),
                self.averaged_layers.parameters(),
                strict=True,
            ):
                average.lerp_(own, 1 - self.momentum)
        x = self._prepend_cls(tokens)
        scores = torch.zeros(tokens.shape[:2], device=tokens.device)
        for layer in self.averaged_layers[: self.score_layers]:
            x, row = layer(x, cls_row=True)
            scores += row
        return scores
