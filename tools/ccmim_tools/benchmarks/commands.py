"""The commands of ``ccmim bench``."""

import argparse
import statistics
from typing import Any

from mmengine.config import Config

from ccmim_mm.engine.hooks.compile_layers_hook import compile_layers
from ccmim_mm.grids import as_size

from . import NAMES
from . import growth as growing
from .contenders import Contender, build_contender
from .data import DataRates, listing_cost
from .flops import step_flops
from .memory import peak_mib
from .methods import Loading, MethodStep, method_cost
from .report import environment, publish
from .timing import alternate, matmul_task, median_ratio, metered, now

#: Side of the square matrices that the machine's rate is measured with: big
#: enough to fill the device.
SIDES = dict(cpu=2048, cuda=8192)

#: What the name of a contender with compiled layers ends in.
COMPILED = '_compiled'


def _setting(args: argparse.Namespace, cfg: Config) -> dict[str, Any]:
    return dict(
        config=args.config,
        # An encoder of any size has none.
        img_size=cfg.model.backbone.get('img_size'),
        batch_size=args.batch_size,
        repeats=args.repeats,
        **environment(args.device),
    )


def _contenders(
    args: argparse.Namespace, cfg: Config, precision: str
) -> dict[str, Contender]:
    """Those of a precision, by name, and those that are compiled."""
    size = (cfg.model, args.batch_size, args.device, precision)
    built = {
        name: build_contender(name, *size)
        for name in NAMES
        # The release computes in fp32 and nothing else.
        if name != 'plain' or precision == 'fp32'
    }
    if args.compiled:
        for name in [*built]:
            # The release compiles nothing.
            if name != 'plain':
                compiled = build_contender(name, *size)
                compile_layers(compiled.model)
                built[f'{name}{COMPILED}'] = compiled
    return built


def compare(args: argparse.Namespace, cfg: Config) -> None:
    """All contenders in turns, with what they use of the machine."""
    device, batch = args.device, args.batch_size
    side = SIDES[device]
    tasks, all_flops = {}, {}
    flops = {name: step_flops(name, cfg.model)['step'] for name in NAMES}
    for precision in args.precision:
        for name, contender in _contenders(args, cfg, precision).items():
            tasks[f'{name} {precision}'] = contender.step
            count = flops[name.removesuffix(COMPILED)]
            all_flops[f'{name} {precision}'] = count * batch
        key = f'matmul {precision}'
        tasks[key] = matmul_task(device, precision, side)
        all_flops[key] = 2 * side**3
    seconds = alternate(tasks, device, args.repeats)
    rows = []
    for key, times in seconds.items():
        name, precision = key.split()
        rate = all_flops[key] / statistics.median(times)
        best = all_flops[f'matmul {precision}'] / statistics.median(
            seconds[f'matmul {precision}']
        )
        row = dict(
            contender=name,
            precision=precision,
            ms=statistics.median(times) * 1e3,
            **{'pictures/s': batch / statistics.median(times)},
        )
        for other in ('mmpretrain_mae', 'mae'):
            if f'{other} {precision}' in seconds:
                row[f'time / {other}'] = median_ratio(
                    times, seconds[f'{other} {precision}']
                )
        if 'plain fp32' in seconds:
            row['speed / plain'] = median_ratio(seconds['plain fp32'], times)
        row['GFLOP/s'] = rate / 1e9
        row['share of matmul'] = rate / best
        if name == 'matmul':
            row = {k: v for k, v in row.items() if '/ ' not in k}
            row['pictures/s'] = None
        elif name in NAMES and not args.no_memory:
            row['peak MiB'] = peak_mib(
                name, cfg.model, batch, device, precision
            )
        rows.append(row)
    rows.sort(key=lambda row: row['contender'] == 'matmul')
    setting = _setting(args, cfg) | dict(matmul=f'{side}^3')
    publish('compare', rows, setting, args.json)


def step(args: argparse.Namespace, cfg: Config) -> None:
    """One contender: milliseconds and FLOPs by part."""
    device = args.device
    what = (args.contender, cfg.model, args.batch_size, device, args.precision)
    contender = build_contender(*what)
    parts = contender.parts
    runs: list[dict[str, float]] = []
    rate = matmul_task(device, args.precision, SIDES[device])
    for _ in range(3):
        contender.step()
    for _ in range(args.repeats):
        sums: dict[str, float] = {}
        with metered(parts, lambda: now(device), sums):
            contender.step()
        sums['backward'] = sums['step'] - sums['forward'] - sums['optimizer']
        runs.append(sums)
    times = alternate(dict(matmul=rate), device, args.repeats)['matmul']
    matmul = 2 * SIDES[device] ** 3 / statistics.median(times)
    flops = step_flops(args.contender, cfg.model)
    rows, names = [], [*parts]
    names.insert(names.index('optimizer'), 'backward')
    for name in names:
        ms = statistics.median(run.get(name, 0.0) for run in runs) * 1e3
        row = dict(part=name, ms=ms, **{'GFLOP/picture': None, 'share': None})
        if flops.get(name):
            row['GFLOP/picture'] = flops[name] / 1e9
            total = flops[name] * args.batch_size
            row['share'] = total / (ms / 1e3) / matmul
        rows.append(row)
    setting = _setting(args, cfg) | dict(
        contender=args.contender,
        precision=args.precision,
        matmul_gflops=round(matmul / 1e9),
        peak_mib=round(peak_mib(*what)),
    )
    publish(f'step {args.contender}', rows, setting, args.json)


def data(args: argparse.Namespace, cfg: Config) -> None:
    """Pictures per second by worker count, and the cost of a long list."""
    if args.listing:
        row = dict(names=args.listing, **listing_cost(args.listing))
        publish('listing', [row], environment('cpu'), args.json)
    if not args.data:
        return
    from ccmim_mm.datasets.data_root import apply_data_root

    cfg.data_root = args.data
    apply_data_root(cfg)
    rows = []
    for workers in args.workers:
        rates = DataRates(cfg, workers, args.pictures, args.batch_size)
        pairs = [
            (rates.bare(), rates.pipeline()) for _ in range(args.repeats + 1)
        ][1:]
        bare, pipeline = zip(*pairs, strict=True)
        rows.append(
            {
                'workers': workers,
                'bare pictures/s': statistics.median(bare),
                'pipeline pictures/s': statistics.median(pipeline),
                'share': median_ratio(list(pipeline), list(bare)),
            }
        )
    seen = dict(img_size=as_size(rates.sizes[0]), views=len(rates.sizes))
    setting = _setting(args, cfg) | seen | dict(pictures=args.pictures)
    publish('data', rows, setting, args.json)


def growth(args: argparse.Namespace, cfg: Config) -> None:
    """Step time over batch, picture size and ranks, with the laws."""
    common = (args.device, args.precision, args.repeats)
    setting = _setting(args, cfg) | dict(precision=args.precision)
    rows = growing.batch_growth(cfg.model, args.batches, *common)
    publish('growth with the batch', rows, setting, args.json)
    rows = growing.size_growth(cfg.model, args.sizes, args.batch_size, *common)
    publish('growth with the picture', rows, setting, args.json)
    if args.device == 'cpu':
        rows = growing.rank_growth(
            cfg.model, args.batch_size, args.precision, args.repeats
        )
        publish('growth with the ranks', rows, setting, args.json)


def methods(args: argparse.Namespace, configs: dict[str, Config]) -> None:
    """Parameters, FLOPs and, in turns, time of any methods.

    Args:
        args: The command line's.
        configs: Pre-training configs by name; the times of the others are
            compared with the first one's.
    """
    rows: list[dict[str, Any]] = []
    for name, cfg in configs.items():
        cost = method_cost(cfg)
        figures = {
            'trained, M': cost['trained'],
            'encoder, M': cost['encoder'],
            'GFLOP/picture': cost['step'],
        }
        rows.append(dict(config=name, **figures))
    setting = environment(args.device)
    if args.repeats:
        times = _method_times(args, configs)
        for row in rows:
            row |= times[row['config']]
        setting |= dict(repeats=args.repeats)
    publish('methods', rows, setting, args.json)


def _method_times(
    args: argparse.Namespace, configs: dict[str, Config]
) -> dict[str, dict[str, float]]:
    """Milliseconds a picture, of the step and of loading, by config."""
    batches = {
        name: args.batch_size or cfg.train_dataloader.batch_size
        for name, cfg in configs.items()
    }
    tasks: dict[str, Any] = {
        f'step {name}': MethodStep(cfg, batches[name], args.device).step
        for name, cfg in configs.items()
    }
    if args.data:
        for name, cfg in configs.items():
            loading = Loading(cfg, args.data, batches[name])
            tasks[f'load {name}'] = loading.next
    seconds = alternate(tasks, args.device, args.repeats)
    spent = {
        name: [
            sum(parts) / batches[name]
            for parts in zip(
                *(seconds[task] for task in tasks if task.split()[1] == name),
                strict=True,
            )
        ]
        for name in configs
    }
    first = spent[next(iter(spent))]
    times = {}
    for name, batch in batches.items():
        row = {'batch': batch}
        for what in ('step', 'load') if args.data else ('step',):
            ms = statistics.median(seconds[f'{what} {name}']) * 1e3 / batch
            row[f'{what}, ms/picture'] = ms
        row['time / first'] = median_ratio(spent[name], first)
        times[name] = row
    return times
