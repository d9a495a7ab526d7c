"""A checkpoint's weights, and the encoder that has them."""

from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from mmengine.logging import print_log
from torch import Tensor, nn

from ..checkpoints import heads_of, read_weights
from ..config import read_config
from ..engine.runner.work_dir import config_in, config_of, undecided
from ..models.plain_vit import Shape
from ..run_files import LAST_CHECKPOINT, SUMMARY
from .network import build_network, shape_within

#: Files of a work dir, beside which a config is believed to be the run's.
_OF_A_RUN = (SUMMARY, LAST_CHECKPOINT)


class Source(NamedTuple):
    """A checkpoint that is read for its encoder.

    Attributes:
        path: Its file or folder.
        form: The format that it came in.
        state: All its parameters, by this project's names, fp32.
        heads: What it tells of attention heads, by modules.
        network: Its encoder, frozen: normalised pictures ``(B, C, H, W)`` in,
            tokens ``(B, 1 + L, D)`` after the final norm out, CLS first; of
            a ResNet its last map.
        shape: Of a plain ViT; None of any other network.
        cfg: The config of its run; None if there is none.
        work_dir: Of that run, likewise.
        epoch: Epochs that it was trained for, if it tells.
        iteration: Likewise.
    """

    path: Path
    form: str
    state: dict[str, Tensor]
    heads: dict[str, int]
    network: nn.Module
    shape: Shape | None
    cfg: Config | None
    work_dir: Path | None
    epoch: int | None
    iteration: int | None


def read_source(
    checkpoint: str | Path,
    config: str | Path | None = None,
    encoder: str = 'online',
) -> Source:
    """Read a checkpoint, and build its encoder.

    Args:
        checkpoint: Of any format that is known.
        config: Its config, or the work dir of its run; None takes the one of
            the work dir that it lies in, and ``none`` none.
        encoder: ``online``, the one that was trained, or ``momentum``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, is of no known format, or
            does not fit its config.
    """
    cfg, work_dir = config_of_checkpoint(checkpoint, config)
    try:
        read = read_weights(checkpoint, encoder)
        weights = read._replace(state=_in_fp32(read.state))
        network = build_network(weights, cfg)
    except ValueError as error:
        where = '' if str(checkpoint) in str(error) else f'{checkpoint}: '
        raise ValueError(f'{where}{error}') from None
    return Source(
        path=Path(checkpoint),
        form=weights.form,
        state=_in_fp32(read.beside) | weights.state,
        heads=heads_of(network) | weights.heads,
        network=network,
        shape=shape_within(weights, network),
        cfg=cfg,
        work_dir=work_dir,
        epoch=weights.epoch,
        iteration=weights.iteration,
    )


def _in_fp32(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
    }


def config_of_checkpoint(
    checkpoint: str | Path, config: str | Path | None
) -> tuple[Config | None, Path | None]:
    """The config of a checkpoint and the work dir of its run, if there are.

    Raises:
        ValueError: If a work dir that is named holds no config.
        FileNotFoundError: If a config that is named is missing.
    """
    if config == 'none':
        return None, None
    beside = Path(checkpoint).parent
    if config is not None:
        folder = Path(config) if Path(config).is_dir() else beside
        return read_config(config_of(config)), folder
    # A config is Python: one that merely lies there is not run.
    is_run = any((beside / name).is_file() for name in _OF_A_RUN)
    if is_run and (found := config_in(beside)):
        return read_config(found), beside
    if is_run and (several := undecided(beside)):
        print_log(f'{several} and none is read: --config names one')
    return None, None
