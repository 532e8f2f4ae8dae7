"""gradcheck and gradgradcheck find wrong gradients, and only those."""

import pytest

import dlcore
from dlcore.autograd import Function, gradcheck, gradgradcheck


def x(*shape):
    return dlcore.randn(shape, dtype=dlcore.float64, requires_grad=True)


def test_right_gradients():
    assert gradcheck(lambda a, b: (a @ b).tanh(), (x(2, 3), x(3, 2)))
    assert gradcheck(lambda a: (a.exp(), a.detach(), a * a), x(3))
    assert gradcheck(lambda a, n: a * n, (x(3), 5.0))
    assert gradcheck(lambda a: a.sum(), x(0))
    assert gradcheck(lambda a: a.t().exp(), x(2, 3).detach().t().requires_grad_())
    assert gradcheck(lambda a: a.exp(), dlcore.ones(1, dtype=dlcore.float64).expand(3).requires_grad_())
    assert gradgradcheck(lambda a, b: a * a * b, (x(3), x(3)))
    assert gradgradcheck(lambda a: a.exp(), x(3), dlcore.ones(3, dtype=dlcore.float64, requires_grad=True))


def scaled(factor, second=1.0):
    class Cube(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a * a

        @staticmethod
        def backward(ctx, grad):
            (a,) = ctx.saved_tensors
            return grad * factor * 3 * (a.detach() * second + a * (1 - second) if second != 1.0 else a) ** 2

    return Cube.apply


def test_wrong_gradients():
    assert gradcheck(scaled(1.0), x(3))
    with pytest.raises(RuntimeError, match="the gradient of input 0 .of shape .3,.. differs most at element"):
        gradcheck(scaled(1.01), x(3))
    assert not gradcheck(scaled(1.01), x(3), raise_exception=False)
    assert gradgradcheck(scaled(1.0), x(3))
    with pytest.raises(RuntimeError, match="differs most"):
        gradgradcheck(scaled(1.0, second=0.5), x(3))


def test_a_gradient_that_is_missing():
    with pytest.raises(RuntimeError, match="differs most"):
        gradcheck(lambda a: a * a.detach(), x(3))
    with pytest.raises(RuntimeError, match="no output requires a gradient"):
        gradcheck(lambda a: a.detach() * 2, x(3))
    assert gradcheck(lambda a: dlcore.ones(3), x(3))


def test_backward_that_varies():
    class Random(Function):
        @staticmethod
        def forward(ctx, a):
            return a * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2 + dlcore.randn(grad.shape, dtype=grad.dtype) * 1e-7

    with pytest.raises(RuntimeError, match="two runs of backward"):
        gradcheck(Random.apply, x(3))
    assert gradcheck(Random.apply, x(3), nondet_tol=1e-5)


def test_arguments():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda a: a, dlcore.ones(3))
    with pytest.warns(UserWarning, match="not a double precision"):
        gradcheck(lambda a: a * 2, dlcore.ones(3, requires_grad=True), atol=1.0, eps=1e-2)
