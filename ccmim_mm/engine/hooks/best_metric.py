"""By what one checkpoint is better than another."""

import math
from collections.abc import Mapping
from logging import Logger
from typing import Any


class BestMetric:
    """Tells whether an evaluation is the best so far, by one metric.

    The metric and the rule are remembered beside the score: one of another
    is none to compare with.

    Args:
        name: The metric; ``auto`` is the first of the first evaluation.
        rule: Whether ``greater`` or ``less`` is better; None is ``less``
            for losses.
    """

    def __init__(self, name: str, rule: str | None) -> None:
        self.name = name
        self.rule = rule

    def told(
        self,
        metrics: Mapping[str, float],
        known: Mapping[str, Any],
        logger: Logger,
    ) -> dict[str, Any] | None:
        """What is to be remembered of an evaluation that is the best.

        Args:
            metrics: Its figures.
            known: What was remembered of the best before; empty of none.
            logger: Is told why nothing can be compared.

        Returns:
            None of an evaluation that is not.

        Raises:
            ValueError: If the first evaluation lacks the metric.
        """
        name = self.name
        if name == 'auto':
            name = known.get('best_metric') or next(iter(metrics))
        if name not in metrics:
            said = (
                f'default_hooks.checkpoint.save_best={name!r} is none of '
                f'{", ".join(metrics)}'
            )
            if 'best_score' not in known:
                raise ValueError(said)
            # It has no figure this time: not finite, say.
            logger.warning(said)
            return None
        rule = self.rule or ('less' if 'loss' in name else 'greater')
        score = float(metrics[name])
        told = dict(best_score=score, best_metric=name, best_rule=rule)
        best = known.get('best_score')
        if not self.is_same(told, known):
            logger.warning(
                f'save_best={name} ({rule}) begins anew: '
                f'{known["best_checkpoint"]}, which stays, is the best by '
                f'{known["best_metric"]} ({known["best_rule"]})'
            )
            best = None
        better = best is None or (
            score > best if rule == 'greater' else score < best
        )
        return told if math.isfinite(score) and better else None

    @staticmethod
    def is_same(told: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
        """Whether both are by one metric; older checkpoints do not tell."""
        return all(
            known.get(part, told[part]) == told[part]
            for part in ('best_metric', 'best_rule')
        )
