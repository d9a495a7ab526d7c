"""Layer-wise learning rates in any model with a ViT for a backbone."""

from collections.abc import Callable

from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmpretrain.engine import LearningRateDecayOptimWrapperConstructor
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class BackboneLayerDecayConstructor(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's layer decay, for detectors and segmentors as well.

    The parent asks the model for a parameter's depth, and only classifiers
    answer; this asks the backbone. Everything outside of it is as deep as
    can be, at the full learning rate. Takes the parent's
    ``paramwise_cfg``.

    Raises:
        ValueError: If the model's backbone does not know its depth.
    """

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        get_layer_depth: Callable[[str], tuple[int, int]] | None = None,
        **kwargs,
    ) -> None:
        """Add a module's parameters to the groups, see the parent."""
        if get_layer_depth is None:
            backbone = getattr(module, 'backbone', None)
            depth = getattr(backbone, 'get_layer_depth', None)
            if depth is None:
                raise ValueError(
                    f'{type(backbone).__name__} as model.backbone has no '
                    'get_layer_depth: layer decay needs a ViT of mmpretrain '
                    'or this project'
                )
            get_layer_depth = lambda name: depth(name, 'backbone.')  # noqa: E731
        super().add_params(
            params, module, prefix, get_layer_depth=get_layer_depth, **kwargs
        )
