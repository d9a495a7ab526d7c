# The same with the last layer's map in the place of all four.
_base_ = 'upernet_vit-tiny_pets.py'

custom_imports = dict(imports=['ccmim_mm', 'ccmim_tools.studies.tapped_maps'])
model = dict(neck=dict(type='LastMapPyramid'))
