"""Frozen models whose features are predicted."""

from .frozen_teacher import FrozenTeacher, Targets
from .mae_teacher import MAETeacher

__all__ = ['FrozenTeacher', 'MAETeacher', 'Targets']
