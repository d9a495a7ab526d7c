"""Looking at a model in training without leaving a trace."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluate a model and put everything back as it was.

    Inside, the model is in evaluation mode (BatchNorm keeps its statistics)
    and no graph is built. Afterwards every module is back in its own mode,
    and the generators of random, numpy and torch (CPU, and the current GPU)
    are where they stood.

    Args:
        model: The model, wrapped or not.
    """
    modes = {module: module.training for module in model.modules()}
    python, arrays = random.getstate(), np.random.get_state()
    devices = (
        [torch.cuda.current_device()] if torch.cuda.is_available() else []
    )
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            model.eval()
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        for module, mode in modes.items():
            module.training = mode
