"""Frozen models whose features are predicted."""

from .frozen_teacher import FrozenTeacher
from .mae_teacher import MAETeacher
from .targets import Targets

__all__ = ['FrozenTeacher', 'MAETeacher', 'Targets']
