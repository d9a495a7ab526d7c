# ccMIM for less: two approximations of the method, each measured in
# docs/performance.md. One line less switches one of them off.
_base_ = 'ccmim_vit-b.py'

model = dict(
    # Scores of the first layer, not summed over all: the paper's figure.
    backbone=dict(score_layers=1),
    # Of 147 masked patches the masked branch reads as many as are visible.
    align_patches=49,
)
