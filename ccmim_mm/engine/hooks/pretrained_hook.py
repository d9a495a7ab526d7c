"""Starting from a pre-trained checkpoint instead of from scratch."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS

from ..backbone_loading import load_backbone
from ..checkpoint import load_pretrained, read_state_dict
from ..converters import convert, detect_format


@HOOKS.register_module()
class PretrainedHook(Hook):
    """Load a pre-trained checkpoint before the first step.

    Into a pre-training algorithm goes all that fits, into any other model
    the encoder. Unlike ``load_from`` it runs no code of the file, accounts
    for every tensor in one line of the log, and refuses a checkpoint that
    leaves part of the encoder untouched. Skipped when a run resumes.

    Args:
        checkpoint: Path of a ``.pth`` of any format that
            :mod:`ccmim_mm.engine.converters` knows.
        allow_partial: Go on with a backbone that the encoder does not fill,
            see :func:`~ccmim_mm.engine.backbone_loading.match_backbone`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, is of no known format or
            leaves the encoder short.
    """

    # Before InitialValHook, which judges the weights loaded here.
    priority = 'HIGH'

    def __init__(self, checkpoint: str, allow_partial: bool = False) -> None:
        self.checkpoint = checkpoint
        self.allow_partial = allow_partial
        state = read_state_dict(checkpoint)
        self.format = detect_format(state)
        self.state = convert(state, self.format, 'project').state

    def before_train(self, runner) -> None:
        """Load, on every rank alike."""
        if runner.iter == 0:
            model = runner.model
            if is_model_wrapper(model):
                model = model.module
            if hasattr(model, 'mask_sampler'):
                report = load_pretrained(model, self.state)
            else:
                report = str(
                    load_backbone(
                        model.backbone, self.state, self.allow_partial
                    )
                )
            runner.logger.info(
                f'{self.checkpoint} ({self.format} names): {report}'
            )
        self.state = {}
