"""This package's models among those that mmpretrain knows by name."""

from pathlib import Path

from mmengine.config import Config
from mmpretrain.apis import ModelHub

from .datasets.data_root import leaves
from .files import printable

#: Configs, launchers and their index, where the family's tools look.
MIM = Path(__file__).parent / '.mim'


def register_models() -> None:
    """Have ``mmpretrain.list_models`` and ``get_model`` know the configs.

    Once; what is there already stays.
    """
    # Private, as nothing tells the names of an index that is registered.
    known = ModelHub._models_dict
    if 'ccmim_vit-b' in known:
        return
    before = {*known}
    ModelHub.register_model_index(MIM / 'model-index.yml', MIM)
    for name in known.keys() - before:
        known[name].data['Config'] = LazyConfig(known[name].config)


def find_config(name: str | Path) -> str | Path:
    """The path of a config of this project, by its name.

    Args:
        name: ``ccmim_vit-b``, ``classification/vit-b_finetune_own``; what is
            a path already, of a file or a folder, stays.

    Raises:
        FileNotFoundError: If it is neither.
    """
    if Path(name).exists():
        return name
    path = MIM / f'configs/configs/{name}.py'
    if not path.is_file():
        raise FileNotFoundError(
            f'no config {printable(name)}: neither a path nor one of '
            "mmpretrain.list_models('ccmim*')"
        )
    # In a clone the folder is a link.
    return path.resolve()


class LazyConfig:
    """A config that is read when the hub hands out a copy of its entry.

    Args:
        path: Of the config.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __deepcopy__(self, memo: dict) -> Config:
        return for_inferencers(Config.fromfile(self.path))


def for_inferencers(cfg: Config) -> Config:
    """A config as mmpretrain's inferencers read it.

    They look for the pipeline in the data set of the test, and know no
    wrappers.

    Args:
        cfg: The config, changed in place.
    """
    loader = cfg.get('test_dataloader')
    if loader is not None:
        loader.dataset = next(leaves(loader.dataset))
    return cfg
