"""What ``ccmim plan`` prints."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config

from ..benchmarks.report import table
from .fake_step import FakeStep, Trace
from .laws import traffic
from .search import largest_batch
from .ways import Way, ddp, fsdp

GIB = 2**30


class Asked(NamedTuple):
    """What is to be planned.

    Attributes:
        gpus: Processes.
        memory: Of each GPU, in GiB; none asks for no largest batch.
        batches: Pictures of a process.
        pictures: Of an epoch.
        tflops: Peak of a GPU, 10^12 FLOPs a second; None tells no hours.
        utilisation: Share of it, in (0, 1].
        ranks: Numbers of processes, for what collectives move.
    """

    gpus: int
    memory: Sequence[float]
    batches: Sequence[int]
    pictures: int
    tflops: float | None
    utilisation: float
    ranks: Sequence[int]


def tables(cfg: Config, asked: Asked) -> Iterator[str]:
    """Text, as it becomes known.

    Args:
        cfg: A pre-training config.
        asked: See there.

    Raises:
        ValueError: See :class:`FakeStep` and :meth:`FakeStep.trace`.
    """
    step = FakeStep(cfg, checkpointing=False)
    yield _head(cfg, step, asked)
    suffixes = {'': False}
    if step.can_checkpoint:
        suffixes[', checkpointing'] = True
    peaks: list[dict[str, Any]] = []
    most: list[dict[str, Any]] = []
    weights = 0
    for suffix, checkpointing in suffixes.items():
        step.recompute(checkpointing)
        traces = {batch: step.trace(batch) for batch in asked.batches}
        flops = step.flops()
        for way in _ways(cfg, step, asked.gpus, suffix):
            peaks += [_parts(way, traces[batch]) for batch in asked.batches]
            row = dict(
                way=way.name, **{'GFLOP a picture': flops / 1e9}
            ) | _hours(flops, asked)
            for memory in asked.memory:
                row |= _largest(way, step, traces, memory)
            most.append(row)
        weights = next(iter(traces.values())).weights
    yield table(peaks)
    yield table(most)
    if asked.ranks:
        yield _laws(cfg, weights, asked)


def _head(cfg: Config, step: FakeStep, asked: Asked) -> str:
    passes = 'the gradients are there before the pass, as they accumulate'
    at_once = 'a step is one pass'
    lines = [
        f'{type(step.model).__name__}, {"bf16" if step.bf16 else "fp32"}, '
        f'{asked.gpus} processes; {passes if step.accumulates else at_once}. '
        'GiB a process; activations are the most there are, gradients come '
        'as these go, and the peak is of their sum.'
    ]
    teacher = cfg.model.get('teacher')
    if teacher is not None and teacher.get('kind') not in ('pixel', 'hog'):
        lines.append(
            'The teacher is one of the usual size of its width, of random '
            'weights; a run needs --teacher CKPT.'
        )
    if not step.can_checkpoint:
        lines.append(
            f'{type(step.model.backbone).__name__} has no activation '
            'checkpointing (with_cp).'
        )
    return '\n'.join(lines)


def _ways(
    cfg: Config, step: FakeStep, gpus: int, suffix: str
) -> Iterator[Way]:
    wrapper = cfg.get('model_wrapper_cfg') or {}
    way = ddp(gpus, bool(wrapper.get('gradient_as_bucket_view')))
    yield way._replace(name=way.name + suffix)
    shards = fsdp(gpus, step.model, step.accumulates) if gpus > 1 else None
    if shards:
        yield shards._replace(name=shards.name + suffix)


def _parts(way: Way, trace: Trace) -> dict[str, Any]:
    share = trace.weights / way.ranks
    parts = {
        'parameters': share + trace.frozen,
        'gradients': way.gradients * trace.weights,
        'buckets': way.buckets * trace.weights,
        'optimizer': trace.optimizer / way.ranks,
        'gathered': way.gathered,
        'activations': trace.moments[:, 0].max(),
        'peak': way.peak(trace),
    }
    found = {name: float(size / GIB) for name, size in parts.items()}
    return dict(way=way.name, batch=trace.batch, **found)


def _largest(
    way: Way, step: FakeStep, traces: dict[int, Trace], memory: float
) -> dict[str, Any]:
    found = largest_batch(way, step, traces, memory * GIB)
    batch, peak = found or ('none', None)
    return {
        f'batch in {memory:g} GiB': batch,
        f'peak in {memory:g}': peak and float(peak / GIB),
    }


def _hours(flops: float, asked: Asked) -> dict[str, float]:
    if asked.tflops is None:
        return {}
    rate = asked.tflops * 1e12 * asked.utilisation * asked.gpus
    return {'hours an epoch': asked.pictures * flops / rate / 3600}


def _laws(cfg: Config, weights: int, asked: Asked) -> str:
    align = cfg.model.get('align_head')
    width = align.projector.out_channels if align else 0
    batch = asked.batches[0]
    rows = []
    for ranks in asked.ranks:
        moved = traffic(weights, ranks, batch, width)
        rows.append(
            {
                'ranks': ranks,
                'keys, MB': moved.keys / 1e6,
                'DDP, MB': moved.ddp / 1e6,
                'FSDP2, MB': moved.fsdp / 1e6,
            }
        )
    said = f'A rank sends in a step of {batch} pictures'
    # What other methods gather is not counted.
    keys = f', keys {width} wide' if width else ', no keys of an alignment'
    return f'{said}{keys}:\n\n{table(rows)}'
