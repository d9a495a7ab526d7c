# With the labels of 1 % of ImageNet's training pictures: SimCLR's list of
# file names, one a line, as data/imagenet/meta/1percent.txt. 12,811 pictures
# are 13 steps an epoch.
_base_ = 'vit-b_finetune_100e_in1k.py'

# In the data folder
names_file = 'meta/1percent.txt'
train_dataloader = dict(dataset=dict(dataset=dict(names_file=names_file)))
train_cfg = dict(val_interval=10)
