"""Modules whose parameters get their shape from the first input."""

from __future__ import annotations

from itertools import chain

from .parameter import is_lazy


class LazyModuleMixin:
    """Put in front of a module class, it lets parameters start as `UninitializedParameter`.

    The subclass defines `initialize_parameters(*inputs)`, which materializes them. It is called with the inputs of the
    first call; the module then becomes a `cls_to_become`. Loading a ``state_dict`` also gives parameters their shape.
    """

    cls_to_become: type | None = None

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args, **kwargs) -> None:
        """Materialize the parameters for these inputs; every lazy module defines it."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module still has no shape."""
        return any(is_lazy(tensor) for tensor in chain(self._parameters.values(), self._buffers.values()))

    def _lazy_load_hook(self, state_dict, prefix, *_) -> None:
        for name, tensor in chain(self._parameters.items(), self._buffers.items()):
            saved = state_dict.get(prefix + name)
            if is_lazy(tensor) and saved is not None and not is_lazy(saved):
                tensor.materialize(saved.shape)

    @staticmethod
    def _infer_parameters(module, args: tuple, kwargs: dict) -> None:
        module.initialize_parameters(*args, **kwargs)
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
