"""Decoders."""

from .ccmim_pretrain_decoder import CCMIMPretrainDecoder

__all__ = ['CCMIMPretrainDecoder']
