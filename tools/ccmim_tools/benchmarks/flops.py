"""FLOPs of a training step, by torch's counter; a multiply-add is two.

Counted under the math kernel, since the counter does not know the fused
attention of a CPU, and with fake tensors, which compute nothing.
"""

from mmengine.config import ConfigDict
from torch._subclasses import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .contenders import build_contender
from .timing import metered

#: Pictures that are counted together: BatchNorm needs two.
PICTURES = 2


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
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        contender = build_contender(
            name, model_cfg, PICTURES, 'cpu', 'fp32', fake=True
        )
        with metered(contender.parts, counter.get_total_flops, counted):
            contender.forward().backward()
    counted['step'] = counter.get_total_flops()
    counted['backward'] = counted['step'] - counted['forward']
    return {part: int(flops) // PICTURES for part, flops in counted.items()}
