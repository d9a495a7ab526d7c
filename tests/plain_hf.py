"""transformers' ViT and ViTMAE in plain torch, by their files' own words.

Tensors are named as transformers 4 names them and sizes as its config does.
It shares no code with the package, mmpretrain or transformers.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file


def read(folder):
    """Tensors and config of a folder."""
    cfg = json.loads(Path(folder, 'config.json').read_text())
    return load_file(Path(folder, 'model.safetensors')), cfg


def encode(state, cfg, images, order=None, prefix=''):
    """Tokens behind the last norm, CLS first; of some patches, in order."""
    tokens = embed(state, cfg, images, f'{prefix}embeddings')
    if order is not None:
        rows = order[..., None].expand(-1, -1, tokens.shape[-1])
        tokens = tokens.gather(1, rows)
    table = state[f'{prefix}embeddings.position_embeddings']
    cls = state[f'{prefix}embeddings.cls_token'] + table[:, :1]
    x = torch.cat((cls.expand(len(images), -1, -1), tokens), 1)
    for i in range(cfg['num_hidden_layers']):
        layer = f'{prefix}encoder.layer.{i}'
        x = run(state, x, layer, cfg['num_attention_heads'], cfg)
    return norm(state, x, f'{prefix}layernorm', cfg)


def embed(state, cfg, images, place):
    side = cfg['patch_size']
    grid = cfg['image_size'] // side
    patches = [
        images[:, :, i * side :, j * side :][:, :, :side, :side].flatten(1)
        for i in range(grid)
        for j in range(grid)
    ]
    kernel = state[f'{place}.patch_embeddings.projection.weight']
    bias = state[f'{place}.patch_embeddings.projection.bias']
    x = torch.stack(patches, 1) @ kernel.flatten(1).T + bias
    return x + state[f'{place}.position_embeddings'][:, 1:]


def run(state, x, layer, heads, cfg):
    """One layer, its norms in front."""
    y = norm(state, x, f'{layer}.layernorm_before', cfg)
    query, key, value = (
        linear(state, y, f'{layer}.attention.attention.{part}')
        .unflatten(-1, (heads, -1))
        .transpose(1, 2)
        for part in ('query', 'key', 'value')
    )
    scores = query @ key.mT / query.shape[-1] ** 0.5
    mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
    x = x + linear(state, mixed, f'{layer}.attention.output.dense')
    y = norm(state, x, f'{layer}.layernorm_after', cfg)
    y = linear(state, y, f'{layer}.intermediate.dense')
    assert cfg['hidden_act'] == 'gelu'
    y = 0.5 * y * (1 + torch.erf(y / 2**0.5))
    return x + linear(state, y, f'{layer}.output.dense')


def decode(state, cfg, latent, order):
    """Pixels of every patch; ``order`` has those that were seen first."""
    x = linear(state, latent, 'decoder.decoder_embed')
    count = order.shape[1]
    hidden = state['decoder.mask_token'].expand(
        len(x), count - (x.shape[1] - 1), -1
    )
    tokens = torch.cat((x[:, 1:], hidden), 1)
    raster = torch.empty_like(tokens)
    rows = order[..., None].expand(-1, -1, tokens.shape[-1])
    raster.scatter_(1, rows, tokens)
    x = torch.cat((x[:, :1], raster), 1) + state['decoder.decoder_pos_embed']
    for i in range(cfg['decoder_num_hidden_layers']):
        layer = f'decoder.decoder_layers.{i}'
        x = run(state, x, layer, cfg['decoder_num_attention_heads'], cfg)
    x = norm(state, x, 'decoder.decoder_norm', cfg)
    return linear(state, x, 'decoder.decoder_pred')[:, 1:]


def norm(state, x, name, cfg):
    centred = x - x.mean(-1, keepdim=True)
    var = centred.square().mean(-1, keepdim=True)
    x = centred / (var + cfg['layer_norm_eps']).sqrt()
    return x * state[f'{name}.weight'] + state[f'{name}.bias']


def linear(state, x, name):
    return x @ state[f'{name}.weight'].T + state[f'{name}.bias']
