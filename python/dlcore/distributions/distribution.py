"""What all distributions share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import _core
from .._core import Size, Tensor
from .._tensor import broadcast_shapes
from ..autograd import enable_grad, no_grad
from .constraints import Constraint


def broadcast_all(*values) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the first tensor's dtype, or the default."""
    dtype = next((v.dtype for v in values if isinstance(v, Tensor)), _core.get_default_dtype())
    for v in values:
        if not isinstance(v, (Tensor, int, float)):
            raise ValueError(f"expected Tensors or numbers as parameters, but got {type(v).__name__}")
    tensors = (v if isinstance(v, Tensor) else _core.tensor(v, dtype=dtype) for v in values)
    return _core.broadcast_tensors(*tensors)


class lazy_property:
    """A property that is computed when first read, with its gradient recorded, and then kept."""

    def __init__(self, function):
        self.function, self.__doc__ = function, function.__doc__

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with enable_grad():
            value = instance.__dict__[self.function.__name__] = self.function(instance)
        return value


class Distribution:
    """A batch of distributions of one family.

    A sample has shape sample_shape + batch_shape + event_shape: independent draws, independent distributions, and what
    one draw of one distribution is. `log_prob` and `entropy` have no event dimensions.

    Args:
        batch_shape, event_shape: see above.
        validate_args: check parameters and the arguments of log_prob, and raise ValueError; by default yes.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    def __init__(self, batch_shape=(), event_shape=(), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Turns the checks of distributions that don't say otherwise on or off."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: expected a bool but got {value!r}")
        Distribution._validate_args = value

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            value = self.__dict__.get(name)  # those that are computed later need no check
            if value is not None and not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def _validate_sample(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        expected = self.batch_shape + self.event_shape
        try:
            broadcast_shapes(value.shape, expected)
        except (RuntimeError, ValueError):
            raise ValueError(
                f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs {expected}."
            ) from None
        if not bool(self.support.check(value).all()):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the "
                f"support ({self.support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    @property
    def batch_shape(self) -> Size:
        """The shape over which parameters are batched."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of a single draw, without batching."""
        return self._event_shape

    @property
    def support(self) -> Constraint:
        """The set that draws belong to."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not implement mode")

    @property
    def variance(self) -> Tensor:
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distributions, expanded to another batch_shape, as `Tensor.expand` does it."""
        new = copy.copy(self)
        for name in self.arg_constraints.keys() & self.__dict__.keys():
            value = self.__dict__[name]
            new.__dict__[name] = value.expand(tuple(batch_shape) + value.shape[len(self.batch_shape) :])
        new._batch_shape = Size(batch_shape)
        return new

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws that are differentiable functions of the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no differentiable samples")

    def sample_n(self, n: int) -> Tensor:
        """n draws: sample((n,))."""
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or probability at `value`."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a draw up to `value`."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of cdf."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution along dimension 0."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        return self.entropy().exp()

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size(sample_shape) + self.batch_shape + self.event_shape

    def __repr__(self) -> str:
        parts = []
        for name in self.arg_constraints:
            if name in self.__dict__:
                value = self.__dict__[name]
                parts.append(f"{name}: {value.item() if value.numel() == 1 else value.shape}")
        return f"{type(self).__name__}({', '.join(parts)})"
