# Your pictures in class folders, DIR/train/CLASS/... and DIR/val/CLASS/...:
#     python tools/train.py configs/classification/vit-b_finetune_own.py \
#         --data DIR --pretrained CKPT.pth
# One process x 64 pictures, lr = 5e-4 * 64 / 256 = 1.25e-4.
_base_ = 'vit-b_finetune_100e_in1k.py'

# None takes the folders' names.
classes = None

train_dataloader = dict(batch_size=64)
val_dataloader = dict(batch_size=64)
test_dataloader = val_dataloader
val_evaluator = dict(topk=(1,))
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=5e-4 * 64 / 256))
auto_scale_lr = dict(base_batch_size=64)
train_cfg = dict(val_interval=5)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=5))
