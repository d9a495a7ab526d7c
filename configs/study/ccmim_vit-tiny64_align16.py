# Alignment with 16 of the 48 masked patches, as many as are visible.
_base_ = 'ccmim_vit-tiny64.py'

model = dict(align_patches=16)
