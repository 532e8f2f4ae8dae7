"""The hooks of a module: registering them, and the calls that run them."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable

from .. import _core
from .._core import Tensor
from ..utils.hooks import RemovableHandle


class HooksMixin:
    """Forward, backward and pre-hooks. `nn.Module` is made of it; `ModuleBase` starts `_call_with_hooks` where
    ``_hooked`` says that there may be one."""

    def _init_hooks(self) -> None:
        self.__dict__.update(
            _forward_hooks=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _backward_pre_hooks=OrderedDict(),
            _hooks_with_kwargs=OrderedDict(),
            _hooks_always_called=OrderedDict(),
        )

    def _add_hook(self, hooks, hook, prepend, with_kwargs=False, always_call=False) -> RemovableHandle:
        handle = RemovableHandle(hooks, extra=(self._hooks_with_kwargs, self._hooks_always_called))
        hooks[handle.id] = hook
        if with_kwargs:
            self._hooks_with_kwargs[handle.id] = True
        if always_call:
            self._hooks_always_called[handle.id] = True
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        self._hooked = True
        return handle

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Run ``hook(module, args)`` before each forward call.

        What it returns, unless None, replaces the positional arguments (one value is taken as the only argument).
        With `with_kwargs` it is ``hook(module, args, kwargs)`` and returns None or a pair (args, kwargs).

        Args:
            hook: the function.
            prepend: run it before the hooks that are there. Default: False.
            with_kwargs: pass the keyword arguments too. Default: False.
        """
        return self._add_hook(self._forward_pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Run ``hook(module, args, output)`` after each forward call; what it returns, unless None, replaces output.

        Args:
            hook: the function.
            prepend: run it before the hooks that are there. Default: False.
            with_kwargs: call it as ``hook(module, args, kwargs, output)``. Default: False.
            always_call: run it also where forward raises (with output None). Default: False.
        """
        return self._add_hook(self._forward_hooks, hook, prepend, with_kwargs, always_call)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Run ``hook(module, grad_output)`` before the module's gradients are computed; what it returns, unless None,
        is used as the gradient of the output. `grad_output` is a tuple."""
        return self._add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Run ``hook(module, grad_input, grad_output)`` once the gradients of the module's inputs are known; what it
        returns, unless None, is used in place of `grad_input`.

        Both are tuples, with None for what is not a tensor or needs no gradient. Only positional arguments have
        entries. Inputs and outputs must not be changed in place while such a hook is registered.
        """
        return self._add_hook(self._backward_hooks, hook, prepend)

    def _call_with_hooks(self, args: tuple, kwargs: dict):
        """Called by ``module(*args, **kwargs)`` in place of `forward` where hooks may be registered."""
        if not (self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks):
            self._hooked = False  # all of them have been removed
            return self.forward(*args, **kwargs)
        finished = set()
        output = None
        try:
            for id, hook in list(self._forward_pre_hooks.items()):
                args, kwargs = self._run_pre_hook(hook, id in self._hooks_with_kwargs, args, kwargs)
            backward = None
            if self._backward_hooks or self._backward_pre_hooks:
                backward = _BackwardHooks(self, len(args))
                args = backward.watch_inputs(args)
            output = self.forward(*args, **kwargs)
            for id, hook in list(self._forward_hooks.items()):
                finished.add(id)
                given = (args, kwargs) if id in self._hooks_with_kwargs else (args,)
                replaced = hook(self, *given, output)
                if replaced is not None:
                    output = replaced
            return output if backward is None else backward.watch_outputs(output)
        except Exception:
            self._run_always_called(finished, args, kwargs, output)
            raise

    def _run_pre_hook(self, hook, with_kwargs, args, kwargs):
        if not with_kwargs:
            replaced = hook(self, args)
            if replaced is None:
                return args, kwargs
            return (replaced if isinstance(replaced, tuple) else (replaced,)), kwargs
        replaced = hook(self, args, kwargs)
        if replaced is None:
            return args, kwargs
        if isinstance(replaced, tuple) and len(replaced) == 2:
            return replaced
        raise RuntimeError(
            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
        )

    def _run_always_called(self, finished, args, kwargs, output) -> None:
        for id, hook in list(self._forward_hooks.items()):
            if id not in self._hooks_always_called or id in finished:
                continue
            try:
                hook(self, *((args, kwargs) if id in self._hooks_with_kwargs else (args,)), output)
            except Exception as error:
                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception that was silenced as another "
                    f"error was raised in forward: {error}",
                    stacklevel=2,
                )


class _BackwardHooks:
    """Runs a module's backward hooks for one forward call: one identity in the graph in front of the module sees all
    gradients of its inputs together, one behind it all gradients of its outputs."""

    def __init__(self, module, number_of_inputs: int) -> None:
        self.module = module
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.hooks = list(module._backward_hooks.values())
        self.grad_output: tuple | None = None
        self.inputs: list[int] | None = None
        self.outputs: list[int] = []
        self.number_of_inputs = number_of_inputs
        self.number_of_outputs = 1

    def watch_inputs(self, args: tuple) -> tuple:
        args, self.inputs = _watch(self._on_grad_input, args)
        return args

    def watch_outputs(self, output):
        if isinstance(output, Tensor):
            watched, indices = _watch(self._on_grad_output, (output,))
            watched = watched[0]
        elif isinstance(output, tuple):
            self.number_of_outputs = len(output)
            watched, indices = _watch(self._on_grad_output, output)
        else:
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(output)}",
                stacklevel=3,
            )
            return output
        self.outputs = indices or []
        return watched

    def _on_grad_output(self, grads: tuple) -> tuple:
        grad_output = _spread(grads, self.outputs, self.number_of_outputs)
        for hook in self.pre_hooks:
            replaced = hook(self.module, grad_output)
            if replaced is None:
                continue
            replaced = replaced if isinstance(replaced, tuple) else (replaced,)
            if len(replaced) != len(grad_output):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(replaced)}, but expected {len(grad_output)}"
                )
            grad_output = replaced
        if self.inputs is None:  # no input needs a gradient: there is nothing to wait for
            for hook in self.hooks:
                returned = hook(self.module, (None,) * self.number_of_inputs, grad_output)
                if returned is not None and any(grad is not None for grad in returned):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None or None "
                        "for all gradients."
                    )
        else:
            self.grad_output = grad_output
        return tuple(grad_output[i] for i in self.outputs)

    def _on_grad_input(self, grads: tuple) -> tuple:
        if self.grad_output is None:  # the gradient did not come through the module's output
            return grads
        grad_input = _spread(grads, self.inputs, self.number_of_inputs)
        for hook in self.hooks:
            replaced = hook(self.module, grad_input, self.grad_output)
            if replaced is None:
                continue
            replaced = replaced if isinstance(replaced, tuple) else (replaced,)
            if len(replaced) != len(grad_input):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(replaced)}, but expected {len(grad_input)}"
                )
            grad_input = replaced
        self.grad_output = None
        return tuple(grad_input[i] for i in self.inputs)


def _watch(callback, values: tuple):
    """`values`, with those tensors that need a gradient passed through an identity whose backward is `callback`; and
    their places (None where there is none)."""
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
    if not (places and _core.is_grad_enabled()):
        return values, None
    watched = list(values)
    for i, tensor in zip(places, _identity().apply(callback, *(values[i] for i in places)), strict=True):
        watched[i] = tensor
    return (tuple(watched) if type(values) is tuple else type(values)(*watched)), places


def _spread(grads: tuple, places: list[int], count: int) -> tuple:
    spread = [None] * count
    for place, grad in zip(places, grads, strict=True):
        spread[place] = grad
    return tuple(spread)


_identity_function = None


def _identity():
    """The autograd function of `_watch`; made on first use."""
    global _identity_function
    if _identity_function is None:
        from ..autograd import Function

        class Identity(Function):
            @staticmethod
            def forward(ctx, callback, *tensors):
                ctx.callback = callback
                ctx.set_materialize_grads(False)
                return tensors

            @staticmethod
            def backward(ctx, *grads):
                return None, *ctx.callback(grads)

        _identity_function = Identity
    return _identity_function
