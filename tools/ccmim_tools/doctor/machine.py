"""What there is to compute with."""

import os
import shutil
from collections.abc import Iterator
from importlib import import_module

from .finding import Finding


def check_machine() -> Iterator[Finding]:
    """Torch, its GPUs and their precision."""
    try:
        torch = import_module('torch')
        # Built for another torch it fails here.
        vision = import_module('torchvision')
    # Whatever a broken library raises.
    except Exception as error:
        yield Finding(
            'broken',
            f'torch or torchvision: {type(error).__name__}: {error}',
            'pip install --force-reinstall torch torchvision, together',
        )
        return
    yield Finding(
        'ok', f'torch {torch.__version__}, torchvision {vision.__version__}'
    )
    cuda = torch.cuda
    if not cuda.is_available():
        yield _no_gpu(torch.version.cuda)
        return
    for number in range(cuda.device_count()):
        found = cuda.get_device_properties(number)
        with cuda.device(number):
            bf16 = cuda.is_bf16_supported(including_emulation=False)
        yield Finding(
            'ok',
            f'GPU {number}: {found.name}, {found.total_memory / 2**30:.0f} '
            f'GiB, {"bf16" if bf16 else "no bf16, so fp32 by default"}',
        )
    if cuda.device_count() > 1 and not torch.distributed.is_nccl_available():
        yield Finding(
            'broken',
            'several GPUs, and a torch without NCCL',
            'pip install torch for CUDA',
        )


def _no_gpu(cuda: str | None) -> Finding:
    cores = len(os.sched_getaffinity(0))
    text = f'no GPU: trains on {cores} CPU cores, in fp32'
    if shutil.which('nvidia-smi') is None:
        return Finding('ok', text)
    cure = 'run nvidia-smi: the driver may be older than torch wants'
    if cuda is None:
        cure = 'this torch is for CPUs: pip install one for CUDA'
    elif 'CUDA_VISIBLE_DEVICES' in os.environ:
        cure = 'unset CUDA_VISIBLE_DEVICES'
    return Finding('note', f'{text}, though there is a driver', cure)


def check_operators() -> Iterator[Finding]:
    """Mmcv's operators, which detection needs."""
    try:
        import_module('ccmim_mm._stack').check_operators()
        file = getattr(import_module('mmcv._ext'), '__file__', None)
    # Whatever keeps the package from being imported was said before.
    except Exception as error:
        line = str(error).splitlines()[0]
        yield Finding('note', f'no operators for detection: {line}')
        return
    kind = 'compiled' if str(file).endswith('.so') else "torchvision's"
    yield Finding('ok', f'operators for detection: {kind}')
