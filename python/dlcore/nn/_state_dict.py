"""Saving a module's state into a dictionary and loading it back."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from functools import partial

from .._core import Tensor, from_dlpack
from ..autograd.grad_mode import no_grad
from ..utils.hooks import RemovableHandle
from .parameter import Parameter, is_lazy

_EXTRA_STATE = "_extra_state"


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` returns: the keys that it missed, and those that it had no place for."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"

    __str__ = __repr__


class StateDictMixin:
    """``state_dict`` and ``load_state_dict`` with their hooks. `nn.Module` is made of it."""

    _version: int = 1

    def _init_state_dict(self) -> None:
        self.__dict__.update(
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
        )

    def _local_state(self):
        """(name, tensor) of this module's own parameters and persistent buffers, None entries left out."""
        for name, param in self._parameters.items():
            if param is not None:
                yield name, param
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                yield name, buffer

    def _has_extra(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(StateDictMixin, method)

    def get_extra_state(self):
        """State beyond parameters and buffers, for subclasses to define (with `set_extra_state`); it is kept in the
        ``state_dict`` under ``"_extra_state"``."""
        raise RuntimeError("get_extra_state: a subclass that keeps extra state must define this method")

    def set_extra_state(self, state) -> None:
        """Take back what `get_extra_state` gave."""
        raise RuntimeError("set_extra_state: a subclass that keeps extra state must define this method")

    # --- saving

    def _save_to_state_dict(self, destination, prefix: str, keep_vars: bool) -> None:
        """Put this module's own state, without its children's, into `destination`."""
        for name, tensor in self._local_state():
            destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()
        if self._has_extra("get_extra_state"):
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix: str = "", keep_vars: bool = False):
        """All parameters and persistent buffers of this module and its children, by name.

        The tensors share memory with the module's.

        Args:
            destination: a mapping to fill; a new ordered dictionary where it is None.
            prefix: put in front of every name. Default: "".
            keep_vars: keep the tensors' connection to the graph, instead of detaching them. Default: False.
        """
        if args:
            destination, prefix, keep_vars = (*args, *(destination, prefix, keep_vars)[len(args) :])
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook, is_public in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, metadata)
            if replaced is not None:
                if is_public:
                    raise RuntimeError("state_dict post-hook must return None")
                destination = replaced
        return destination

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Run ``hook(module, prefix, keep_vars)`` before the module's state is collected."""
        return _register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Run ``hook(module, state_dict, prefix, local_metadata)`` after the module's state is collected. It may
        change the dictionary in place and must return None."""
        return _register(self._state_dict_hooks, (hook, True))

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """As `register_state_dict_post_hook`, for hooks whose returned dictionary replaces the root module's."""
        return _register(self._state_dict_hooks, (hook, False))

    # --- loading

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        """Copy this module's own state, without its children's, out of `state_dict`; problems go into the lists."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        local_state = dict(self._local_state())
        for name, tensor in local_state.items():
            key = prefix + name
            if key in state_dict:
                self._load_tensor(name, tensor, key, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)

        extra_key = prefix + _EXTRA_STATE
        if self._has_extra("set_extra_state"):
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)

        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra_key:
                    name, dot, _ = key[len(prefix) :].partition(".")
                    if name not in (self._modules if dot else local_state):
                        unexpected_keys.append(key)

    def _load_tensor(self, name, tensor, key, saved, assign, error_msgs) -> None:
        if not isinstance(saved, Tensor) and hasattr(saved, "__dlpack__") and hasattr(saved, "detach"):
            try:
                saved = from_dlpack(saved.detach())  # PyTorch's
            except Exception as error:
                error_msgs.append(f'While copying the parameter named "{key}": {error}')
                return
        if not isinstance(saved, Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected a Tensor from checkpoint but received '
                f"{type(saved)}"
            )
            return
        if not is_lazy(tensor):
            if tensor.dim() == 0 and tuple(saved.shape) == (1,):
                saved = saved[0]
            if saved.shape != tensor.shape:
                error_msgs.append(
                    f"size mismatch for {key}: copying a param with shape {saved.shape} from checkpoint, "
                    f"the shape in current model is {tensor.shape}."
                )
                return
        try:
            with no_grad():
                if not assign:
                    tensor.copy_(saved)
                    return
                if isinstance(tensor, Parameter):
                    if isinstance(saved, Parameter):
                        saved.requires_grad_(tensor.requires_grad)
                    else:
                        saved = Parameter(saved, requires_grad=tensor.requires_grad)
                setattr(self, name, saved)
        except Exception as error:
            error_msgs.append(
                f'While copying the parameter named "{key}", whose dimensions in the model are {tensor.size()} and '
                f"whose dimensions in the checkpoint are {saved.size()}, an exception occurred : {error.args}."
            )

    def load_state_dict(self, state_dict: Mapping, strict: bool = True, assign: bool = False) -> IncompatibleKeys:
        """Copy parameters and buffers out of `state_dict` into this module and its children.

        Args:
            state_dict: names to tensors, as `state_dict()` gives them, or PyTorch's.
            strict: whether the keys must be exactly this module's. Default: True.
            assign: take the tensors themselves over instead of copying their values; an optimizer must then be made
                afterwards. Default: False.

        Returns:
            a named tuple of the lists `missing_keys` and `unexpected_keys`.

        Raises:
            TypeError: if `state_dict` is no mapping.
            RuntimeError: naming every missing or unexpected key (where strict) and every size that differs.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing, unexpected, errors = [], [], []
        incompatible = IncompatibleKeys(missing, unexpected)
        metadata = getattr(state_dict, "_metadata", None) or {}
        state_dict = OrderedDict(state_dict)  # hooks may change the copy
        state_dict._metadata = metadata

        def load(module, state, prefix: str = "") -> None:
            local_metadata = dict(metadata.get(prefix[:-1], {}))
            if assign:
                local_metadata["assign_to_params_buffers"] = True
            module._load_from_state_dict(state, prefix, local_metadata, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    start = prefix + name + "."
                    load(child, {key: value for key, value in state.items() if key.startswith(start)}, start)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, incompatible) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                        "values, if incompatible_keys need to be modified, it should be done inplace."
                    )

        load(self, state_dict)
        if strict:
            for kind, keys in (("Unexpected", unexpected), ("Missing", missing)):
                if keys:
                    errors.insert(0, f"{kind} key(s) in state_dict: " + ", ".join(f'"{key}"' for key in keys) + ". ")
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        return incompatible

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Run ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``
        before the module's own state is loaded."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        return _register(self._load_state_dict_pre_hooks, partial(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Run ``hook(module, incompatible_keys)`` after the module and its children are loaded. It may change the two
        lists of keys in place and must return None."""
        return _register(self._load_state_dict_post_hooks, hook)


def _register(hooks: OrderedDict, hook) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
