"""The release's mathematics, transcribed as plainly as it computes.

What an exact ccMIM is compared with: fp32, a full attention map in every
layer of every pass, a graph for the masked branch although it receives no
gradient, every patch decoded, and three scalars read from the device after
each step. Written for the benchmark, and not for training.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainAttention(nn.Module):
    """Self-attention that builds its map; ``(B, N, C)`` to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output, and the CLS row averaged over heads, ``(B, N-1)``."""
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        scale = (width // self.heads) ** -0.5
        attention = (query @ key.transpose(2, 3) * scale).softmax(dim=3)
        row = attention[:, :, 0, 1:].mean(dim=1)
        mixed = (attention @ value).transpose(1, 2)
        return self.proj(mixed.reshape(batch, length, width)), row


class PlainBlock(nn.Module):
    """A pre-norm transformer block that returns its CLS row as well."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = PlainAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, N, C)`` to the same, and the CLS row ``(B, N - 1)``."""
        mixed, row = self.attn(self.norm1(x))
        x = x + mixed
        return x + self.mlp(self.norm2(x)), row


class PlainCCMIM(nn.Module):
    """The released step: scored masks, reconstruction, alignment.

    Args:
        width: Encoder width C.
        depth: Encoder blocks.
        heads: Encoder heads.
        img_size: Side of the picture, in pixels.
        patch_size: Side of a patch, in pixels.
        decoder: Width, depth and heads of the decoder.
        mask_ratio: Share of the patches to hide, in (0, 1).
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        img_size: int = 224,
        patch_size: int = 16,
        decoder: tuple[int, int, int] = (512, 8, 16),
        mask_ratio: float = 0.75,
    ) -> None:
        super().__init__()
        self.patch_size, self.mask_ratio = patch_size, mask_ratio
        length = (img_size // patch_size) ** 2
        pixels = 3 * patch_size**2
        inner, inner_depth, inner_heads = decoder
        self.patch_embed = nn.Conv2d(3, width, patch_size, patch_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        # Values of a sine table or of noise: a step costs the same.
        table = torch.randn(1, length + 1, width)
        self.pos_embed = nn.Parameter(table, requires_grad=False)
        self.blocks = nn.ModuleList(
            PlainBlock(width, heads) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_embed = nn.Linear(width, inner)
        self.mask_token = nn.Parameter(torch.randn(1, 1, inner) * 0.02)
        table = torch.randn(1, length + 1, inner)
        self.decoder_pos_embed = nn.Parameter(table, requires_grad=False)
        self.decoder_blocks = nn.ModuleList(
            PlainBlock(inner, inner_heads) for _ in range(inner_depth)
        )
        self.decoder_norm = nn.LayerNorm(inner, eps=1e-6)
        self.decoder_pred = nn.Linear(inner, pixels)
        self.projector = nn.Sequential(
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, 256, bias=False),
            nn.BatchNorm1d(256, affine=False),
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The two losses of ``(B, 3, H, W)``."""
        tokens = self.patch_embed(images).flatten(2).transpose(1, 2)
        tokens = tokens + self.pos_embed[:, 1:]
        cls_token = self.cls_token + self.pos_embed[:, :1]
        cls_token = cls_token.repeat(len(images), 1, 1)

        scores = torch.zeros(tokens.shape[:2], device=tokens.device)
        with torch.no_grad():
            x = torch.cat((cls_token, tokens), dim=1)
            for block in self.blocks:
                x, row = block(x)
                scores = scores + row
        noise = torch.rand_like(scores).softmax(dim=1)
        order = (scores.softmax(dim=1) / noise).argsort(dim=1)
        restore = order.argsort(dim=1)
        count = int(order.shape[1] * (1 - self.mask_ratio))

        halves = []
        for ids in (order[:, :count], order[:, count:]):
            ids = ids.unsqueeze(2).repeat(1, 1, tokens.shape[2])
            x = torch.cat((cls_token, tokens.gather(1, ids)), dim=1)
            for block in self.blocks:
                x, _ = block(x)
            halves.append(self.norm(x))
        visible, masked = halves
        mask = (restore >= count).float()
        return dict(
            loss_rec=self._reconstruct(visible, restore, images, mask),
            loss_align=0.1 * self._align(visible[:, 0], masked[:, 0]),
        )

    def _reconstruct(
        self, visible: Tensor, restore: Tensor, images: Tensor, mask: Tensor
    ) -> Tensor:
        x = self.decoder_embed(visible)
        missing = restore.shape[1] + 1 - x.shape[1]
        hidden = self.mask_token.repeat(len(x), missing, 1)
        patches = torch.cat((x[:, 1:], hidden), dim=1)
        ids = restore.unsqueeze(2).repeat(1, 1, x.shape[2])
        x = torch.cat((x[:, :1], patches.gather(1, ids)), dim=1)
        x = x + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x, _ = block(x)
        pred = self.decoder_pred(self.decoder_norm(x))[:, 1:]
        side = self.patch_size
        grid = images.unflatten(3, (-1, side)).unflatten(2, (-1, side))
        target = grid.permute(0, 2, 4, 3, 5, 1).flatten(1, 2).flatten(2)
        mean = target.mean(dim=2, keepdim=True)
        var = target.var(dim=2, keepdim=True)
        target = (target - mean) / (var + 1e-6) ** 0.5
        error = ((pred - target) ** 2).mean(dim=2)
        return (error * mask).sum() / mask.sum()

    def _align(self, visible: Tensor, masked: Tensor) -> Tensor:
        queries = F.normalize(self.projector(visible), dim=1)
        keys = F.normalize(self.projector(masked), dim=1).detach()
        labels = torch.arange(len(queries), device=queries.device)
        return F.cross_entropy(queries @ keys.T / 0.5, labels)
