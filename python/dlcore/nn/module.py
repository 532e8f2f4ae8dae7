"""`Module`, the base class of all layers and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ._hooks import HooksMixin
from ._state_dict import StateDictMixin
from .parameter import Buffer, Parameter


class Module(HooksMixin, StateDictMixin, _core.ModuleBase):
    """Base class of layers and models: it owns parameters, buffers and child modules, and is called like a function.

    A subclass calls ``super().__init__()`` first, assigns its parameters and children to attributes, and defines
    `forward`::

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(8, 64)
                self.out = nn.Linear(64, 4)

            def forward(self, x):
                return self.out(self.hidden(x).relu())

    Attributes:
        training: True after ``train()`` and at the start, False after ``eval()``.
        call_super_init: a class attribute; True makes ``__init__`` pass its arguments on to the next class, for
            cooperative mix-ins. Default: False.
    """

    training: bool
    call_super_init: bool = False

    def __init__(self, *args, **kwargs) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        self.__dict__.update(training=True, _parameters={}, _buffers={}, _non_persistent_buffers_set=set(), _modules={})
        self._init_hooks()
        self._init_state_dict()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *args, **kwargs):
        """What calling the module computes; every subclass defines it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # --- registering

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state without being a parameter.

        Args:
            name: the attribute it is found under.
            tensor: its value; None keeps the name without adding anything to ``state_dict``.
            persistent: whether it belongs to ``state_dict``. Default: True.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' (Tensor or None required)")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter.

        Args:
            name: the attribute it is found under.
            param: its value; None keeps the name (of a bias that is switched off, say).
        """
        self._check_name("parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_type_name(param)}' object to parameter '{name}' (nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                    f"explicitly. To express '{name}' as a function of another Tensor, compute the value in the "
                    "forward() method."
                )
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module, found under the attribute `name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: str, table: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_type_name(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in self.__dict__[table] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # --- attributes (reading them is ModuleBase's)

    def __setattr__(self, name: str, value) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            self._require_init("_parameters", "parameters")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._require_init("_modules", "module")
            self._forget(name, "_buffers", "_parameters")
            own["_modules"][name] = value
        elif isinstance(value, Buffer):
            self._require_init("_buffers", "buffers")
            self._forget(name, "_parameters", "_modules")
            self.register_buffer(name, value, value.persistent)
        elif name in own.get("_parameters", ()):
            if value is not None:
                raise _wrong_type(value, "parameter", name, "nn.Parameter or None")
            own["_parameters"][name] = None
        elif name in own.get("_modules", ()):
            if value is not None:
                raise _wrong_type(value, "child module", name, "nn.Module or None")
            own["_modules"][name] = None
        elif name in own.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise _wrong_type(value, "buffer", name, "nn.Buffer, Tensor or None")
            own["_buffers"][name] = value
        else:
            super().__setattr__(name, value)

    def _require_init(self, table: str, kind: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")

    def _forget(self, name: str, *tables: str) -> None:
        """Take `name` out of the instance's attributes and of these tables."""
        own = self.__dict__
        own.pop(name, None)
        for table in tables:
            own[table].pop(name, None)
        if "_buffers" in tables:
            own["_non_persistent_buffers_set"].discard(name)

    def __delattr__(self, name: str) -> None:
        for table in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(table, ()):
                del self.__dict__[table][name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._hooked = True  # the next call looks

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[:1].isdigit())

    # --- walking the tree

    def children(self) -> Iterator[Module]:
        """The direct child modules, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct children, each module once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once unless `remove_duplicate` is False."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module and all below it.

        Args:
            memo: modules to leave out; those that are visited are added.
            prefix: put in front of the names.
            remove_duplicate: give a module that occurs twice only once. Default: True.
        """
        memo = set() if memo is None else memo
        if remove_duplicate:
            if self in memo:
                return
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, prefix + ("." if prefix else "") + name, remove_duplicate)

    def _named_members(self, members: Callable, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True):
        """(dotted name, tensor) of what ``members(module)`` gives for this module and, with `recurse`, all below."""
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in members(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield path + ("." if path else "") + name, member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with `recurse` (the default), of all below it; each once."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter), as `parameters` gives them.

        Args:
            prefix: put in front of the names.
            recurse: include the modules below. Default: True.
            remove_duplicate: give a parameter that occurs twice only once. Default: True.
        """
        yield from self._named_members(lambda module: module._parameters.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with `recurse` (the default), of all below it; each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer), with the arguments of `named_parameters`."""
        yield from self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def get_submodule(self, target: str) -> Module:
        """The module of that dotted name (``""`` is this one); AttributeError where there is none."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` in the place of that dotted name.

        Args:
            target: the place; not empty.
            module: the new module.
            strict: raise AttributeError where nothing of that name is there yet. Default: False.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of that dotted name; AttributeError where there is none."""
        found = self._get_member(target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{target.rpartition('.')[2]}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of that dotted name; AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        found = self._get_member(target)
        if name not in self.get_submodule(path)._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    def _get_member(self, target: str):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        return getattr(module, name)

    # --- changing the whole tree

    def apply(self, fn: Callable[[Module], None]):
        """Call ``fn(module)`` for every module below and then for this one; returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True):
        """Replace all parameters (keeping the objects), their gradients and the buffers by `fn` of them."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for param in self._parameters.values():
                if param is not None:
                    grad = param.grad
                    param.grad = None
                    param.data = fn(param.data)
                    if grad is not None:
                        param.grad = fn(grad).requires_grad_(grad.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """Convert parameters and buffers in place: ``to(device)``, ``to(dtype)``, ``to(device, dtype)`` or
        ``to(tensor)``. A dtype applies to the floating-point ones only.

        Args:
            device, dtype: what to convert to; None leaves it as it is.
            non_blocking, memory_format: accepted, and without effect: copies on a CPU do not overlap, and memory
                order is the library's business.

        Returns:
            the module itself.

        Raises:
            TypeError: if `dtype` is not a floating-point type.
        """
        device, dtype = _parse_to(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")

        def convert(tensor):
            if device is not None:
                tensor = tensor.to(device)
            return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor

        return self._apply(convert)

    def type(self, dst_type):
        """Convert all parameters and buffers to a dtype."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def float(self):
        """Convert floating-point parameters and buffers to float32."""
        return self._apply(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def double(self):
        """Convert floating-point parameters and buffers to float64."""
        return self._apply(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def half(self):
        """Convert floating-point parameters and buffers to float16."""
        return self._apply(lambda tensor: tensor.half() if tensor.is_floating_point() else tensor)

    def bfloat16(self):
        """Convert floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda tensor: tensor.bfloat16() if tensor.is_floating_point() else tensor)

    def cpu(self):
        """Move parameters and buffers to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device=None):
        """Move parameters and buffers to a CUDA device; RuntimeError in a CPU build."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def to_empty(self, *, device, recurse: bool = True):
        """Replace parameters and buffers by tensors of the same shape without copying their values."""
        return self._apply(lambda tensor: _core.empty_like(tensor, device=device), recurse=recurse)

    def train(self, mode: bool = True):
        """Set training mode (or evaluation mode, with False) for this module and all below it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Set evaluation mode: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True):
        """Set whether gradients are computed for all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients of all parameters: to None, or to zeros where `set_to_none` is False."""
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                param.grad = param.grad.detach()
                param.grad.zero_()

    def share_memory(self):
        """Threads share a module's memory as it is; returns the module."""
        return self

    # --- text

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """The text between the parentheses of the module's `repr`, for subclasses to define."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): " + indent(repr(module)) for name, module in self._modules.items()]
        return format_repr(self._get_name(), lines, children)


def format_repr(name: str, lines: list[str], children: list[str]) -> str:
    """``Name(line)`` for one line without children, else one line each between the parentheses."""
    if len(lines) == 1 and not children:
        return f"{name}({lines[0]})"
    body = "".join(f"  {line}\n" for line in lines + children)
    return f"{name}(\n{body})" if body else f"{name}()"


def indent(text: str, by: str = "  ") -> str:
    """All lines of `text` but the first moved to the right."""
    return text.replace("\n", "\n" + by)


def _type_name(value) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _wrong_type(value, kind: str, name: str, expected: str) -> TypeError:
    return TypeError(f"cannot assign '{_type_name(value)}' as {kind} '{name}' ({expected} expected)")


def _parse_to(*args, device=None, dtype=None, non_blocking=False, memory_format=None, tensor=None):
    """(device, dtype) of the arguments of `Module.to`."""
    if len(args) > 4:
        raise TypeError(f"to: expected at most 4 positional arguments but got {len(args)}")
    if args and isinstance(args[0], Tensor):
        tensor, args = args[0], ()
    if tensor is not None:
        return tensor.device, tensor.dtype
    if args and isinstance(args[0], _core.dtype):
        dtype = args[0]
    elif args:
        device = args[0] if args[0] is not None else device
        dtype = args[1] if len(args) > 1 else dtype
    if dtype is not None and not isinstance(dtype, _core.dtype):
        raise TypeError(f"to: dtype must be a dtype, but got {_type_name(dtype)}")
    return device, dtype
