# A linear probe on your pictures in class folders, as in vit-b_finetune_own.
# One process x 64 pictures, lr = 0.1 * 64 / 256 = 0.025.
_base_ = 'vit-b_linear_90e_in1k.py'

# None takes the folders' names.
classes = None

train_dataloader = dict(batch_size=64)
val_dataloader = dict(batch_size=64)
test_dataloader = val_dataloader
val_evaluator = dict(topk=(1,))
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=0.1 * 64 / 256))
auto_scale_lr = dict(base_batch_size=64)
train_cfg = dict(val_interval=5)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=5))
