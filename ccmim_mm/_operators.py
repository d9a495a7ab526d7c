"""torchvision's kernels in place of mmcv operators that are not compiled.

mmdet looks for mmcv's operators while it is imported. Those that Faster,
Mask and Cascade R-CNN call, NMS and RoIAlign, are in torchvision as well,
compiled for the torch that is there, on CPU and GPU. The names that belong
to others, mmcv's ``_ext`` and what its Python files ask of it, and
torchvision's kernels, are all in this file.
"""

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from types import ModuleType

import torch
import torchvision
from torch import Tensor

NAME = 'mmcv._ext'
#: By the distribution that mmcv is of.
COMPILE = {
    'onedl-mmcv': '`make operators` compiles them, or: MMCV_WITH_OPS=1 pip '
    'install --force-reinstall --no-deps --no-build-isolation --no-cache-dir '
    '--no-binary onedl-mmcv onedl-mmcv==2.3.6',
    'mmcv-lite': 'pip uninstall mmcv-lite, then MMCV_WITH_OPS=1 pip install '
    '--no-deps --no-build-isolation --no-cache-dir --no-binary mmcv '
    'mmcv==2.1.0',
}


def how_to_compile() -> str:
    """What compiles the operators of the mmcv that is installed.

    Of the other line it would be written over this one.
    """
    owners = packages_distributions().get('mmcv', ['onedl-mmcv'])
    line = 'onedl-mmcv' if 'onedl-mmcv' in owners else 'mmcv-lite'
    return COMPILE[line]


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Non-maximum suppression.

    Args:
        boxes: (N, 4), x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: Boxes that overlap a kept one by more are dropped.
        offset: 0, or 1 where a box's width is x2 - x1 + 1.

    Returns:
        Indices of the kept boxes, the highest score first.
    """
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # mmcv compares in fp32: 0.3 there is not the 0.3 of Python.
    threshold = torch.tensor(iou_threshold, dtype=torch.float32).item()
    return torchvision.ops.nms(boxes, scores, threshold)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """RoIAlign, the mean of each bin.

    Args:
        input: (B, C, H, W).
        rois: (N, 5), picture and x1, y1, x2, y2.
        output: (N, C, aligned_height, aligned_width), written to.
        argmax_y: Of the largest value; not used.
        argmax_x: Likewise.
        aligned_height: Bins.
        aligned_width: Bins.
        spatial_scale: From the boxes' pixels to the map's.
        sampling_ratio: Points a bin and axis; 0: as many as it has pixels.
        pool_mode: 1, the mean.
        aligned: Pixels' centres are at .5.

    Raises:
        NotImplementedError: For pool_mode 0, the largest value.
    """
    if pool_mode == 0:
        _missing('roi_align with pool_mode=max')()
    pooled = torch.ops.torchvision.roi_align(
        input,
        rois,
        spatial_scale,
        aligned_height,
        aligned_width,
        sampling_ratio,
        aligned,
    )
    output.copy_(pooled)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Gradient of :func:`roi_align_forward`, written to ``grad_input``."""
    grad = torch.ops.torchvision._roi_align_backward(
        grad_output,
        rois,
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    )
    grad_input.copy_(grad)


class StandIn(ModuleType):
    """The module that mmcv takes for its compiled one.

    It has every operator that it is asked for, as mmcv insists; one that
    torchvision does not have raises when it is called.

    Args:
        cause: Why the compiled module did not load, '' if there is none.
    """

    def __init__(self, cause: str = '') -> None:
        super().__init__(NAME, __doc__)
        self.__spec__ = ModuleSpec(NAME, None)
        self.cause = cause
        # With functions that raise where it found no operators.
        self.late = 'mmdet.structures' in sys.modules
        self.nms = nms
        self.roi_align_forward = roi_align_forward
        self.roi_align_backward = roi_align_backward
        # As mmdet's collect_env prints them.
        self.get_compiler_version = lambda: 'none'
        self.get_compiling_cuda_version = lambda: (
            f'torchvision {torchvision.__version__} stands in'
        )

    def __getattr__(self, name: str) -> Callable:
        """Any operator that torchvision does not have."""
        if name.startswith('_'):
            raise AttributeError(name)
        return _missing(name)


def provide_operators() -> None:
    """Let torchvision stand in, unless compiled operators can be loaded.

    To be called before mmdet is imported, which mmpretrain does.
    """
    try:
        import_module(NAME)
    except ModuleNotFoundError:
        sys.modules[NAME] = StandIn()
    except ImportError as error:
        sys.modules[NAME] = StandIn(str(error))


def check_operators() -> None:
    """Check that mmdet has operators; warn if compiled ones do not load.

    Raises:
        ImportError: If mmdet was imported before there were any.
    """
    found = import_module(NAME)
    if not isinstance(found, StandIn):
        return
    if found.late:
        raise ImportError(
            'mmdet or mmpretrain was imported before ccmim_mm and found no '
            'operators: import ccmim_mm first; or compile them: '
            f'{how_to_compile()}'
        )
    if found.cause:
        warnings.warn(
            "mmcv's operators were compiled for another torch than "
            f"{torch.__version__} ({found.cause}): torchvision's are used; "
            f'{how_to_compile()}',
            stacklevel=2,
        )


def _missing(name: str) -> Callable:
    def operator(*args, **kwargs):
        raise NotImplementedError(
            f'{name} needs mmcv with compiled operators: {how_to_compile()}'
        )

    return operator
