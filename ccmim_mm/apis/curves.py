"""Several runs' curves in one picture."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Literal

from mmengine.registry import MODELS

from ..config import read_config
from ..config_parts import class_of_part
from ..engine.runner.work_dir import config_of
from ..files import check_output, printable
from ..models import PretrainMethod
from ..run_files import read_summary
from ..visualization import History, plot_curves, training_rows

Axis = Literal['iterations', 'minutes']
#: Runs in a picture: the colours of matplotlib's cycle.
MOST = 10


def draw_curves(
    work_dirs: Sequence[str | Path], out_file: str | Path, over: Axis
) -> None:
    """Draw what runs logged and how they were evaluated.

    Args:
        work_dirs: Of the runs, finished or not. In the legend each has the
            part of its path that no other has.
        out_file: The PNG; must not exist.
        over: What the curves run over: iterations, or minutes of training,
            which are iterations times their median duration, so that a pause
            does not count.

    Raises:
        FileNotFoundError: If a folder is missing, or has no log of a
            training.
        FileExistsError: If the file exists.
        ValueError: If a folder is given twice, or more than ``MOST`` are; if
            one holds no config or several, no durations for minutes, or a
            damaged ``summary.json``.
    """
    check_output(out_file)
    places = [Path(place).resolve() for place in work_dirs]
    if len({*places}) < len(places):
        raise ValueError('a run is given twice: name each once')
    if len(places) > MOST:
        raise ValueError(
            f'{len(places)} runs, and {MOST} colours tell runs apart: draw '
            'them in several pictures'
        )
    runs = {
        name: read_history(place, over)
        for name, place in zip(_names(places), places, strict=True)
    }
    plot_curves(runs, out_file, 'iteration' if over == 'iterations' else over)


def read_history(work_dir: Path, over: Axis = 'iterations') -> History:
    """What a run logged, see :func:`draw_curves`."""
    if not work_dir.is_dir():
        raise FileNotFoundError(
            f'no folder {printable(work_dir)}: give the work dir of a run'
        )
    rows = training_rows(work_dir)
    if not rows:
        raise FileNotFoundError(
            f'{printable(work_dir)} has no log of a training '
            '(*/vis_data/scalars.json): give the work dir of a run that has '
            'logged a step, with LocalVisBackend in visualizer.vis_backends'
        )
    summary = read_summary(work_dir, 'evaluations') or dict(evaluations=[])
    points = summary['evaluations']
    if over == 'minutes':
        times = [row['time'] for row in rows if 'time' in row]
        if not times:
            raise ValueError(
                f'{printable(work_dir)} has logged no durations: draw it over '
                'iterations'
            )
        unit = median(times) / 60
        rows, points = (
            [dict(point, iter=point['iter'] * unit) for point in part]
            for part in (rows, points)
        )
    return History(rows, points, _method(work_dir).curves)


def _method(work_dir: Path) -> type[PretrainMethod]:
    """The class of the run's method; the base for any other model."""
    cfg = read_config(config_of(work_dir))
    scope = cfg.get('default_scope') or 'mmpretrain'
    with MODELS.switch_scope_and_registry(scope) as registry:
        kind = class_of_part(cfg.model, registry)
    if kind is None or not issubclass(kind, PretrainMethod):
        return PretrainMethod
    return kind


def _names(places: list[Path]) -> list[str]:
    """Of each path what it does not share with all others."""
    parts = [place.parts for place in places]
    if len(parts) == 1:
        return [parts[0][-1]]
    for end in (0, -1):
        while all(len(p) > 1 and p[end] == parts[0][end] for p in parts):
            parts = [p[1:] if end == 0 else p[:-1] for p in parts]
    return ['/'.join(part) for part in parts]
