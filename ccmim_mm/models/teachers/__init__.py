"""Frozen models whose features are predicted."""

from .frozen_teacher import FrozenTeacher, Targets

__all__ = ['FrozenTeacher', 'Targets']
