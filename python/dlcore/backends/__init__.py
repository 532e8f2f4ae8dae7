"""Choices that change how something is computed, not what."""

from . import conv as conv
