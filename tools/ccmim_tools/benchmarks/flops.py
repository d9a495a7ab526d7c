"""FLOPs of a training step, by torch's counter; a multiply-add is two.

Of contenders by part here, of methods in ``methods.py``, and of methods of
fake tensors, with checkpointing or without, in ``planning``.
"""

import contextlib
from collections.abc import Iterator

from mmengine.config import ConfigDict
from torch._subclasses import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .contenders import build_contender
from .timing import metered

#: Pictures that are counted together: BatchNorm needs two.
PICTURES = 2


@contextlib.contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """Count what is computed within."""
    with (
        # The counter does not know the fused attention of a CPU.
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        yield counter


def step_flops(name: str, model_cfg: ConfigDict) -> dict[str, int]:
    """FLOPs of one training step for one picture, by part.

    Args:
        name: The contender.
        model_cfg: Config that the contender is derived from.

    Returns:
        Of the ``parts`` of the contender those of the forward pass,
        ``backward``, and ``step`` for all.
    """
    counted: dict[str, float] = {}
    # Fake tensors compute nothing.
    with FakeTensorMode(allow_non_fake_inputs=True), counting() as counter:
        contender = build_contender(
            name, model_cfg, PICTURES, 'cpu', 'fp32', fake=True
        )
        with metered(contender.parts, counter.get_total_flops, counted):
            contender.forward().backward()
    counted['step'] = counter.get_total_flops()
    counted['backward'] = counted['step'] - counted['forward']
    return {part: int(flops) // PICTURES for part, flops in counted.items()}
