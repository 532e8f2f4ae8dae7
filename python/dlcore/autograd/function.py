"""Users' own differentiable functions in Python."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from .grad_mode import no_grad


class FunctionCtx:
    """What forward hands to backward: saved tensors, and any attribute."""

    needs_input_grad: tuple = ()
    materialize_grads = True

    def __init__(self):
        self._to_save = ()
        self._saved = ()
        self._dirty = ()
        self._non_differentiable = ()

    def save_for_backward(self, *tensors):
        """Keeps inputs or outputs (or None) for backward, which finds them in saved_tensors."""
        self._to_save = tensors

    @property
    def saved_tensors(self):
        return tuple(s if s is None else s.get() for s in self._saved)

    def mark_dirty(self, *tensors):
        """Tells that these inputs were modified in place; they must be among the outputs."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        """Tells that these outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool):
        """Whether backward gets zeros (the default) or None for an output that no gradient reached."""
        self.materialize_grads = value


class Function:
    """A differentiable op of one's own: static methods `forward(ctx, *args)` and `backward(ctx, *grad_outputs)`.

    backward returns one gradient (or None) an argument of forward. Call `apply`. With a static
    `setup_context(ctx, inputs, output)`, forward takes no ctx.
    """

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("Function: implement forward(ctx, *args) as a static method")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError("Function: implement backward(ctx, *grad_outputs) as a static method")

    @classmethod
    def apply(cls, *args):
        ctx = FunctionCtx()
        positions = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        inputs = [args[i] for i in positions]
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        with no_grad():
            setup = getattr(cls, "setup_context", None)
            if setup is None:
                output = cls.forward(ctx, *args)
            else:
                output = cls.forward(*args)
                setup(ctx, args, output)
        single = not isinstance(output, tuple)
        outputs = [output] if single else list(output)
        for i, t in enumerate(outputs):
            if isinstance(t, Tensor) and not any(t is d for d in ctx._dirty) and any(t is x for x in inputs):
                outputs[i] = t.detach()  # an input returned as it is
        differentiable = [
            t for t in outputs if isinstance(t, Tensor) and not any(t is n for n in ctx._non_differentiable)
        ]

        def backward(*grads):
            given = iter(grads)
            full = [next(given) if any(t is d for d in shown) else None for t in places]
            result = cls.backward(ctx, *full)
            result = result if isinstance(result, tuple) else (result,)
            if len(result) != len(args) and not all(r is None for r in result[len(args) :]):
                raise RuntimeError(f"{cls.__name__}: backward returned {len(result)} gradients, expected {len(args)}")
            return tuple(result[i] if i < len(result) else None for i in positions)

        # Stand-ins for the outputs, so that backward does not keep them (and itself through them) alive.
        shown = [object() for _ in differentiable]
        marks = {id(t): m for t, m in zip(differentiable, shown)}
        places = [marks.get(id(t)) for t in outputs]
        saved = [(t, any(t is o for o in outputs)) for t in ctx._to_save]
        _core._attach_function(cls.__name__, backward, inputs, differentiable, ctx.materialize_grads)
        ctx._saved = tuple(t if t is None else _core._Saved(t, is_output) for t, is_output in saved)
        ctx._to_save = ()
        for t in ctx._dirty:
            _core._mark_dirty(t)
        return outputs[0] if single else tuple(outputs)


def once_differentiable(function):
    """Decorator for a backward that is not itself differentiable."""

    def wrapper(ctx, *grads):
        if _core.is_grad_enabled():
            raise NotImplementedError("once_differentiable: this backward cannot be differentiated again")
        return function(ctx, *grads)

    return wrapper
