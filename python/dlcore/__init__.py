"""dlcore: a deep-learning core with PyTorch's names, fast on an ordinary CPU."""

from math import e, inf, nan, pi

from . import _core
from ._core import *  # noqa: F403  the ops: one C++ function each
from ._core import bool, double, dtype, float, half, int, long, short  # noqa: A004  the dtypes' other names

from ._tensor import *  # noqa: F403  isort: skip
from . import autograd
from ._repr import set_printoptions
from .autograd import enable_grad, inference_mode, no_grad, set_grad_enabled

__version__ = _core.build_info()["version"]
newaxis = None
contiguous_format, preserve_format = "contiguous_format", "preserve_format"
channels_last, channels_last_3d = "channels_last", "channels_last_3d"
