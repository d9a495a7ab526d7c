"""Means, spreads and paired differences over seeds."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import stats

from .results import Row


class Spread(NamedTuple):
    """Values over seeds.

    Attributes:
        mean: Their mean.
        std: Standard deviation of the sample; nan of one.
        seeds: How many.
    """

    mean: float
    std: float
    seeds: int


class Difference(NamedTuple):
    """Differences between two methods at the same seeds.

    Attributes:
        mean: Their mean.
        half: Half the width of the 95 % interval of the mean (Student's t
            over the seeds); nan of one.
        seeds: How many both have.
    """

    mean: float
    half: float
    seeds: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return bool(abs(self.mean) > self.half)


def final_values(
    rows: Iterable[Row], dataset: str, method: str, column: str
) -> dict[int, float]:
    """The last value of each seed."""
    values = {}
    for row in rows:
        same = (row['dataset'], row['method']) == (dataset, method)
        if same and row[column] is not None:
            values[row['seed']] = row[column]
    return values


def spread(values: Iterable[float]) -> Spread:
    """Mean and standard deviation of one value per seed."""
    array = np.array([*values], dtype=float)
    std = array.std(ddof=1) if len(array) > 1 else np.nan
    return Spread(float(array.mean()), float(std), len(array))


def paired(
    values: dict[int, float], reference: dict[int, float]
) -> Difference | None:
    """Differences at the seeds that both have; None if there is none."""
    seeds = values.keys() & reference.keys()
    if not seeds:
        return None
    mean, std, count = spread(values[s] - reference[s] for s in seeds)
    quantile = stats.t.ppf(0.975, count - 1) if count > 1 else np.nan
    return Difference(mean, float(quantile * std / count**0.5), count)
