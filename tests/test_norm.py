"""Normalization on tensors of several chunks, and what it leaves behind: bits, layouts, versions, second gradients."""

import numpy as np
import pytest

import dlcore
from dlcore.nn import functional as F

RNG = np.random.default_rng(7)
SHAPE = (6, 40, 31, 33)


def calls(x):
    """name: call of an op on x, its weight and its bias."""
    size = x.shape[-1]
    return {
        "batch": lambda w, b: F.batch_norm(x, None, None, w, b, training=True),
        "batch and ReLU": lambda w, b: F.batch_norm_act(x, None, None, w, b, True, residual=x),
        "evaluation": lambda w, b: F.batch_norm(x, dlcore.ones(40), dlcore.ones(40), w, b),
        "instance": lambda w, b: F.instance_norm(x, weight=w, bias=b),
        "group": lambda w, b: F.group_norm(x, 5, w, b),
        "layer": lambda w, b: F.layer_norm(x, (size,), w[:size], b[:size]),
        "rms": lambda w, b: F.rms_norm(x, (size,), w[:size]) + b[0],
        "local response": lambda w, b: F.local_response_norm(x, 5) * w[0] + b[0],
    }


NAMES = list(calls(dlcore.zeros(1, 40, 1, 33)))


def problem(channels_last=False):
    x = dlcore.tensor(RNG.standard_normal(SHAPE).astype(np.float32))
    x = x.contiguous(memory_format=dlcore.channels_last) if channels_last else x
    parameters = [dlcore.tensor(RNG.standard_normal(40).astype(np.float32)).requires_grad_() for _ in "wb"]
    return x.requires_grad_(), *parameters, dlcore.tensor(RNG.standard_normal(SHAPE).astype(np.float32))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_same_bits_for_any_thread_count(name, channels_last):
    x, w, b, dy = problem(channels_last)
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 7):
            dlcore.set_num_threads(threads)
            y = calls(x)[name](w, b)
            results.append([t.detach().numpy().tobytes() for t in (y, *dlcore.autograd.grad(y, (x, w, b), dy))])
    finally:
        dlcore.set_num_threads(before)
    assert all(r == results[0] for r in results)


@pytest.mark.parametrize("name", NAMES)
def test_layouts_agree_and_are_kept(name):
    x, w, b, dy = problem()
    last = x.detach().contiguous(memory_format=dlcore.channels_last).requires_grad_()
    results = []
    for t in (x, last):
        y = calls(t)[name](w, b)
        results.append([y, *dlcore.autograd.grad(y, (t, w, b), dy)])
    if name not in ("layer", "rms"):  # whose rows are contiguous
        assert results[1][0].is_contiguous(memory_format=dlcore.channels_last)
        assert results[1][1].is_contiguous(memory_format=dlcore.channels_last)
    for first, other in zip(*results):
        # sums of 6 * 31 * 33 terms in another order
        bound = 32 * 2.0**-24 * max(float(first.detach().abs().max()), 1) * (6 * 31 * 33) ** 0.5
        assert float((first - other).detach().abs().max()) <= bound


def test_running_statistics_are_a_recorded_write():
    x, mean, var = dlcore.randn(4, 3, 5), dlcore.zeros(3), dlcore.ones(3)
    versions = mean._version, var._version
    F.batch_norm(x, mean, var, training=True)
    assert mean._version > versions[0] and var._version > versions[1]
    wide = dlcore.zeros(3, 2)  # every second element of a tensor
    F.batch_norm(x, wide[:, 0], dlcore.ones(3), training=True)
    np.testing.assert_array_equal(wide[:, 0].numpy(), mean.numpy())
    assert not wide[:, 1].any()


def test_running_statistics_of_16_bits():
    x, mean, var = dlcore.randn(8, 3), dlcore.zeros(3, dtype=dlcore.bfloat16), dlcore.ones(3, dtype=dlcore.bfloat16)
    F.batch_norm(x.bfloat16(), mean, var, training=True, momentum=1.0)
    assert mean.dtype == dlcore.bfloat16
    np.testing.assert_allclose(mean.float().numpy(), x.numpy().mean(0), atol=2e-2)


def test_evaluation_keeps_running_statistics():
    bn = dlcore.nn.BatchNorm2d(3).eval()
    before = [t.numpy().copy() for t in bn.buffers()]
    bn(dlcore.randn(2, 3, 4, 4))
    for a, b in zip(before, bn.buffers()):
        np.testing.assert_array_equal(a, b.numpy())


def test_layer_with_residual_is_the_sum_of_its_parts():
    bn, other = dlcore.nn.BatchNorm2d(3), dlcore.nn.BatchNorm2d(3)
    x, r = dlcore.randn(4, 3, 5, 5), dlcore.randn(4, 3, 5, 5)
    fused, plain = bn(x, r, "relu"), F.relu(other(x) + r)
    assert float((fused - plain).detach().abs().max()) <= 8 * 2.0**-24 * 8
    assert bn.num_batches_tracked.item() == 1


@pytest.mark.parametrize("added", [False, True])
def test_relu6_has_no_gradient_at_its_borders_and_keeps_nan(added):
    """In evaluation with mean 0 and variance 1 the normalized values are x itself."""
    values = dlcore.tensor([[-1.0], [0.0], [1.0], [5.0], [6.0], [7.0], [float("nan")]])
    for create_graph in (False, True):
        x = values.clone().requires_grad_()
        r = dlcore.zeros_like(values).requires_grad_() if added else None
        y = F.batch_norm_act(x, dlcore.zeros(1), dlcore.ones(1), eps=0.0, residual=r, activation="relu6")
        np.testing.assert_array_equal(y.detach().flatten().numpy(), [0, 0, 1, 5, 6, 6, np.nan])
        for g in dlcore.autograd.grad(y.sum(), [x, r] if added else [x], create_graph=create_graph):
            assert g.flatten().tolist() == [0, 0, 1, 1, 0, 0, 1]
    with pytest.raises(
        ValueError, match="batch_norm_act: activation must be 'none', 'relu' or 'relu6', but got 'gelu'"
    ):
        F.batch_norm_act(values, dlcore.zeros(1), dlcore.ones(1), activation="gelu")


def test_a_changed_input_is_noticed():
    x, w = dlcore.randn(4, 3, 5), dlcore.ones(3).requires_grad_()
    x.requires_grad_()
    y = F.batch_norm(x * 1, None, None, w, training=True)
    with dlcore.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified"):
        y.sum().backward()


@pytest.mark.parametrize("groups", [0, -1, 3])
def test_groups_that_do_not_divide(groups):
    with pytest.raises(ValueError, match="must be divisible by num_groups"):
        dlcore.nn.GroupNorm(groups, 4)
