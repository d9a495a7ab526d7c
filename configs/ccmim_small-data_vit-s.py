# For a data set of some thousand pictures and one GPU:
#     python tools/train.py configs/ccmim_small-data_vit-s.py --data DIR
# ccMIM with the alignment's gradient in both branches. On small data it did
# better than the release's one; measured with a tiny encoder at 64 pixels, not
# at this size: docs/study/README.md.
_base_ = 'ccmim_vit-s.py'

model = dict(masked_grad=True)

train_dataloader = dict(batch_size=256)
# lr: 1.5e-4 x 256 pictures a step / 256
optim_wrapper = dict(accumulative_counts=1, optimizer=dict(lr=1.5e-4))
auto_scale_lr = dict(base_batch_size=256)
