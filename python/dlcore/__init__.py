"""dlcore: a deep-learning core with PyTorch's names, fast on an ordinary CPU."""

# `x as x` tells type checkers that x is meant to be found here.
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi

from . import _core
from ._core import *  # noqa: F403  the ops: one C++ function each
from ._core import bool, double, dtype, float, half, int, long, short  # noqa: A004  the dtypes' other names

from ._tensor import *  # noqa: F403  isort: skip
from . import autograd as autograd
from ._repr import set_printoptions as set_printoptions
from .autograd import enable_grad as enable_grad
from .autograd import inference_mode as inference_mode
from .autograd import no_grad as no_grad
from .autograd import set_grad_enabled as set_grad_enabled

__version__ = _core.build_info()["version"]
newaxis = None
strided, sparse_coo = "strided", "sparse_coo"
contiguous_format, preserve_format = "contiguous_format", "preserve_format"
channels_last, channels_last_3d = "channels_last", "channels_last_3d"

_SUBMODULES = (
    "backends",
    "cuda",
    "datasets",
    "diagnostics",
    "distributions",
    "interop",
    "jit",
    "linalg",
    "metrics",
    "model_selection",
    "models",
    "nn",
    "optim",
    "profiler",
    "train",
    "transforms",
    "utils",
)
_PLACES = {
    "save": "serialization",
    "load": "serialization",
    "export": "program",
    "compile": "_ecosystem",
    "autocast": "_ecosystem",
    "set_float32_matmul_precision": "_ecosystem",
    "get_float32_matmul_precision": "_ecosystem",
}


def __getattr__(name):
    """Submodules are imported when first used, which keeps `import dlcore` light."""
    import importlib

    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _PLACES:
        return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_SUBMODULES, *_PLACES})
