# Boxes and masks of three breeds of pet, at 96 pixels: 3 epochs of 60 steps.
_base_ = '../../detection/mask-rcnn_vit-tiny_demo.py'

data_root = 'data/study/pets_dense'
max_epochs = 3
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=max_epochs, milestones=[2])
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
