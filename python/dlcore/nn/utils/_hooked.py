"""What `weight_norm` and `spectral_norm` share: a parameter that a hook computes before `forward`."""

from __future__ import annotations

from ..._core import Tensor
from ..module import Module
from ..parameter import is_lazy


def find_hook(module: Module, name: str, kind: type):
    """The hook of that kind that computes ``module.name``, or None."""
    hooks = module._forward_pre_hooks.values()
    return next((hook for hook in hooks if isinstance(hook, kind) and hook.name == name), None)


def remove_hook(module: Module, hook) -> None:
    key = next(key for key, each in module._forward_pre_hooks.items() if each is hook)
    del module._forward_pre_hooks[key]


def hooked_parameter(module: Module, name: str, kind: type) -> Tensor:
    """``module.name``, a parameter that no hook of that kind computes yet."""
    if find_hook(module, name, kind) is not None:
        raise RuntimeError(f"Cannot register two {kind.title} hooks on the same parameter {name}")
    weight = module._parameters.get(name)
    if weight is None:
        raise AttributeError(f"{kind.title}: {type(module).__name__} has no parameter '{name}'")
    if is_lazy(weight):
        raise ValueError(
            f"{kind.title}: parameter '{name}' is not initialized. Run the module once before normalizing its weight."
        )
    return weight
