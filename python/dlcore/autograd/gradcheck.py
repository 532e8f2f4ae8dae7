"""Checking gradients against differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from .. import _core
from .._core import Tensor


class GradcheckError(RuntimeError):
    """What `gradcheck` and `gradgradcheck` raise where a gradient is wrong."""


def gradcheck(
    func: Callable,
    inputs: Tensor | Sequence,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare the gradients of a function with central differences.

    With v a random vector (never ones: many functions have a constant sum), compares for every input x and each of its
    elements d<v, func(x)>/dx, as backward gives it, with (<v, func(x + eps e)> - <v, func(x - eps e)>) / (2 eps).

    Args:
        func: takes the inputs, and returns a tensor or a tuple of which the tensors that require gradients are checked.
        inputs: its arguments; the gradients are checked of those tensors that require them, which should be float64.
        eps: the difference. Default: 1e-6.
        atol, rtol: |backward - difference| may be atol + rtol |difference|. Default: 1e-5, 1e-3.
        raise_exception: raise `GradcheckError` instead of returning False. Default: True.
        nondet_tol: how much two runs of backward may differ. Default: 0.

    Returns:
        True if all gradients agree.

    Raises:
        ValueError: if no input requires a gradient.
        GradcheckError: naming the input and the element where they differ most.
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, each in enumerate(inputs) if isinstance(each, Tensor) and each.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    for i in checked:
        if inputs[i].dtype != _core.float64:
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point. This check will likely "
                "fail if all the inputs are not of double precision floating point.",
                stacklevel=2,
            )
    try:
        _check(func, inputs, checked, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(func, inputs, checked, eps, atol, rtol, nondet_tol) -> None:
    outputs = _tensors(func(*inputs))
    which = [i for i, output in enumerate(outputs) if output.requires_grad]
    if not which:
        ones = [_core.ones_like(output) for output in outputs]
        for i in checked:
            if any(_numerical(func, inputs, i, range(len(outputs)), ones, eps)):
                raise GradcheckError(f"gradcheck: no output requires a gradient, but they change with input {i}")
        return
    vectors = [_core.randn(outputs[i].shape, dtype=outputs[i].dtype) for i in which]

    def backward() -> tuple:
        results = [each for each in _tensors(func(*inputs)) if each.requires_grad]
        return _grad(results, [inputs[i] for i in checked], vectors)

    analytic, again = backward(), backward()
    for i, grad, second in zip(checked, analytic, again, strict=True):
        values = [0.0] * inputs[i].numel() if grad is None else grad.reshape(-1).tolist()
        if grad is not None:
            if grad.shape != inputs[i].shape or grad.dtype != inputs[i].dtype:
                raise GradcheckError(
                    f"gradcheck: the gradient of input {i} has shape {tuple(grad.shape)} and dtype {grad.dtype}; "
                    f"expected {tuple(inputs[i].shape)} and {inputs[i].dtype}"
                )
            seconds = second.reshape(-1).tolist()
            if any(abs(a - b) > nondet_tol for a, b in zip(values, seconds, strict=True)):
                raise GradcheckError(f"gradcheck: two runs of backward give different gradients of input {i}")
        differences = _numerical(func, inputs, i, which, vectors, eps)
        excess = [_excess(a, n, atol, rtol) for a, n in zip(values, differences, strict=True)]
        if excess and max(excess) > 0:
            at = excess.index(max(excess))
            raise GradcheckError(
                f"gradcheck: the gradient of input {i} (of shape {tuple(inputs[i].shape)}) differs most at element "
                f"{at}: backward gives {values[at]!r}, differences {differences[at]!r}"
            )


def _excess(analytic: float, numerical: float, atol: float, rtol: float) -> float:
    """How far the two are apart, over the tolerance."""
    if analytic != analytic and numerical != numerical:  # both NaN
        return 0.0
    excess = abs(analytic - numerical) - atol - rtol * abs(numerical)
    return excess if excess == excess else float("inf")


def _tensors(outputs) -> list[Tensor]:
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    return [each for each in outputs if isinstance(each, Tensor)]


def _grad(outputs, inputs, vectors, create_graph: bool = False) -> tuple:
    from . import grad

    return grad(outputs, inputs, vectors, create_graph=create_graph, allow_unused=True)


def _numerical(func, inputs, i, which, vectors, eps) -> list[float]:
    """d<v, func>/d(input i) by central differences, an element after the other."""
    start = inputs[i].detach().contiguous()

    def product(element: int, difference: float) -> float:
        moved = start.clone()
        moved.view(-1)[element] += difference
        outputs = _tensors(func(*inputs[:i], moved.requires_grad_(), *inputs[i + 1 :]))
        return sum((outputs[k].detach() * v).sum().item() for k, v in zip(which, vectors, strict=True))

    return [(product(k, eps) - product(k, -eps)) / (2 * eps) for k in range(start.numel())]


def gradgradcheck(
    func: Callable,
    inputs: Tensor | Sequence,
    grad_outputs: Tensor | Sequence | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """`gradcheck` of the function's gradient, with respect to the inputs and the gradients of the outputs.

    Args:
        func, inputs: as for `gradcheck`.
        grad_outputs: the gradients of the outputs; random ones where it is None.
        eps, atol, rtol, raise_exception, nondet_tol: as for `gradcheck`.
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        outputs = [each for each in _tensors(func(*inputs)) if each.requires_grad]
        grad_outputs = [_core.randn(each.shape, dtype=each.dtype).requires_grad_() for each in outputs]
    grad_outputs = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    count = len(inputs)
    checked = [i for i, each in enumerate(inputs) if isinstance(each, Tensor) and each.requires_grad]

    def gradient(*arguments) -> tuple:
        results = [each for each in _tensors(func(*arguments[:count])) if each.requires_grad]
        grads = _grad(results, [arguments[i] for i in checked], arguments[count:], create_graph=True)
        return tuple(each for each in grads if each is not None)

    return gradcheck(
        gradient,
        [*inputs, *grad_outputs],
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )
