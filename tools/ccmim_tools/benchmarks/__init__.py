"""What a step, its parts and its data cost: see ``ccmim bench``."""

#: All contenders, in the order of the tables.
NAMES = ('ccmim', 'ccmim_fast', 'mae', 'mmpretrain_mae', 'plain')
