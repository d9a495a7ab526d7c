"""A config as the runner wants it: its data found, its classes counted."""

from mmengine.config import Config

from ..._stack import check_scope
from ...datasets.classes import apply_classes, find_dicts, has_classes
from ...datasets.data_root import apply_data_root


def prepare(cfg: Config) -> Config:
    """Settle what a config leaves to the data, and refuse what is unsafe.

    Args:
        cfg: The config, changed in place.

    Raises:
        ImportError: If what the task needs is not installed.
        FileNotFoundError: If the data folder lacks what the task needs.
        ValueError: If the classes do not fit, or annotations are pickles.
    """
    check_scope(cfg.get('default_scope', 'mmengine'))
    apply_data_root(cfg)
    if cfg.get('train_dataloader') and has_classes(cfg):
        apply_classes(cfg)
    _refuse_pickles(cfg)
    return cfg


def _refuse_pickles(cfg: Config) -> None:
    """Refuse annotation files that could run code.

    Raises:
        ValueError: For a pickle.
    """
    if cfg.get('trust_checkpoint'):
        return
    for holder in find_dicts(cfg.to_dict(), 'ann_file'):
        if str(holder['ann_file']).endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'{holder["ann_file"]} is refused: a pickle may run any '
                'code; convert it to JSON, or pass --trust-checkpoint if '
                'you trust whoever made it'
            )
