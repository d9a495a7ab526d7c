# The same with a norm on every map that the encoder hands on.
_base_ = 'upernet_vit-tiny_pets.py'

custom_imports = dict(imports=['ccmim_mm', 'ccmim_tools.studies.tapped_maps'])
model = dict(neck=dict(type='NormedPyramid'))
