"""What transforms of features and the classical models have in common: they learn their state from data."""

from __future__ import annotations

from . import _core, nn
from ._core import Tensor
from .nn.parameter import Parameter


class Fitted(nn.Module):
    """A module that gets its parameters and buffers in `fit`, or from a ``state_dict``, which gives them their shapes.

    Attributes:
        options: the arguments that make another one; `describe` and `build` turn them into JSON values and back.
    """

    def __init__(self, **options) -> None:
        super().__init__()
        self.options = options

    def _buffers_to_fit(self, *names: str) -> None:
        for name in names:
            self.register_buffer(name, None)

    def _check_fitted(self, tensor: Tensor | None) -> Tensor:
        if tensor is None:
            raise RuntimeError(f"{type(self).__name__}: call fit, or load a state_dict, first")
        return tensor

    def _load_from_state_dict(self, state_dict, prefix: str, *rest) -> None:
        for members, kind in ((self._parameters, Parameter), (self._buffers, Tensor)):
            for name in members:
                saved = state_dict.get(prefix + name)
                if isinstance(saved, Tensor) and name not in self._non_persistent_buffers_set:
                    place = _core.empty_like(saved.detach())
                    members[name] = Parameter(place) if kind is Parameter else place
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items() if _is_plain(value))


def _is_plain(value) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def describe(value):
    """The kind and options of a `Fitted`, and of those among its options, in values that `dlcore.save` takes."""
    if isinstance(value, Fitted):
        return {"kind": type(value).__name__, "options": {name: describe(x) for name, x in value.options.items()}}
    return [describe(x) for x in value] if isinstance(value, (list, tuple)) else value


def build(tree, kinds: dict[str, type[Fitted]]):
    """What `describe` described, not fitted yet.

    Raises:
        ValueError: if it is of none of the `kinds`, or its options are wrong.
    """
    if isinstance(tree, list):
        return [build(x, kinds) for x in tree]
    if not isinstance(tree, dict):
        return tree
    if set(tree) != {"kind", "options"} or tree["kind"] not in kinds or not isinstance(tree["options"], dict):
        raise ValueError(f"kind must be one of {', '.join(kinds)}, with options, but got {str(tree)[:80]}")
    options = {name: build(x, kinds) for name, x in tree["options"].items()}
    try:
        return kinds[tree["kind"]](**options)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"the options of {tree['kind']} are wrong: {error}") from error
