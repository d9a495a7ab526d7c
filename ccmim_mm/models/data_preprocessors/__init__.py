"""Normalising pictures on the device."""

from .channels_preprocessor import OF_THE_PICTURES, ChannelsPreprocessor

__all__ = ['OF_THE_PICTURES', 'ChannelsPreprocessor']
