"""What ``model_wrapper_cfg=dict(type='FullyShard')`` does to a model."""

import copy
from typing import Any, Literal

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.model import BaseAveragedModel
from mmengine.registry import MODEL_WRAPPERS
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer


@MODEL_WRAPPERS.register_module()
class FullyShard:
    """Each process keeps its part of every tensor (torch's FSDP2).

    Every transformer layer, of encoder and decoder, is gathered by itself,
    for as long as it computes; what is in no layer is one group more, but
    for that of a moving average, which stays whole. The model stays the
    module that it is, with its parameters' names.

    Args:
        reshard_after_forward: Let go of a layer's gathered parameters until
            its backward pass; False keeps them: more memory, one gathering
            less.
        precision: ``bf16`` gathers the layers, and computes in them, in
            bf16; their gradients are summed up in fp32, and what is in no
            layer (embedding, projections, losses) stays fp32. None changes
            no precision.
        others: None; to name what FSDP2 does without.

    Raises:
        TypeError: If there are others.
        ValueError: If there is no such precision.
    """

    def __init__(
        self,
        reshard_after_forward: bool = True,
        precision: Literal['bf16'] | None = None,
        **others: Any,
    ) -> None:
        if 'module' in others:
            raise TypeError(
                'FullyShard shards what a ResilientRunner has loaded: set '
                "runner_type='ResilientRunner'"
            )
        if others:
            raise TypeError(
                f'model_wrapper_cfg has {", ".join(others)}, which FullyShard '
                'does without: leave it out; it takes reshard_after_forward '
                'and precision'
            )
        if precision not in (None, 'bf16'):
            raise ValueError(
                f'model_wrapper_cfg.precision={precision!r}: use None or '
                "'bf16'"
            )
        self.reshard_after_forward = reshard_after_forward
        self.policy = MixedPrecisionPolicy()
        if precision:
            self.policy = MixedPrecisionPolicy(
                param_dtype=torch.bfloat16,
                reduce_dtype=torch.float32,
                output_dtype=torch.float32,
            )

    def check(self, model: nn.Module, cfg: Config) -> None:
        """Refuse a model or a config that it is not for.

        Raises:
            ValueError: Naming what would work.
        """
        name = type(model).__name__
        remedy = "leave model_wrapper_cfg=dict(type='FullyShard') out"
        if cfg.get('find_unused_parameters'):
            raise ValueError(
                "find_unused_parameters is DDP's, and FullyShard does without:"
                ' leave it out'
            )
        if not _of(TransformerEncoderLayer, model):
            raise ValueError(
                f'{name} has no layers of plain ViTs to shard: {remedy}'
            )
        averages = _of(BaseAveragedModel, model)
        if averages and not self.reshard_after_forward:
            raise ValueError(
                f'{name} averages its encoder in the middle of a step, when '
                'no layer may be gathered: set model_wrapper_cfg.'
                'reshard_after_forward=True'
            )
        if any(average.update_buffers for average in averages):
            raise ValueError(
                f'{name} averages buffers, which are not sharded: {remedy}'
            )

    def shard(self, model: nn.Module, optimizer: Optimizer) -> int:
        """Shard a model and its optimizer in place, alike on all processes.

        Args:
            model: With the same parameters on all of them.
            optimizer: Of these parameters, in the middle of a run or not.

        Returns:
            How many layers it has.
        """
        whole: dict[str, Any] = dict(model.named_parameters())
        device = next(iter(whole.values())).device
        mesh = init_device_mesh(device.type, (get_world_size(),))
        layers = _of(TransformerEncoderLayer, model)
        averages = _of(BaseAveragedModel, model)
        sharded = {p for layer in layers for p in layer.parameters()}
        # Averages move within a step, when what is in no layer is gathered:
        # of what is gathered then the changes would be lost.
        kept = {p for a in averages for p in a.parameters()} - sharded
        for layer in layers:
            fully_shard(
                layer,
                mesh=mesh,
                reshard_after_forward=self.reshard_after_forward,
                mp_policy=self.policy,
            )
        fully_shard(model, mesh=mesh, ignored_params=kept)
        for average in averages:
            average.avg_parameters = dict(average.module.named_parameters())
        parts = dict(model.named_parameters())
        replaced: dict[Any, Any] = {
            p: parts[name] for name, p in whole.items()
        }
        for group in optimizer.param_groups:
            group['params'] = [replaced[p] for p in group['params']]
        for old in list(optimizer.state):
            optimizer.state[replaced[old]] = {
                name: _like(replaced[old], value)
                for name, value in optimizer.state.pop(old).items()
            }
        return len(layers)


def _of(kind: type, model: nn.Module) -> list[Any]:
    """All modules of a kind."""
    return [module for module in model.modules() if isinstance(module, kind)]


def _like(parameter: Any, value: Any) -> Any:
    """This process's part of what an optimizer keeps of a parameter."""
    if not isinstance(value, torch.Tensor) or value.shape != parameter.shape:
        return value
    # All have the whole of it: nothing is sent.
    return distribute_tensor(
        value,
        parameter.device_mesh,
        parameter.placements,
        src_data_rank=None,
    )


def gathered(value: Any, keep: bool) -> Any:
    """A state with whole tensors on the CPU; all processes are to call it.

    Args:
        value: Nested dicts and lists, with sharded tensors somewhere.
        keep: Whether this process wants them; else they are empty.
    """
    if isinstance(value, dict):
        # A state dict brings its modules' versions along.
        found = copy.copy(value)
        for key, part in value.items():
            found[key] = gathered(part, keep)
        return found
    if isinstance(value, list):
        return [gathered(part, keep) for part in value]
    if isinstance(value, DTensor):
        whole = value.full_tensor()
        return whole.cpu() if keep else whole.new_empty(0)
    return value.cpu() if isinstance(value, torch.Tensor) else value
