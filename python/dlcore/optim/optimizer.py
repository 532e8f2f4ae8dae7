"""`Optimizer`, the base class of all optimizers."""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import wraps

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import enable_grad
from ..utils.hooks import RemovableHandle


class _Required:
    """The default of an option that every parameter group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def _with_hooks(step: Callable) -> Callable:
    """`step`, with the hooks of the optimizer around it; schedulers see that it was called."""

    @wraps(step)
    def hooked(self, *args, **kwargs):
        self._opt_called = True
        if not (self._step_pre_hooks or self._step_post_hooks) or self._in_step:
            return step(self, *args, **kwargs)
        self._in_step = True  # a step that calls super().step() runs the hooks once
        try:
            for hook in list(self._step_pre_hooks.values()):
                replaced = hook(self, args, kwargs)
                if replaced is not None:
                    if not (isinstance(replaced, tuple) and len(replaced) == 2):
                        raise RuntimeError(
                            f"{step.__qualname__} must return None or a tuple of (new_args, new_kwargs), but got "
                            f"{replaced}."
                        )
                    args, kwargs = replaced
            result = step(self, *args, **kwargs)
            for hook in list(self._step_post_hooks.values()):
                hook(self, args, kwargs)
            return result
        finally:
            self._in_step = False

    return hooked


class Optimizer:
    """Changes parameters along their gradients. A subclass defines `step`.

    Args:
        params: tensors, (name, tensor) pairs, or dictionaries (parameter groups) whose "params" is a tensor or
            several, and whose other entries override the defaults for that group.
        defaults: the options of groups that do not give them.

    Attributes:
        param_groups: the list of groups; an option is changed by assigning, ``param_groups[0]["lr"] = 0.1``.
        state: for each parameter, what the optimizer remembers of it.
        defaults: the options as they were given.

    Raises:
        TypeError: if `params` is a tensor, or holds something that is none.
        ValueError: if it is empty, holds a tensor that is no leaf of the graph, or one tensor in two groups.
    """

    def __init__(self, params: Iterable, defaults: dict) -> None:
        self.defaults = defaults
        self._init_hooks()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + type(params).__name__
            )
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)

    def _init_hooks(self) -> None:
        self._in_step = False
        self._step_pre_hooks = OrderedDict()
        self._step_post_hooks = OrderedDict()
        self._state_dict_pre_hooks = OrderedDict()
        self._state_dict_post_hooks = OrderedDict()
        self._load_state_dict_pre_hooks = OrderedDict()
        self._load_state_dict_post_hooks = OrderedDict()

    def __getstate__(self) -> dict:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if "_step_pre_hooks" not in self.__dict__:
            self._init_hooks()

    def __repr__(self) -> str:
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            options = (f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            text += f"\nParameter Group {i}\n" + "".join(options)
        return text + ")"

    # --- parameter groups

    def add_param_group(self, param_group: dict) -> None:
        """Add parameters, with options of their own.

        Args:
            param_group: "params", a tensor or several or (name, tensor) pairs, and options.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                "sets will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [param[0] for param in params if isinstance(param, tuple)]
        if names:
            if len(names) != len(params):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            params = [param for _, param in params]
            param_group["param_names"] = names
        param_group["params"] = params

        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}")
            if not (param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)

        if len({id(param) for param in params}) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error",
                stacklevel=3,
            )
        taken = {id(param) for group in self.param_groups for param in group["params"]}
        if any(id(param) in taken for param in params):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and bool(names) != ("param_names" in self.param_groups[0]):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if names else 'without'} names to the optimizer"
            )
        self.param_groups.append(param_group)

    # --- steps

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients of all parameters: to None, or to zeros where `set_to_none` is False."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad = param.grad.detach()
                    param.grad.zero_()

    def step(self, closure: Callable | None = None):
        """Change the parameters once.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            what the closure returned, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step")

    @staticmethod
    def _evaluate(closure: Callable | None):
        if closure is None:
            return None
        with enable_grad():
            return closure()

    # --- saving and loading

    def state_dict(self) -> dict:
        """The optimizer's memory and options, with each parameter replaced by its number.

        Returns:
            {"state": {number: {name: tensor}}, "param_groups": [{..., "params": [numbers]}]}.
        """
        for hook in self._state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            groups.append({**group, "params": [numbers[id(param)] for param in group["params"]]})
        state = {
            numbers.get(id(param), param): {key: _saved_value(key, value) for key, value in own.items()}
            for param, own in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in self._state_dict_post_hooks.values():
            replaced = hook(self, result)
            if replaced is not None:
                result = replaced
        return result

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what `state_dict` gave, here or in PyTorch. Tensors are converted to their parameter's dtype, but
        not the counts "step" and the products "mu_product".

        Raises:
            ValueError: if the groups differ in number or size.
        """
        state_dict = dict(state_dict)
        for hook in self._load_state_dict_pre_hooks.values():
            replaced = hook(self, state_dict)
            if replaced is not None:
                state_dict = replaced
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(self.param_groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        params = {}
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            if len(group["params"]) != len(saved["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
            params.update(zip(saved["params"], group["params"], strict=True))
            saved["params"] = group["params"]
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        state = defaultdict(dict)
        for number, own in state_dict["state"].items():
            param = params.get(number)
            state[number if param is None else param] = own if param is None else _loaded_value(param, None, own)
        self.__setstate__({"state": state, "param_groups": saved_groups})
        for hook in self._load_state_dict_post_hooks.values():
            hook(self)

    # --- hooks

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Run ``hook(optimizer, args, kwargs)`` before each step; it may return new (args, kwargs)."""
        return _register(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Run ``hook(optimizer, args, kwargs)`` after each step."""
        return _register(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Run ``hook(optimizer)`` before `state_dict`."""
        return _register(self._state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Run ``hook(optimizer, state_dict)`` after `state_dict`; it may return another one."""
        return _register(self._state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Run ``hook(optimizer, state_dict)`` before `load_state_dict`; it may return another one."""
        return _register(self._load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Run ``hook(optimizer)`` after `load_state_dict`."""
        return _register(self._load_state_dict_post_hooks, hook, prepend)


def _register(hooks: OrderedDict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _saved_value(key, value):
    """A count of steps is saved as a tensor, as PyTorch does; here it is a number."""
    return _core.tensor(float(value)) if key == "step" and isinstance(value, (int, float)) else value


def _loaded_value(param: Tensor, key, value):
    """`value` as it belongs to `param`: floating-point state has the parameter's dtype."""
    if not isinstance(value, Tensor) and hasattr(value, "__dlpack__") and hasattr(value, "detach"):
        value = _core.from_dlpack(value.detach()).clone()  # PyTorch's
    if isinstance(value, Tensor):
        if key in ("step", "mu_product"):
            return value
        return value.to(param.device, param.dtype) if param.is_floating_point() else value.to(param.device)
    if isinstance(value, dict):
        return {name: _loaded_value(param, name, each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_loaded_value(param, None, each) for each in value)
    return value


def check_options(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """The options that choose an implementation in PyTorch. Here every step is one fused pass, so that `foreach` and
    `fused` only have to agree; differentiating through a step is not supported."""
    if differentiable:
        if fused:
            raise RuntimeError("`fused` does not support `differentiable`")
        raise NotImplementedError("optim: differentiable=True is not supported")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_lr(lr) -> None:
    """A learning rate is a number that is not negative, or a tensor of one."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_not_negative(**options: float) -> None:
    """Every option is a number that is not negative."""
    for name, value in options.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {'epsilon' if name == 'eps' else name} value: {value}")


def check_betas(betas: tuple[float, float]) -> tuple[float, float]:
    """The two weights of the past in running means, as floats in [0, 1)."""
    if len(betas) != 2:
        raise ValueError(f"betas must be two numbers, but got {len(betas)}")
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
    return float(betas[0]), float(betas[1])
