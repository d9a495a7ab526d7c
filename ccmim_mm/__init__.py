"""Masked and contrastive pre-training for the OpenMMLab stack, ccMIM first.

Importing the package registers every module of it, so a config needs
``custom_imports = dict(imports=['ccmim_mm'])`` and nothing else.
"""

# ruff: noqa: E402 - the stack is checked before anything is imported from it

from ._operators import provide_operators
from ._stack import (
    check_stack,
    check_system,
    leave_out_detectors,
    leave_out_text_models,
    quiet_imports,
)

check_system()
# Before mmdet, which looks for operators while it is imported.
provide_operators()
check_stack()
with quiet_imports(), leave_out_detectors():
    leave_out_text_models()
    from . import (
        checkpoints,
        datasets,
        engine,
        evaluation,
        models,
        visualization,
    )
    from .hub import register_models

register_models()

from .apis import load_encoder as load
from .version import __version__

__all__ = [
    '__version__',
    'checkpoints',
    'datasets',
    'engine',
    'evaluation',
    'load',
    'models',
    'visualization',
]
