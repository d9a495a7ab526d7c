# Label maps of three breeds of pet, at 96 pixels.
_base_ = '../../segmentation/upernet_vit-tiny_demo.py'

data_root = 'data/study/pets_dense'
classes = ['background', 'Abyssinian', 'Bengal', 'american_bulldog']
max_iters = 400
param_scheduler = _base_.param_scheduler
param_scheduler[1]['end'] = max_iters
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=max_iters))
