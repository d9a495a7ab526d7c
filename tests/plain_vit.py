"""A ViT in plain torch, and its weights by other projects' names.

It shares no code with the package or with mmpretrain. Parameters are named
as timm does, with ``norm_pre`` for the norm in front that CLIP has.
"""

import re

import torch
from plain import attend, gelu, linear, norm

WIDTH, DEPTH, HEADS, GRID = 32, 3, 4, 4
#: Parts of names, timm's and this project's.
NAMES = (
    ('patch_embed.proj.', 'patch_embed.projection.'),
    ('blocks.', 'layers.'),
    ('.norm1', '.ln1'),
    ('.norm2', '.ln2'),
    ('mlp.fc1', 'ffn.layers.0.0'),
    ('mlp.fc2', 'ffn.layers.1'),
)


def random_vit(patch=8, clip=False, seed=0, channels=3, patches=GRID**2):
    """Weights of an encoder, far enough from zero for all to matter."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape, scale=0.2):
        return torch.randn(shape, generator=generator) * scale

    state = {
        'cls_token': draw(1, 1, WIDTH),
        'pos_embed': draw(1, patches + 1, WIDTH),
        'patch_embed.proj.weight': draw(WIDTH, channels, patch, patch),
    }
    norms = ['norm']
    if clip:
        norms.append('norm_pre')
    else:
        state['patch_embed.proj.bias'] = draw(WIDTH)
    for i in range(DEPTH):
        norms += [f'blocks.{i}.norm1', f'blocks.{i}.norm2']
        for part, out, into in (
            ('attn.qkv', 3 * WIDTH, WIDTH),
            ('attn.proj', WIDTH, WIDTH),
            ('mlp.fc1', 2 * WIDTH, WIDTH),
            ('mlp.fc2', WIDTH, 2 * WIDTH),
        ):
            state[f'blocks.{i}.{part}.weight'] = draw(out, into)
            state[f'blocks.{i}.{part}.bias'] = draw(out)
    for name in norms:
        state[f'{name}.weight'] = 1 + draw(WIDTH)
        state[f'{name}.bias'] = draw(WIDTH)
    return state


def forward(
    state, images, heads=HEADS, clip=False, layers=DEPTH, final=False,
    mask=None, scales=('', ''),
):  # fmt: skip
    """Tokens ``(B, L + 1, C)``.

    ``mask_token`` is where ``mask`` is 1. The CLS token may have no position,
    and the two parts of a block a scale of each channel, by name.
    """
    eps = 1e-5 if clip else 1e-6
    act = (lambda x: x * torch.sigmoid(1.702 * x)) if clip else gelu
    kernel = state['patch_embed.proj.weight']
    p = kernel.shape[-1]
    patches = torch.stack(
        [
            images[:, :, i : i + p, j : j + p].flatten(1)
            for i in range(0, images.shape[2], p)
            for j in range(0, images.shape[3], p)
        ],
        dim=1,
    )
    x = patches @ kernel.flatten(1).T + state.get('patch_embed.proj.bias', 0)
    if mask is not None:
        x = torch.where(mask[..., None].bool(), state['mask_token'], x)
    cls = state['cls_token'].expand(len(x), -1, -1)
    table = state['pos_embed']
    if table.shape[1] == x.shape[1]:
        table = torch.cat((torch.zeros_like(table[:, :1]), table), 1)
    x = torch.cat((cls, x), 1) + table
    if clip:
        x = norm(x, state, 'norm_pre', eps)
    for i in range(layers):
        block = f'blocks.{i}'
        of_attention, of_mlp = (
            state.get(f'{block}.{name}', 1) for name in scales
        )
        y = norm(x, state, f'{block}.norm1', eps)
        qkv = linear(y, state, f'{block}.attn.qkv')
        mixed, _ = attend(*qkv.chunk(3, -1), heads)
        x = x + of_attention * linear(mixed, state, f'{block}.attn.proj')
        y = norm(x, state, f'{block}.norm2', eps)
        hidden = act(linear(y, state, f'{block}.mlp.fc1'))
        x = x + of_mlp * linear(hidden, state, f'{block}.mlp.fc2')
    return norm(x, state, 'norm', eps) if final else x


def prefixed(state, prefix):
    return {f'{prefix}{name}': value for name, value in state.items()}


def as_timm(state):
    return state | {'head.weight': torch.zeros(5, WIDTH)}


def as_dino(state, wrapper=''):
    """DINO's full checkpoint: two networks with heads, and the rest."""
    network = prefixed(state, f'{wrapper}backbone.')
    network[f'{wrapper}head.mlp.0.weight'] = torch.zeros(3, WIDTH)
    other = {name: torch.full_like(v, 9.0) for name, v in network.items()}
    return dict(student=other, teacher=network, epoch=3)


def as_mocov3(state):
    other = {name: torch.full_like(v, 9.0) for name, v in state.items()}
    return dict(
        state_dict=prefixed(state, 'module.base_encoder.')
        | prefixed(other, 'module.momentum_encoder.')
        | {
            'module.base_encoder.head.0.weight': torch.zeros(3, WIDTH),
            'module.predictor.0.weight': torch.zeros(3, 3),
        }
    )


def as_clip(state, text=True):
    """OpenAI's names, with the text's transformer or without."""
    renamed = {}
    for name, value in state.items():
        for theirs, ours in (
            ('patch_embed.proj', 'conv1'),
            ('norm_pre', 'ln_pre'),
            ('blocks.', 'transformer.resblocks.'),
            ('.norm1', '.ln_1'),
            ('.norm2', '.ln_2'),
            ('attn.qkv.', 'attn.in_proj_'),
            ('attn.proj', 'attn.out_proj'),
            ('mlp.fc1', 'mlp.c_fc'),
            ('mlp.fc2', 'mlp.c_proj'),
        ):
            name = name.replace(theirs, ours)
        if name.startswith('norm.'):
            name = name.replace('norm.', 'ln_post.')
        renamed[name] = value
    renamed['class_embedding'] = renamed.pop('cls_token')[0, 0]
    renamed['positional_embedding'] = renamed.pop('pos_embed')[0]
    renamed['proj'] = torch.zeros(WIDTH, 5)
    if not text:
        return renamed
    return prefixed(renamed, 'visual.') | {
        'transformer.resblocks.0.ln_1.weight': torch.zeros(7),
        'positional_embedding': torch.zeros(77, 7),
        'token_embedding.weight': torch.zeros(9, 7),
        'ln_final.weight': torch.zeros(7),
        'text_projection': torch.zeros(7, 5),
        'logit_scale': torch.tensor(4.6),
    }


def as_project(state):
    """This project's names."""
    renamed = {}
    for name, value in state.items():
        for theirs, ours in NAMES:
            name = name.replace(theirs, ours)
        name = re.sub(r'^norm\.', 'ln1.', name)
        renamed[f'backbone.{name}'] = value
    return renamed


def timm_name(name):
    """That of a tensor of this project's encoder."""
    for theirs, ours in reversed(NAMES):
        name = name.replace(ours, theirs)
    return re.sub(r'^ln1\.', 'norm.', name)
