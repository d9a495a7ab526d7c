"""mmengine's runner, for models of which each process has a part."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import EMAHook
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS
from torch import nn
from torch.distributed.tensor import DTensor

from .fully_shard import FullyShard, gathered
from .portable_runner import PortableRunner


class ShardedRunner(PortableRunner):
    """A runner that knows :class:`FullyShard`.

    A run starts whole, on every process: initialised, loaded or resumed as
    any other, and is sharded last, before the first step. Checkpoints are
    whole too, so that any number of processes goes on from them, sharded or
    not. Who looks at the model asks for a :meth:`whole_model`. One process
    has nothing to shard. Takes the parent's arguments.
    """

    # Of the parent.
    model: Any
    optim_wrapper: Any
    distributed: bool

    sharding: FullyShard | None = None

    def __init__(self, *args, **kwargs) -> None:
        #: The model before it was sharded, without its parameters.
        self._blueprint: nn.Module | None = None
        self._is_sharded = False
        #: What of a checkpoint all processes have gathered.
        self._whole: dict[str, Any] = {}
        super().__init__(*args, **kwargs)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module):
        """Wrap the model, see the parent; what is to be sharded is not.

        Raises:
            TypeError: For an option that there is not.
            ValueError: If the model or the config cannot be sharded.
        """
        kind = (model_wrapper_cfg or {}).get('type')
        if kind != 'FullyShard':
            return super().wrap_model(model_wrapper_cfg, model)
        sharding = MODEL_WRAPPERS.build(model_wrapper_cfg)
        sharding.check(model, self.cfg)
        if not self.distributed:
            self.logger.info('One process: FullyShard has nothing to shard')
            return super().wrap_model(None, model)
        self.sharding = sharding
        if not torch.cuda.is_available():
            # As the parent does.
            return revert_sync_batchnorm(model)
        model = model.to(get_device())
        if sync_bn := self.cfg.get('sync_bn'):
            model = convert_sync_batchnorm(model, sync_bn)
        return model

    def _init_model_weights(self) -> None:
        super()._init_model_weights()
        if self.sharding is not None:
            # Here the model is complete, and its layers' forward their own.
            self._blueprint = _copy(
                self.model,
                lambda p: torch.empty_like(p, device='meta'),
            )

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: Any = 'default',
    ) -> None:
        """Go on from a checkpoint, see the parent."""
        if self.sharding is not None and map_location == 'default':
            # The file's tensors are whole, and the device is short of room.
            map_location = 'cpu'
        super().resume(
            filename, resume_optimizer, resume_param_scheduler, map_location
        )

    def load_or_resume(self) -> None:
        """Load what a run starts from, see the parent; then shard it.

        Raises:
            ValueError: If a hook averages the weights.
        """
        # An evaluation after the training comes here as well.
        training = self._blueprint is not None and not self._is_sharded
        if training and any(isinstance(h, EMAHook) for h in self.hooks):
            raise ValueError(
                'EMAHook averages whole weights, of which FullyShard leaves '
                'parts: leave the hook out, or model_wrapper_cfg'
            )
        super().load_or_resume()
        if training and self.sharding is not None:
            layers = self.sharding.shard(
                self.model, self.optim_wrapper.optimizer
            )
            self._is_sharded = True
            self.logger.info(
                f'Sharded over {self.world_size} processes: {layers} layers, '
                'and the rest'
            )

    @contextmanager
    def whole_model(self) -> Iterator[None]:
        """Have a whole copy in the sharded model's place, meanwhile.

        All processes are to enter; inside nobody waits for another, so that
        one may look alone. The copy does not train.
        """
        sharded = self.model
        if self._blueprint is None or not self._is_sharded:
            yield
            return
        parts = {n: p.detach() for n, p in sharded.named_parameters()}
        names = {p: n for n, p in self._blueprint.named_parameters()}
        whole = _copy(
            self._blueprint,
            lambda p: _full(parts[names[p]]),
        )
        buffers = dict(sharded.named_buffers())
        for name, buffer in whole.named_buffers():
            buffer.data = buffers[name].clone()
        whole.train(sharded.training)
        self.model = whole
        try:
            yield
        finally:
            self.model = sharded

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        *args,
        **kwargs,
    ) -> None:
        """Save, see the parent; of a sharded run all processes are to.

        Raises:
            OSError: On all of them, if the main one could not write.
        """
        if self.sharding is None:
            super().save_checkpoint(
                out_dir,
                filename,
                file_client_args,
                save_optimizer,
                *args,
                **kwargs,
            )
            return
        keep = is_main_process()
        self._whole = dict(state_dict=gathered(self.model.state_dict(), keep))
        if save_optimizer:
            self._whole['optimizer'] = gathered(
                self.optim_wrapper.state_dict(), keep
            )
        failed: list[OSError | None] = [None]
        try:
            super().save_checkpoint(
                out_dir, filename, file_client_args, False, *args, **kwargs
            )
        except OSError as error:
            # Handed over: whoever did not see it would do something else.
            failed[0] = error
        finally:
            self._whole = {}
        broadcast_object_list(failed)
        if failed[0] is not None:
            raise failed[0]

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """Call the hooks; what is saved is whole."""
        if fn_name == 'before_save_checkpoint':
            kwargs['checkpoint'].update(self._whole)
        super().call_hook(fn_name, **kwargs)


def whole_model(runner: Any) -> Any:
    """:meth:`ShardedRunner.whole_model`, of any runner."""
    known = isinstance(runner, ShardedRunner)
    return runner.whole_model() if known else nullcontext()


def _full(part: torch.Tensor) -> torch.Tensor:
    return part.full_tensor() if isinstance(part, DTensor) else part


def _copy(model: nn.Module, other: Any) -> Any:
    """A copy of a model with other parameters.

    Args:
        model: The model.
        other: Gives the tensor in a parameter's place.
    """
    memo = {
        id(p): nn.Parameter(other(p), requires_grad=p.requires_grad)
        for p in model.parameters()
    }
    return copy.deepcopy(model, memo)
