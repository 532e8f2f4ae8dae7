"""The tape: accumulation, hooks, views, in-place writes, second derivatives, users' functions."""

import gc
import weakref

import numpy as np
import pytest

import dlcore as d


def leaf(*values, dtype=None):
    return d.tensor(list(values), dtype=dtype or d.float64, requires_grad=True)


def test_chain_and_accumulation():
    x = leaf(1.0, 2.0, 3.0)
    (x * x * x).sum().backward()
    assert x.grad.tolist() == [3.0, 12.0, 27.0]
    (2 * x).sum().backward()
    assert x.grad.tolist() == [5.0, 14.0, 29.0]


def test_diamond_adds_both_paths():
    x = leaf(2.0)
    y = x * 3
    z = y * y + y
    z.sum().backward()
    assert x.grad.tolist() == [2 * 9 * 2.0 + 3]


def test_shared_gradient_does_not_alias():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).backward(d.tensor([1.0, 1.0], dtype=d.float64))
    a.grad.mul_(10)
    assert b.grad.tolist() == [1.0, 1.0]


def test_seed_is_not_stolen():
    a, g = leaf(1.0, 2.0), d.tensor([1.0, 1.0], dtype=d.float64)
    (a + 0).backward(g)
    a.grad.mul_(5)
    assert g.tolist() == [1.0, 1.0]


def test_broadcast_gradient_has_the_inputs_shape():
    a = d.ones(3, 1, dtype=d.float64, requires_grad=True)
    b = d.ones(4, dtype=d.float64, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.shape == (3, 1) and a.grad.tolist() == [[4.0]] * 3
    assert b.grad.tolist() == [3.0] * 4


def test_second_backward_needs_retain_graph():
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()


def test_implicit_gradient_only_for_one_element():
    with pytest.raises(RuntimeError, match="one element"):
        (leaf(1.0, 2.0) * 2).backward()


def test_backward_without_graph():
    with pytest.raises(RuntimeError, match="does not require grad"):
        d.tensor(1.0).backward()


def test_backward_inside_no_grad():
    x = leaf(3.0)
    y = (x * x).sum()
    with d.no_grad():
        y.backward()
    assert x.grad.item() == 6.0


def test_only_floating_point_requires_grad():
    with pytest.raises(RuntimeError, match="floating point"):
        d.tensor([1, 2], requires_grad=True)


def test_grad_modes():
    x = leaf(1.0)
    with d.no_grad():
        assert not (x * 2).requires_grad
        with d.enable_grad():
            assert (x * 2).requires_grad

    @d.no_grad()
    def f():
        return x * 2

    @d.inference_mode()
    def g():
        return x * 2

    assert not f().requires_grad and not g().requires_grad
    with d.set_grad_enabled(False):
        assert not d.is_grad_enabled()
    assert d.is_grad_enabled()

    @d.no_grad
    def generator():
        for _ in range(2):
            yield d.is_grad_enabled()

    assert [m for m in generator()] == [False, False] and d.is_grad_enabled()


def test_autograd_grad_leaves_grad_alone():
    x, y = leaf(2.0), leaf(5.0)
    z = (x * x * y).sum()
    gx, gy = d.autograd.grad(z, (x, y))
    assert (gx.item(), gy.item()) == (20.0, 4.0) and x.grad is None and y.grad is None


def test_autograd_grad_of_intermediate():
    x = leaf(2.0)
    y = x * 3
    z = (y * y).sum()
    (gy,) = d.autograd.grad(z, y)
    assert gy.item() == 12.0


def test_autograd_grad_unused():
    x, y = leaf(2.0), leaf(5.0)
    with pytest.raises(RuntimeError, match="allow_unused"):
        d.autograd.grad((x * 2).sum(), (x, y))
    gx, gy = d.autograd.grad((x * 2).sum(), (x, y), allow_unused=True)
    assert gx.item() == 2.0 and gy is None
    gx, gy = d.autograd.grad((x * 2).sum(), (x, y), materialize_grads=True)
    assert gy.item() == 0.0


def test_backward_with_inputs():
    x, y = leaf(2.0), leaf(5.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.item() == 5.0 and y.grad is None


def test_second_derivative():
    x = leaf(2.0)
    (g,) = d.autograd.grad((x * x * x).sum(), x, create_graph=True)
    (h,) = d.autograd.grad(g.sum(), x, create_graph=True)
    (t,) = d.autograd.grad(h.sum(), x)
    assert (g.item(), h.item(), t.item()) == (12.0, 12.0, 6.0)


def test_hooks_on_leaf_and_inside():
    x = leaf(1.0, 2.0)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    y = x * 3
    y.register_hook(lambda g: g * 10)
    (y + y).sum().backward()
    assert seen == [[60.0, 60.0]] and x.grad.tolist() == [60.0, 60.0]
    handle.remove()
    (x * 1).sum().backward()
    assert len(seen) == 1


def test_post_accumulate_hook():
    x = leaf(1.0)
    x.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(2))
    (x * 3).sum().backward()
    assert x.grad.item() == 6.0


def test_hook_errors_reach_the_caller():
    x = leaf(1.0)

    def hook(g):
        raise KeyError("mine")

    x.register_hook(hook)
    with pytest.raises(KeyError, match="mine"):
        (x * 2).sum().backward()


def test_retain_grad():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.item() == 4.0 and y.retains_grad


def test_saved_tensor_changed_in_place():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="in-place"):
        z.sum().backward()


def test_leaf_cannot_be_written_in_place():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="leaf"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 5
    with d.no_grad():
        x.add_(1)
    assert x.item() == 2.0


def test_inplace_on_non_leaf():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.mul_(3)
    y += x
    y.sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]


def test_inplace_saves_the_old_values():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 1
    y.mul_(w)  # dw needs the values of y before the write
    y.sum().backward()
    assert w.grad.tolist() == [1.0, 2.0] and x.grad.tolist() == [3.0, 4.0]


def test_inplace_through_a_view():
    x, w = leaf(1.0, 2.0, 3.0, 4.0), leaf(10.0, 20.0)
    y = x * 2
    y[1:3].mul_(w)
    assert y.tolist() == [2.0, 40.0, 120.0, 8.0]
    (y * d.tensor([1.0, 2.0, 3.0, 4.0], dtype=d.float64)).sum().backward()
    assert x.grad.tolist() == [2.0, 2 * 10 * 2.0, 2 * 20 * 3.0, 8.0]
    assert w.grad.tolist() == [4.0 * 2, 6.0 * 3]


def test_view_sees_later_writes_to_its_base():
    x = leaf(1.0, 2.0)
    y = d.zeros(3, dtype=d.float64)
    v = y[1:]
    assert not v.requires_grad
    y.add_(1)
    v.copy_(x * 5)
    assert y.requires_grad and v.requires_grad
    (y * y).sum().backward()
    assert x.grad.tolist() == [2 * 5.0 * 5, 2 * 10.0 * 5]


def test_assign_by_index_and_mask():
    x, v = leaf(1.0, 2.0, 3.0), leaf(7.0)
    y = x * 1
    y[0] = v[0] * 2
    y[y > 2.5] = 0.0
    y.sum().backward()
    assert y.tolist() == [0.0, 2.0, 0.0]
    assert x.grad.tolist() == [0.0, 1.0, 0.0] and v.grad.tolist() == [0.0]


def test_view_of_leaf_cannot_be_written():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0:1].zero_()


def test_detach_shares_memory_and_version():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    y.detach().zero_()
    with pytest.raises(RuntimeError, match="in-place"):
        z.sum().backward()


def test_data_is_untracked():
    x = leaf(1.0, 2.0)
    z = x * x
    x.data.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]  # as in PyTorch: computed from what is in memory now
    x.data = d.tensor([9.0], dtype=d.float64)
    assert x.tolist() == [9.0] and x.requires_grad


def test_expanded_tensor_cannot_be_written():
    with pytest.raises(RuntimeError, match="single memory location"):
        d.zeros(1).expand(4).add_(1)


def test_a_million_nodes_deep():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.sum().backward()
    assert x.grad.item() == 100_001.0
    del y


def test_graph_is_freed():
    x = leaf(1.0, 2.0)
    y = d.exp(x)  # saves its own output: no cycle may keep it alive
    alive = weakref.ref(y)
    del y
    gc.collect()
    assert alive() is None


class Cube(d.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x * ctx.scale, None


def test_function():
    x = leaf(2.0)
    y = Cube.apply(x, 2.0)
    y.sum().backward(retain_graph=True)
    assert x.grad.item() == 24.0
    assert d.autograd.gradcheck(lambda t: Cube.apply(t, 2.0), [leaf(0.3, -1.2)])
    (g,) = d.autograd.grad(Cube.apply(x, 1.0).sum(), x, create_graph=True)
    (h,) = d.autograd.grad(g.sum(), x)
    assert h.item() == 12.0


def test_function_saves_output_without_leak():
    class Exp(d.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = d.exp(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(0.0)
    y = Exp.apply(x)
    y.sum().backward()
    assert x.grad.item() == 1.0
    alive = weakref.ref(y)
    del y
    gc.collect()
    assert alive() is None


def test_function_with_several_outputs_and_unused_one():
    class Two(d.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 3

    x = leaf(1.0)
    a, b = Two.apply(x)
    b.sum().backward()
    assert x.grad.item() == 3.0


def test_function_wrong_number_of_gradients():
    class Bad(d.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g, g, g

    with pytest.raises(RuntimeError, match="Bad: backward returned 3 gradients"):
        Bad.apply(leaf(1.0)).sum().backward()


def test_gradient_dtype_and_shape_are_checked():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="shape"):
        x.grad = d.zeros(3, dtype=d.float64)
    with pytest.raises(RuntimeError, match="dtype"):
        x.grad = d.zeros(2, dtype=d.float32)
    with pytest.raises(RuntimeError, match="shape"):
        (x * 2).backward(d.ones(3, dtype=d.float64))


def test_mixed_dtypes_get_their_own_gradient_dtype():
    a = d.ones(2, dtype=d.float32, requires_grad=True)
    b = d.ones(2, dtype=d.float64, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype is d.float32 and b.grad.dtype is d.float64


def test_gradcheck_finds_a_wrong_gradient():
    class Wrong(d.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]  # the factor 2 is missing

    with pytest.raises(Exception, match="[Jj]acobian|gradient"):
        d.autograd.gradcheck(Wrong.apply, [leaf(0.5, 1.5)])


def test_deep_copy_of_leaf_only():
    import copy

    x = leaf(1.0)
    y = copy.deepcopy(x)
    assert y.requires_grad and y.item() == 1.0 and y is not x
    with pytest.raises(RuntimeError, match="leaves"):
        copy.deepcopy(x * 2)


def test_numpy_of_a_tensor_in_a_graph():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="detach"):
        x.numpy()
    np.testing.assert_array_equal(x.detach().numpy(), [1.0])


def test_none_for_an_output():
    x = d.ones(2, requires_grad=True)
    for call in (lambda: d.autograd.grad([None], [x]), lambda: d.autograd.backward([None], inputs=[x])):
        with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
            call()
