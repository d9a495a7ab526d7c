"""Parameters' names in the formats that are known, beside this project's.

Pairs of ours and theirs, in which ``#`` stands for a layer's number.
"""

Pairs = list[tuple[str, str]]

LAYER: Pairs = [
    ('ln1', 'norm1'),
    ('attn.qkv', 'attn.qkv'),
    ('attn.proj', 'attn.proj'),
    ('ln2', 'norm2'),
    ('ffn.layers.0.0', 'mlp.fc1'),
    ('ffn.layers.1', 'mlp.fc2'),
]
ENCODER: Pairs = [
    ('backbone.cls_token', 'cls_token'),
    ('backbone.pos_embed', 'pos_embed'),
    ('backbone.patch_embed.projection', 'patch_embed.proj'),
    *((f'backbone.layers.#.{a}', f'blocks.#.{b}') for a, b in LAYER),
    ('backbone.ln1', 'norm'),
]
DECODER: Pairs = [
    ('neck.mask_token', 'mask_token'),
    ('neck.decoder_pos_embed', 'decoder_pos_embed'),
    ('neck.decoder_embed', 'decoder_embed'),
    *(
        (f'neck.decoder_blocks.#.{a}', f'decoder_blocks.#.{b}')
        for a, b in LAYER
    ),
    ('neck.ln1', 'decoder_norm'),
    ('neck.decoder_pred', 'decoder_pred'),
]
PROJECTOR: Pairs = [
    ('align_head.projector.fc0', 'projector.0'),
    ('align_head.projector.bn0', 'projector.1'),
    ('align_head.projector.fc1', 'projector.3'),
    ('align_head.projector.bn1', 'projector.4'),
]
CLIP: Pairs = [
    ('backbone.cls_token', 'class_embedding'),
    ('backbone.pos_embed', 'positional_embedding'),
    ('backbone.patch_embed.projection', 'conv1'),
    ('backbone.pre_norm', 'ln_pre'),
    *(
        (f'backbone.layers.#.{ours}', f'transformer.resblocks.#.{theirs}')
        for ours, theirs in (
            ('ln1', 'ln_1'),
            ('attn.qkv.weight', 'attn.in_proj_weight'),
            ('attn.qkv.bias', 'attn.in_proj_bias'),
            ('attn.proj', 'attn.out_proj'),
            ('ln2', 'ln_2'),
            ('ffn.layers.0.0', 'mlp.c_fc'),
            ('ffn.layers.1', 'mlp.c_proj'),
        )
    ),
    ('backbone.ln1', 'ln_post'),
]
#: Of transformers 4, whose files 5 reads and writes, too; the other way round
#: is not so. Queries, keys and values are three tensors there (``shapes``).
HF_LAYER: Pairs = [
    ('ln1', 'layernorm_before'),
    ('attn.qkv', 'attention.attention.qkv'),
    ('attn.proj', 'attention.output.dense'),
    ('ln2', 'layernorm_after'),
    ('ffn.layers.0.0', 'intermediate.dense'),
    ('ffn.layers.1', 'output.dense'),
]
HF: Pairs = [
    ('backbone.cls_token', 'embeddings.cls_token'),
    ('backbone.pos_embed', 'embeddings.position_embeddings'),
    (
        'backbone.patch_embed.projection',
        'embeddings.patch_embeddings.projection',
    ),
    *((f'backbone.layers.#.{a}', f'encoder.layer.#.{b}') for a, b in HF_LAYER),
    ('backbone.ln1', 'layernorm'),
]
HF_DECODER: Pairs = [
    ('neck.mask_token', 'decoder.mask_token'),
    ('neck.decoder_pos_embed', 'decoder.decoder_pos_embed'),
    ('neck.decoder_embed', 'decoder.decoder_embed'),
    *(
        (f'neck.decoder_blocks.#.{a}', f'decoder.decoder_layers.#.{b}')
        for a, b in HF_LAYER
    ),
    ('neck.ln1', 'decoder.decoder_norm'),
    ('neck.decoder_pred', 'decoder.decoder_pred'),
]
MOCO = 'module.base_encoder.'
PAIRS: dict[str, Pairs] = dict(
    ccmim=ENCODER + DECODER + PROJECTOR,
    mae=ENCODER + DECODER,
    timm=ENCODER,
    hf=HF,
    hf_mae=HF + HF_DECODER,
    dino=ENCODER,
    mocov3=[(ours, f'{MOCO}{theirs}') for ours, theirs in ENCODER],
    clip_visual=[(ours, f'visual.{theirs}') for ours, theirs in CLIP],
)
#: Formats that nothing is written in.
READ_ALONE = ('dino', 'mocov3', 'clip_visual')
FORMATS = ('project', *PAIRS)

#: What a format may hold beside the parts that it shares with the others: a
#: classifier, or parts of this project that the other format has not.
LEFT_OUT = dict(
    ccmim=('backbone.mask_token',),
    mae=('head.', 'align_head.', 'backbone.mask_token'),
    timm=(
        *('head.', 'align_head.', 'neck.', 'backbone.mask_token'),
        # Of DINOv2's encoder.
        'mask_token',
    ),
    hf=(
        *('head.', 'align_head.', 'neck.', 'backbone.mask_token'),
        # Of models for a task, and what pools for one.
        *('pooler.', 'classifier.', 'decoder.0.', 'embeddings.mask_token'),
    ),
    hf_mae=('head.', 'align_head.', 'backbone.mask_token'),
    dino=('head.', 'dino_head.', 'ibot_head.', 'mask_token'),
    mocov3=(f'{MOCO}head.', 'module.momentum_encoder.', 'module.predictor.'),
    # The map to the text's space, and the text's transformer.
    clip_visual=(
        *('visual.proj', 'transformer.', 'token_embedding.', 'ln_final.'),
        *('positional_embedding', 'text_projection', 'logit_scale'),
        *('input_resolution', 'context_length', 'vocab_size'),
    ),
)
