"""Hooks of nn.Module: forward, before forward, backward."""

import pytest

import dlcore
from dlcore import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.out = nn.Linear(4, 2, bias=False)
        self.register_buffer("mean", dlcore.zeros(3))
        self.register_buffer("scratch", dlcore.ones(1), persistent=False)

    def forward(self, x, scale=1):
        return self.out(self.hidden(x)) * scale


def test_forward_hooks():
    net = Net()
    x = dlcore.ones(1, 3)
    plain = net(x)
    seen = []
    pre = net.register_forward_pre_hook(lambda module, args: seen.append("pre"))
    post = net.register_forward_hook(lambda module, args, output: seen.append("post"))
    first = net.register_forward_hook(lambda module, args, output: seen.append("first") or output * 2, prepend=True)
    assert dlcore.equal(net(x), plain * 2) and seen == ["pre", "first", "post"]
    for handle in (pre, post, first):
        handle.remove()
        handle.remove()
    assert dlcore.equal(net(x), plain) and len(seen) == 3
    with net.register_forward_pre_hook(lambda module, args: (args[0] * 0,)):
        assert not net(x).equal(plain)
    assert dlcore.equal(net(x), plain)


def test_pre_hook_results():
    class Echo(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    module = Echo()
    with module.register_forward_pre_hook(lambda module, args: 5):
        assert module(1) == ((5,), {})
    with module.register_forward_pre_hook(lambda m, args, kwargs: ((1, 2), {"a": 3}), with_kwargs=True):
        assert module(0) == ((1, 2), {"a": 3})
    with module.register_forward_pre_hook(lambda m, args, kwargs: 5, with_kwargs=True):
        with pytest.raises(RuntimeError, match="must return None or a tuple"):
            module(0)
    with module.register_forward_hook(lambda m, args, kwargs, out: (args, kwargs), with_kwargs=True):
        assert module(1, a=2) == ((1,), {"a": 2})


def test_always_called_hook():
    class Fails(nn.Module):
        def forward(self):
            raise LookupError

    seen = []
    module = Fails()
    module.register_forward_hook(lambda module, args, output: seen.append("usual"))
    module.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    with pytest.raises(LookupError):
        module()
    assert seen == [None]


def test_the_fast_path_returns_after_the_last_hook():
    net = Net()
    net.register_forward_hook(lambda *_: None).remove()
    assert net._hooked
    net(dlcore.ones(1, 3))
    assert not net._hooked


def test_full_backward_hook():
    net = nn.Linear(3, 2, bias=False)
    x = dlcore.ones(4, 3, requires_grad=True)
    v = dlcore.arange(8.0).reshape(4, 2)
    seen = {}

    def hook(module, grad_input, grad_output):
        seen["input"], seen["output"] = grad_input, grad_output
        return (grad_input[0] * 2,)

    with net.register_full_backward_hook(hook):
        net(x).backward(v)
    expected = v @ net.weight.detach()
    assert dlcore.equal(seen["output"][0], v)
    assert dlcore.allclose(seen["input"][0], expected)
    assert dlcore.allclose(x.grad, expected * 2)
    assert dlcore.allclose(net.weight.grad, v.T @ x.detach())


def test_full_backward_pre_hook_and_inputs_without_gradient():
    net = nn.Linear(3, 2, bias=False)
    x = dlcore.ones(4, 3)
    seen = []
    net.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 3,))
    net.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append((grad_input, grad_output)))
    net(x).sum().backward()
    ((grad_input, grad_output),) = seen
    assert grad_input == (None,)
    assert dlcore.equal(grad_output[0], dlcore.full((4, 2), 3.0))
    assert dlcore.equal(net.weight.grad, dlcore.full((2, 3), 12.0))


def test_backward_hook_of_several_inputs_and_outputs():
    class Two(nn.Module):
        def forward(self, a, n, b):
            return a * n, b + a

    module = Two()
    seen = []
    module.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append((grad_input, grad_output)))
    a, b = (dlcore.ones(2, requires_grad=True) for _ in range(2))
    first, second = module(a, 3, b)
    (first * 2 + second * 5).sum().backward()
    ((grad_input, grad_output),) = seen
    assert [None if g is None else g.tolist() for g in grad_input] == [[11.0, 11.0], None, [5.0, 5.0]]
    assert [g.tolist() for g in grad_output] == [[2.0, 2.0], [5.0, 5.0]]
    assert a.grad.tolist() == [11.0, 11.0] and b.grad.tolist() == [5.0, 5.0]


def test_backward_hook_must_return_as_many_gradients():
    net = nn.Linear(3, 2)
    net.register_full_backward_hook(lambda module, grad_input, grad_output: (None, None))
    with pytest.raises(RuntimeError, match="invalid number of grad_input"):
        net(dlcore.ones(1, 3, requires_grad=True)).sum().backward()
