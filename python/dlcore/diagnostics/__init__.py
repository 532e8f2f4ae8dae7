"""Diagnostics of training: what goes through the layers (`watch`), which learning rate (`lr_find`), how large a batch
(`gradient_noise_scale`), overfitting and underfitting (`diagnose`).

The op that makes the first NaN is named by the anomaly mode, ``dlcore.autograd.detect_anomaly()``.
"""

from .fit import Diagnosis, diagnose
from .lr_find import LRFinder, lr_find
from .noise import GradientNoise, gradient_noise_scale
from .watch import Alarm, Statistics, Watch, watch

__all__ = [
    "Alarm",
    "Diagnosis",
    "GradientNoise",
    "LRFinder",
    "Statistics",
    "Watch",
    "diagnose",
    "gradient_noise_scale",
    "lr_find",
    "watch",
]
