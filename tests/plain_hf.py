"""transformers' ViT and ViTMAE in plain torch, by their files' own words.

Tensors are named as transformers 4 names them and sizes as its config does.
It shares no code with the package, mmpretrain or transformers.
"""

import json
from pathlib import Path

import torch
from plain import attend, gelu, linear, norm
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
    return norm(x, state, f'{prefix}layernorm', cfg['layer_norm_eps'])


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
    eps = cfg['layer_norm_eps']
    y = norm(x, state, f'{layer}.layernorm_before', eps)
    parts = (
        linear(y, state, f'{layer}.attention.attention.{part}')
        for part in ('query', 'key', 'value')
    )
    mixed, _ = attend(*parts, heads)
    x = x + linear(mixed, state, f'{layer}.attention.output.dense')
    y = norm(x, state, f'{layer}.layernorm_after', eps)
    y = linear(y, state, f'{layer}.intermediate.dense')
    assert cfg['hidden_act'] == 'gelu'
    return x + linear(gelu(y), state, f'{layer}.output.dense')


def decode(state, cfg, latent, order):
    """Pixels of every patch; ``order`` has those that were seen first."""
    x = linear(latent, state, 'decoder.decoder_embed')
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
    x = norm(x, state, 'decoder.decoder_norm', cfg['layer_norm_eps'])
    return linear(x, state, 'decoder.decoder_pred')[:, 1:]
