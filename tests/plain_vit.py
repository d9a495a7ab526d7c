"""A ViT in plain torch, and its weights by other projects' names.

It shares no code with the package or with mmpretrain. Parameters are named
as timm does, with ``norm_pre`` for the norm in front that CLIP has.
"""

import torch

WIDTH, DEPTH, HEADS, GRID = 32, 3, 4, 4


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
    mask=None,
):  # fmt: skip
    """Tokens ``(B, L + 1, C)``; ``mask_token`` where ``mask`` is 1."""

    def linear(x, name):
        return linear_map(x, state, name)

    def norm(x, name):
        centred = x - x.mean(-1, keepdim=True)
        var = centred.square().mean(-1, keepdim=True)
        x = centred / (var + (1e-5 if clip else 1e-6)).sqrt()
        return x * state[f'{name}.weight'] + state[f'{name}.bias']

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
    x = torch.cat((cls, x), 1) + state['pos_embed']
    if clip:
        x = norm(x, 'norm_pre')
    for i in range(layers):
        block = f'blocks.{i}'
        qkv = linear(norm(x, f'{block}.norm1'), f'{block}.attn.qkv')
        q, k, v = (
            part.unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in qkv.chunk(3, -1)
        )
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        mixed = (weights @ v).transpose(1, 2).flatten(2)
        x = x + linear(mixed, f'{block}.attn.proj')
        hidden = linear(norm(x, f'{block}.norm2'), f'{block}.mlp.fc1')
        gate = (
            torch.sigmoid(1.702 * hidden)
            if clip
            else 0.5 * (1 + torch.erf(hidden / 2**0.5))
        )
        x = x + linear(hidden * gate, f'{block}.mlp.fc2')
    return norm(x, 'norm') if final else x


def linear_map(x, state, name):
    return x @ state[f'{name}.weight'].T + state[f'{name}.bias']


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
    """This project's names, with a decoder beside."""
    renamed = {}
    for name, value in state.items():
        for theirs, ours in (
            ('patch_embed.proj', 'patch_embed.projection'),
            ('blocks.', 'layers.'),
            ('.norm1', '.ln1'),
            ('.norm2', '.ln2'),
            ('mlp.fc1', 'ffn.layers.0.0'),
            ('mlp.fc2', 'ffn.layers.1'),
        ):
            name = name.replace(theirs, ours)
        if name.startswith('norm.'):
            name = name.replace('norm.', 'ln1.')
        renamed[f'backbone.{name}'] = value
    return renamed
