"""This package's scope and its place among mmengine's family.

Its parts are registered with mmengine and mmpretrain, so configs name them
without a scope. The scope ``ccmim_mm`` is what mmengine gives to all that it
reads from a base ``ccmim_mm::...``; there a name means what it means in
mmpretrain.
"""

import mmpretrain.registry

# Private, and the only table that ``_base_ = 'ccmim_mm::...'`` is looked up
# in: importing this module enters the package there.
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import Registry

SCOPE = 'ccmim_mm'
MODULE2PACKAGE[SCOPE] = SCOPE


class ScopeRegistry(Registry):
    """An empty registry, for which mmpretrain's stands in.

    Args:
        stand_in: Of mmpretrain.
    """

    def __init__(self, stand_in: Registry) -> None:
        super().__init__(
            stand_in.name,
            build_func=stand_in.build_func,
            # Beside it, where other libraries look for scopes.
            parent=stand_in.parent or stand_in,
            scope=SCOPE,
        )
        self.stand_in = stand_in

    def get(self, key: str) -> type | None:
        """Look up a name, with this scope before it or without."""
        return self.stand_in.get(key.removeprefix(f'{SCOPE}.'))


#: By their names in ``mmpretrain.registry``: ``MODELS``, ``HOOKS``, ...
REGISTRIES = {
    name: ScopeRegistry(registry)
    for name, registry in vars(mmpretrain.registry).items()
    if isinstance(registry, Registry) and registry.scope == 'mmpretrain'
}
