# Other ways to choose masks by attention, tools/ccmim_tools/studies has them.
_base_ = 'ccmim_vit-tiny64.py'

custom_imports = dict(
    imports=['ccmim_mm', 'ccmim_tools.studies.mask_variants']
)
