"""Continuing from a pre-trained checkpoint instead of from scratch."""

from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS
from mmpretrain.utils import get_ori_model

from ..checkpoint import load_pretrained, read_state_dict
from ..converters import convert, detect_format


@HOOKS.register_module()
class PretrainedHook(Hook):
    """Load an MAE or ccMIM checkpoint before the first step.

    Unlike ``load_from`` it runs no code of the file, accounts for every
    tensor in one line of the log, and refuses a checkpoint that leaves part
    of the encoder untouched. Skipped when a run resumes.

    Args:
        checkpoint: Path of a ``.pth`` of any format that
            :mod:`ccmim_mm.engine.converters` knows.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, is of no known format or
            leaves the encoder short.
    """

    # Before InitialValHook, which judges the weights loaded here.
    priority = 'HIGH'

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint
        state = read_state_dict(checkpoint)
        self.format = detect_format(state)
        self.state = convert(state, self.format, 'project').state

    def before_train(self, runner) -> None:
        """Load, on every rank alike."""
        if runner.iter == 0:
            report = load_pretrained(get_ori_model(runner.model), self.state)
            runner.logger.info(
                f'{self.checkpoint} ({self.format} names): {report}'
            )
        self.state = {}
