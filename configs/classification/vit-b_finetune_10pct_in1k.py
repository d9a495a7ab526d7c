# With the labels of 10 %: SimCLR's list, data/imagenet/meta/10percent.txt.
_base_ = 'vit-b_finetune_1pct_in1k.py'

# In the data folder
names_file = 'meta/10percent.txt'
train_dataloader = dict(dataset=dict(dataset=dict(names_file=names_file)))
