"""Which patches to hide, given how much the encoder attends to each.

All samplers order the patches by a priority that they compute from the
attention scores and one uniform noise tensor; the lowest stay visible and
the highest are masked. They share one constructor signature, so changing
``type`` in a config is all it takes to switch between them.
"""

from abc import ABCMeta, abstractmethod
from typing import NamedTuple

import torch
from mmpretrain.registry import TASK_UTILS
from torch import Tensor


class MaskIndices(NamedTuple):
    """A mask over ``L`` patches, ``V`` of which are visible.

    Attributes:
        ids_visible: ``(B, V)`` indices of the visible patches.
        ids_masked: ``(B, L - V)`` indices of the masked patches.
        ids_restore: ``(B, L)``; gathering ``cat(visible, masked)`` with it
            brings the patches back into raster order.
        mask: ``(B, L)`` float, 1 = masked.
    """

    ids_visible: Tensor
    ids_masked: Tensor
    ids_restore: Tensor
    mask: Tensor


class BaseMaskSampler(metaclass=ABCMeta):
    """Interface of the mask samplers.

    Args:
        mask_ratio: Share of the patches to hide, in (0, 1).

    Raises:
        ValueError: If the ratio lies outside (0, 1).
    """

    #: A sampler that sets this to False is called with ``scores=None``, and
    #: the pass that computes the scores is skipped.
    needs_scores = True

    def __init__(self, mask_ratio: float = 0.75) -> None:
        if not 0 < mask_ratio < 1:
            raise ValueError(
                f'mask_ratio={mask_ratio} must lie in (0, 1): set '
                'model.mask_sampler.mask_ratio, e.g. to 0.75'
            )
        self.mask_ratio = mask_ratio

    def num_visible(self, num_patches: int) -> int:
        """Number of visible patches ``V`` out of ``num_patches``.

        The float arithmetic is the release's as written: 100 patches at a
        ratio of 0.9 leave 9, not 10.
        """
        return int(num_patches * (1 - self.mask_ratio))

    @abstractmethod
    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """Order to mask in: the highest values are masked.

        Args:
            scores: ``(B, L)`` attention scores, fp32; of no meaning if not
                ``needs_scores``.
            noise: ``(B, L)`` uniform noise in [0, 1), fp32.

        Returns:
            ``(B, L)``.
        """

    @torch.no_grad()
    def __call__(self, scores: Tensor | None, noise: Tensor) -> MaskIndices:
        """Sample a mask.

        Args:
            scores: ``(B, L)`` attention scores; None if not ``needs_scores``.
            noise: ``(B, L)`` uniform noise in [0, 1): the mask is a function
                of it and the scores, and of nothing else.
        """
        # Half precision would turn close scores into ties.
        noise = noise.float()
        scores = noise if scores is None else scores.float()
        order = self.priority(scores, noise).argsort(dim=1, stable=True)
        return _indices(order, self.num_visible(order.shape[1]))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(mask_ratio={self.mask_ratio})'


@TASK_UTILS.register_module()
class AdditiveNoiseMaskSampler(BaseMaskSampler):
    """The release's rule, and the default.

    The release orders patches by ``softmax(a) / softmax(u)``, which is the
    order of ``a - u``: additive uniform noise, neither a draw from
    ``softmax(a)`` nor plain ranking.
    """

    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """Scores minus noise, ``(B, L)``."""
        return scores - noise


@TASK_UTILS.register_module()
class GumbelMaskSampler(BaseMaskSampler):
    """Sampling without replacement from ``softmax(a)`` (Gumbel top-k)."""

    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """Scores plus Gumbel noise ``-log(-log u)``, ``(B, L)``."""
        # u = 0 and u rounding to 1 would give infinities, hence ties.
        eps = torch.finfo(noise.dtype).eps
        uniform = noise.clamp(min=eps, max=1 - eps)
        return scores - torch.log(-torch.log(uniform))


@TASK_UTILS.register_module()
class TopKMaskSampler(BaseMaskSampler):
    """Always masks the most attended patches; the noise is not used."""

    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """The scores themselves, ``(B, L)``."""
        return scores


@TASK_UTILS.register_module()
class RandomMaskSampler(BaseMaskSampler):
    """Uniformly random masks, as in MAE; needs no scores."""

    needs_scores = False

    def priority(self, scores: Tensor, noise: Tensor) -> Tensor:
        """The noise itself, ``(B, L)``."""
        return noise


def build_mask_sampler(cfg: dict) -> BaseMaskSampler:
    """Build a mask sampler from its config.

    Args:
        cfg: ``dict(type=..., mask_ratio=...)``.

    Raises:
        ValueError: If the type is not registered; names those that are.
    """
    name = cfg.get('type')
    if isinstance(name, str) and TASK_UTILS.get(name) is None:
        known = sorted(
            key
            for key, value in TASK_UTILS.module_dict.items()
            if isinstance(value, type) and issubclass(value, BaseMaskSampler)
        )
        raise ValueError(
            f'unknown mask sampler {name!r}: set model.mask_sampler.type to '
            f'one of {", ".join(known)}, or register yours in TASK_UTILS'
        )
    return TASK_UTILS.build(cfg)


def top_masked_share(scores: Tensor, mask: Tensor) -> Tensor:
    """How strongly a mask follows the scores.

    Args:
        scores: ``(B, L)``.
        mask: ``(B, L)``, 1 = masked.

    Returns:
        Of the tenth of the patches that are attended most the share that is
        masked, in [0, 1]: the mask ratio when the mask ignores the scores, 1
        at full obedience.
    """
    count = max(1, round(0.1 * scores.shape[1]))
    return mask.gather(1, scores.topk(count, dim=1).indices).mean()


def sample_masked(ids: MaskIndices, count: int | None) -> Tensor:
    """Some of the masked patches, uniformly at random.

    Args:
        ids: The mask.
        count: How many, in [1, L - V]; None is all of them.

    Returns:
        ``(B, count)``.
    """
    if count is None:
        return ids.ids_masked
    shape, device = ids.ids_masked.shape, ids.ids_masked.device
    chosen = torch.rand(shape, device=device).argsort(dim=1)[:, :count]
    return ids.ids_masked.gather(1, chosen)


def mask_indices(mask: Tensor) -> MaskIndices:
    """The indices of a mask that somebody has painted.

    Args:
        mask: ``(B, L)``, 1 = masked.

    Raises:
        ValueError: If not every picture has as many visible patches, at
            least one.
    """
    masked = mask.bool()
    counts = set((~masked).sum(1).tolist())
    if len(counts) != 1 or counts == {0}:
        raise ValueError(
            f'a mask must leave as many patches visible in every picture, at '
            f'least one; these leave {sorted(counts)}'
        )
    return _indices(masked.float().argsort(dim=1, stable=True), *counts)


def _indices(order: Tensor, num_visible: int) -> MaskIndices:
    """A mask from the patches in order, ``(B, L)``, visible ones first."""
    ids_restore = order.argsort(dim=1)
    return MaskIndices(
        ids_visible=order[:, :num_visible],
        ids_masked=order[:, num_visible:],
        ids_restore=ids_restore,
        mask=(ids_restore >= num_visible).float(),
    )
