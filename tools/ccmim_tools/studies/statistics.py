"""Means, spreads and paired differences over seeds."""

from typing import NamedTuple

import pandas as pd
from scipy import stats


class Spread(NamedTuple):
    """Values over seeds.

    Attributes:
        mean: Their mean; nan of none.
        std: Standard deviation of the sample; nan of one.
        seeds: How many.
    """

    mean: float
    std: float
    seeds: int


class Difference(NamedTuple):
    """Differences between two methods at the same seeds.

    Attributes:
        mean: Their mean; nan of none.
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


def final_values(rows: pd.DataFrame) -> pd.DataFrame:
    """What each run ended with, by method and seed.

    Args:
        rows: Of one data set, see :func:`studies.results.collect`: the last
            of a run's is its end. What was not measured there is nan, and
            not what was measured before.
    """
    ends = rows.groupby(['method', 'seed'], sort=False).tail(1)
    return ends.set_index(['method', 'seed']).select_dtypes('number')


def paired(final: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Differences of :func:`final_values` to one method's at the same seed.

    They are nan where that has none.
    """
    base = final.query('method == @reference').droplevel('method')
    return final.sub(base.reindex(final.index, level='seed'))


def spread(values: pd.Series) -> Spread:
    """Mean and standard deviation of one value per seed."""
    return Spread(values.mean(), values.std(), int(values.count()))


def interval(differences: pd.Series) -> Difference:
    """Mean of paired differences and its interval."""
    count = int(differences.count())
    half = stats.t.ppf(0.975, count - 1) * differences.sem()
    return Difference(differences.mean(), float(half), count)


def spread_cell(values: pd.Series) -> str | None:
    """Mean, standard deviation and seeds for a table; None of none."""
    mean, std, seeds = spread(values)
    deviation = f' ± {std:.1f}' if seeds > 1 else ''
    return f'{mean:.1f}{deviation} ({seeds})' if seeds else None


def difference_cell(differences: pd.Series) -> str | None:
    """Mean, interval and seeds for a table, bold if clear; None of none."""
    mean, half, seeds = found = interval(differences)
    if seeds < 2:
        return f'{mean:+.1f} (1)' if seeds else None
    text = f'{mean:+.1f} ± {half:.1f}'
    return f'**{text}** ({seeds})' if found.is_clear else f'{text} ({seeds})'
