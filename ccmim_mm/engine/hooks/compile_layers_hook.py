"""torch.compile, layer by layer."""

from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS
from mmpretrain.utils import get_ori_model


@HOOKS.register_module()
class CompileLayersHook(Hook):
    """Compile the transformer layers of encoder and decoder.

    One graph serves all layers of a kind, so compiling takes about a minute,
    and the names in checkpoints stay what they are. Not on by default: on
    two CPU cores it was measured to gain 0 to 6 % (docs/performance.md).

    Args:
        backend: ``torch.compile``'s backend.
    """

    # After weights are loaded, before InitialValHook runs the model.
    priority = 'NORMAL'

    def __init__(self, backend: str = 'inductor') -> None:
        self.backend = backend

    def before_train(self, runner) -> None:
        """Compile at the first call of each layer."""
        get_ori_model(runner.model).compile_layers(self.backend)
