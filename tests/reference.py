"""ccMIM's step in plain torch, written from the method's description alone.

It shares no code with the package or with mmpretrain: it reads a state dict
and computes everything explicitly, full attention maps included.
"""

import math

import torch


def linear(x, state, name):
    y = x @ state[f'{name}.weight'].T
    return y + state[f'{name}.bias'] if f'{name}.bias' in state else y


def layer_norm(x, state, name):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    x = (x - mean) / (var + 1e-6).sqrt()
    return x * state[f'{name}.weight'] + state[f'{name}.bias']


def block(x, state, name, heads):
    """One transformer block; returns its output and the attention map."""
    batch, n, width = x.shape
    qkv = linear(
        layer_norm(x, state, f'{name}.ln1'), state, f'{name}.attn.qkv'
    )
    q, k, v = (
        part.reshape(batch, n, heads, width // heads).transpose(1, 2)
        for part in qkv.split(width, dim=-1)
    )
    scale = math.sqrt(width // heads)
    attention = torch.softmax(q @ k.transpose(-2, -1) / scale, dim=-1)
    mixed = (attention @ v).transpose(1, 2).reshape(batch, n, width)
    x = x + linear(mixed, state, f'{name}.attn.proj')
    hidden = linear(
        layer_norm(x, state, f'{name}.ln2'), state, f'{name}.ffn.layers.0.0'
    )
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return x + linear(hidden, state, f'{name}.ffn.layers.1'), attention


def patchify(images, p):
    """(B, 3, H, W) to (B, L, p * p * 3): rows, columns, channels."""
    batch, _, height, width = images.shape
    rows = []
    for i in range(0, height, p):
        for j in range(0, width, p):
            patch = images[:, :, i : i + p, j : j + p]
            rows.append(patch.permute(0, 2, 3, 1).reshape(batch, -1))
    return torch.stack(rows, dim=1)


def embed(state, images, p):
    kernel = state['backbone.patch_embed.projection.weight']
    flat = kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1)
    tokens = patchify(images, p) @ flat.T
    tokens = tokens + state['backbone.patch_embed.projection.bias']
    return tokens + state['backbone.pos_embed'][:, 1:]


def encode(state, tokens, depth, heads):
    """Encoder over tokens (B, n, C): output (B, n + 1, C), CLS rows summed."""
    cls = state['backbone.cls_token'] + state['backbone.pos_embed'][:, :1]
    x = torch.cat([cls.repeat(len(tokens), 1, 1), tokens], dim=1)
    scores = 0
    for i in range(depth):
        x, attention = block(x, state, f'backbone.layers.{i}', heads)
        scores = scores + attention[:, :, 0, 1:].mean(dim=1)
    return layer_norm(x, state, 'backbone.ln1'), scores


def release_order(scores, noise):
    """The release's rule as it stands: softmax(a) / softmax(u)."""
    return torch.argsort(
        torch.softmax(scores, dim=1) / torch.softmax(noise, dim=1), dim=1
    )


def decode(state, visible, order, depth, heads):
    x = linear(visible, state, 'neck.decoder_embed')
    batch, length = order.shape
    full = state['neck.mask_token'].repeat(batch, length, 1)
    for b in range(batch):
        full = full.clone()
        full[b, order[b, : x.shape[1] - 1]] = x[b, 1:]
    x = torch.cat([x[:, :1], full], dim=1) + state['neck.decoder_pos_embed']
    for i in range(depth):
        x, _ = block(x, state, f'neck.decoder_blocks.{i}', heads)
    x = layer_norm(x, state, 'neck.ln1')
    return linear(x, state, 'neck.decoder_pred')[:, 1:]


def reconstruction(state, images, pred, order, num_visible, p):
    target = patchify(images, p)
    mean = target.mean(-1, keepdim=True)
    var = target.var(-1, keepdim=True, unbiased=True)
    error = ((pred - (target - mean) / (var + 1e-6).sqrt()) ** 2).mean(-1)
    masked = order[:, num_visible:]
    return error.gather(1, masked).mean()


def batch_norm(x, weight=1, bias=0):
    var = x.var(0, unbiased=False)
    return (x - x.mean(0)) / (var + 1e-5).sqrt() * weight + bias


def project(state, cls):
    name = 'align_head.projector'
    x = linear(cls, state, f'{name}.fc0')
    x = batch_norm(x, state[f'{name}.bn0.weight'], state[f'{name}.bn0.bias'])
    x = batch_norm(linear(torch.relu(x), state, f'{name}.fc1'))
    return x / x.norm(dim=1, keepdim=True)


def align(queries, keys, offset=0, temperature=0.5):
    """2T * cross entropy of each query against its key among all."""
    logits = queries @ keys.T / temperature
    own = torch.arange(len(queries)) + offset
    log_p = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    return -2 * temperature * log_p[torch.arange(len(queries)), own].mean()


def step(state, images, noise, ratio=0.75, p=8, depth=3, heads=4, ranks=1):
    """Both losses and the order of one step.

    With several ranks the pictures are split evenly; each rank normalises
    its own part and the mean over ranks is what gradients descend.
    """
    tokens = embed(state, images, p)
    with torch.no_grad():
        _, scores = encode(state, tokens, depth, heads)
        order = release_order(scores, noise)
    num_visible = int(order.shape[1] * (1 - ratio))

    def take(ids):
        return torch.stack([t[i] for t, i in zip(tokens, ids, strict=True)])

    visible, _ = encode(state, take(order[:, :num_visible]), depth, heads)
    with torch.no_grad():
        masked, _ = encode(state, take(order[:, num_visible:]), depth, heads)
    pred = decode(state, visible, order, depth=2, heads=2)
    rec = reconstruction(state, images, pred, order, num_visible, p)
    size = len(images) // ranks
    with torch.no_grad():
        keys = torch.cat(
            [project(state, part) for part in masked[:, 0].split(size)]
        )
    parts = [
        align(project(state, part), keys, offset=r * size)
        for r, part in enumerate(visible[:, 0].split(size))
    ]
    return dict(
        loss_rec=rec,
        loss_align=0.1 * torch.stack(parts).mean(),
        order=order,
        scores=scores,
    )
