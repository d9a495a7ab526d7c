"""One run of a study, and its schedule."""

import functools
import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccmim_mm.config import read_config

from ..config_names import find_config
from ..overrides import as_override

#: The "method" that is fine-tuned from random weights.
NO_PRETRAINING = 'no_pretraining'


@dataclass(frozen=True)
class Run:
    """One run of ``ccmim train``.

    Attributes:
        dataset: Name of the data set.
        method: Name of the method.
        seed: Its seed.
        stage: ``'pretrain'``, ``'finetune'`` or the name of a transfer.
        config: Path or name of the config.
        options: Overrides of the config, by dotted keys.
        pretraining: The run that a fine-tuning starts from, if any.
        teacher: The run whose encoder this one learns from, if any.
        data: Folder of its pictures; None is called like the data set.
    """

    dataset: str
    method: str
    seed: int
    stage: str
    config: str
    options: dict[str, Any]
    pretraining: 'Run | None' = None
    teacher: 'Run | None' = None
    data: str | None = None

    @property
    def before(self) -> 'Run | None':
        """The run that has to be done first, if any."""
        return self.pretraining or self.teacher

    @property
    def depth(self) -> int:
        """How many runs have to be done before, one after another."""
        return 0 if self.before is None else self.before.depth + 1

    @property
    def name(self) -> str:
        """For people to read."""
        return f'{self.stage} {self.dataset} {self.method} seed {self.seed}'

    @property
    def record(self) -> dict[str, Any]:
        """What determines the run's outcome, for JSON.

        Raises:
            FileNotFoundError: If there is no such config.
        """
        before = self.pretraining.record if self.pretraining else None
        record = dict(
            config=self.config,
            content=config_digest(self.config),
            options=self.options,
            pretraining=before,
        )
        if self.teacher:
            record['teacher'] = self.teacher.record
        return record | (dict(data=self.data) if self.data else {})

    def work_dir(self, root: Path) -> Path:
        """Where the run's files lie."""
        seed = f'seed_{self.seed}'
        return root / self.stage / self.dataset / self.method / seed

    def pictures(self, data_root: Path) -> Path:
        """The folder of its data set, in that with one per data set."""
        return data_root / (self.data or self.dataset)

    def last_checkpoint(self, root: Path) -> Path:
        """Where its weights lie when it is done."""
        epochs = self.options['train_cfg.max_epochs']
        return self.work_dir(root) / f'epoch_{epochs}.pth'

    def command(self, root: Path, data_root: Path) -> list[str]:
        """The command line, which resumes where there is something."""
        command = [
            *(sys.executable, '-m', 'ccmim_tools', 'train', self.config),
            *('--data', str(self.pictures(data_root))),
            *('--work-dir', str(self.work_dir(root)), '--resume'),
        ]
        for option, run in (
            ('--pretrained', self.pretraining),
            ('--teacher', self.teacher),
        ):
            if run is not None:
                command += [option, str(run.last_checkpoint(root))]
        options = [as_override(k, v) for k, v in self.options.items()]
        return [*command, '--cfg-options', *options]


@functools.cache
def config_digest(path: str) -> str:
    """SHA-256 of what a config and those it is based on come to.

    Read once; ``cache_clear()`` reads anew.

    Raises:
        FileNotFoundError: If there is none.
    """
    content = read_config(find_config(path)).to_dict()
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def schedule(epochs: float, warmup: float) -> dict[str, Any]:
    """Overrides that bring a config's schedule to another length.

    The cosine runs to the end, and the run is evaluated before the start,
    half-way and at the end.

    Args:
        epochs: Epochs, rounded to a whole number.
        warmup: Of them the warm-up, not rounded.
    """
    epochs = round(epochs)
    half = math.ceil(epochs / 2)
    return {
        'train_cfg.max_epochs': epochs,
        'train_cfg.val_interval': half,
        'default_hooks.checkpoint.interval': half,
        'param_scheduler.0.end': warmup,
        'param_scheduler.1.begin': warmup,
        'param_scheduler.1.end': epochs,
        'param_scheduler.1.T_max': epochs - warmup,
    }
