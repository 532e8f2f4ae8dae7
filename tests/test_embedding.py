"""Embedding and EmbeddingBag: gradients, norms, hostile arguments."""

import copy

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn import functional as F

INF = float("inf")


def table(rows=5, features=3, **options):
    return dlcore.randn(rows, features, dtype=dlcore.float64, **options)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_gradients(mode):
    """By differences; the second ones too."""
    indices, offsets = dlcore.tensor([4, 0, 0, 2, 1, 3, 4]), dlcore.tensor([0, 3, 3, 4])
    weight = table(requires_grad=True)
    inputs = [weight]
    if mode == "sum":
        inputs.append(dlcore.randn(7, dtype=dlcore.float64, requires_grad=True))

    def bags(weight, scales=None):
        return F.embedding_bag(indices, weight, offsets, mode=mode, per_sample_weights=scales, padding_idx=1)

    assert dlcore.autograd.gradcheck(bags, inputs)
    assert dlcore.autograd.gradgradcheck(bags, inputs)
    assert dlcore.autograd.gradcheck(lambda w: F.embedding(indices, w), [weight])


def test_frequencies_divide_the_gradient_and_nothing_else():
    weight = table(requires_grad=True)
    indices = dlcore.tensor([[1, 1, 1], [2, 1, 2]])
    y = F.embedding(indices, weight, scale_grad_by_freq=True)
    np.testing.assert_array_equal(y.detach().numpy(), weight.detach().numpy()[indices.numpy()])
    dy = dlcore.randn(2, 3, 3, dtype=dlcore.float64)
    (dw,) = dlcore.autograd.grad(y, [weight], dy)
    expected = np.zeros((5, 3))
    np.add.at(expected, indices.numpy(), dy.numpy())
    np.testing.assert_allclose(dw.numpy(), expected / np.array([1, 4, 2, 1, 1])[:, None], rtol=1e-14)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_frequencies_in_bags(mode):
    """Rows are divided by how often they are read, over all bags, and padding does not count."""
    weight = table(requires_grad=True)
    indices, dy = dlcore.tensor([[3, 3, 4], [1, 3, 0]]), dlcore.randn(2, 3, dtype=dlcore.float64)
    plain, divided = (
        dlcore.autograd.grad(
            F.embedding_bag(indices, weight, mode=mode, scale_grad_by_freq=scaled, padding_idx=0), [weight], dy
        )[0].numpy()
        for scaled in (False, True)
    )
    np.testing.assert_allclose(divided, plain / np.array([1, 1, 1, 3, 1])[:, None], rtol=1e-14)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, INF])
def test_rows_that_are_read_are_shortened(norm_type):
    module = nn.Embedding(6, 4, max_norm=0.7, norm_type=norm_type, dtype=dlcore.float64)
    with dlcore.no_grad():
        module.weight[3] = 1e-3
    before = module.weight.detach().clone().numpy()
    y = module(dlcore.tensor([[1, 3], [3, 5]]))
    after = module.weight.detach().numpy()
    np.testing.assert_array_equal(y.detach().numpy(), after[[[1, 3], [3, 5]]])
    np.testing.assert_array_equal(after[[0, 2, 3, 4]], before[[0, 2, 3, 4]])
    norms = np.linalg.norm(before[[1, 5]], norm_type, 1)
    assert (norms > 0.7).any()
    np.testing.assert_allclose(np.linalg.norm(after[[1, 5]], norm_type, 1), np.minimum(norms, 0.7), rtol=1e-6)
    y.sum().backward()
    assert tuple(module.weight.grad.shape) == (6, 4)


def test_rows_of_padding():
    module = nn.Embedding(5, 3, padding_idx=-2)
    assert module.padding_idx == 3 and not module.weight[3].any() and module.weight[2].any()
    module(dlcore.tensor([3, 3, 1])).sum().backward()
    np.testing.assert_array_equal(module.weight.grad.numpy(), [[0] * 3, [1] * 3, *[[0] * 3] * 3])
    weight = table()
    weight[1] = INF  # is not even added as zero
    for mode in ("sum", "mean", "max"):
        y = F.embedding_bag(dlcore.tensor([[1, 1], [1, 4]]), weight, mode=mode, padding_idx=1)
        np.testing.assert_array_equal(y.numpy(), np.stack([np.zeros(3), weight[4].numpy()]))


def test_bags_of_extreme_values():
    weight = dlcore.tensor([[-INF, 1.0], [float("nan"), -INF], [2.0, -INF]])
    y = F.embedding_bag(dlcore.tensor([0, 0, 2, 1, 2, 1]), weight, dlcore.tensor([0, 1, 2, 4]), mode="max")
    np.testing.assert_array_equal(y.numpy(), [[-INF, 1], [-INF, 1], [np.nan, -INF], [np.nan, -INF]])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_sizes_of_zero(mode):
    weight = dlcore.randn(4, 2, requires_grad=True)
    none = dlcore.zeros(0, dtype=dlcore.int64)
    for indices, offsets, last, shape in (
        (none, none, False, (0, 2)),
        (none, dlcore.tensor([0, 0]), False, (2, 2)),
        (none, dlcore.tensor([0]), True, (0, 2)),
        (dlcore.tensor([1, 2]), dlcore.tensor([0]), True, (0, 2)),
        (none.reshape(0, 3), None, False, (0, 2)),
        (none.reshape(3, 0), None, False, (3, 2)),
    ):
        y = F.embedding_bag(indices, weight, offsets, mode=mode, include_last_offset=last, max_norm=1.0)
        assert tuple(y.shape) == shape and not y.any()
        assert not dlcore.autograd.grad(y.sum(), [weight])[0].any()
    assert tuple(F.embedding_bag(none.reshape(3, 0), dlcore.zeros(0, 2), mode=mode).shape) == (3, 2)
    assert tuple(F.embedding_bag(dlcore.tensor([[1]]), dlcore.zeros(2, 0), mode=mode).shape) == (1, 0)


def test_what_lies_behind_the_last_offset_is_in_no_bag():
    weight = table(requires_grad=True)
    y = F.embedding_bag(
        dlcore.tensor([0, 1, 2]), weight, dlcore.tensor([0, 2]), mode="sum", include_last_offset=True, max_norm=1e-3
    )
    np.testing.assert_array_equal(y.detach().numpy(), weight[:2].sum(0, keepdim=True).detach().numpy())
    assert weight[2].abs().sum().item() > 1e-2


def test_tables():
    rows = dlcore.randn(4, 2)
    frozen, free = nn.Embedding.from_pretrained(rows), nn.EmbeddingBag.from_pretrained(rows, freeze=False)
    assert not frozen.weight.requires_grad and free.weight.requires_grad
    assert frozen.weight.data_ptr() == rows.data_ptr()
    twin = copy.deepcopy(free)
    assert twin.weight.data_ptr() != rows.data_ptr() and twin.mode == "mean" and twin.weight.requires_grad
    assert list(free.state_dict()) == ["weight"]
    assert repr(nn.Embedding(4, 2, -1, 1.5, 1.0, True)) == (
        "Embedding(4, 2, padding_idx=3, max_norm=1.5, norm_type=1.0, scale_grad_by_freq=True)"
    )
    assert repr(nn.EmbeddingBag(4, 2, mode="max")) == "EmbeddingBag(4, 2, mode='max')"


def bag(indices=(0, 1, 2), offsets=(0, 1), weight=None, **options):
    offsets = offsets if offsets is None else dlcore.tensor(offsets)
    return F.embedding_bag(dlcore.tensor(indices), dlcore.zeros(4, 2) if weight is None else weight, offsets, **options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Embedding(4, 2, padding_idx=4), ValueError, "padding_idx must be within the 4"),
        (lambda: nn.EmbeddingBag(4, 2, padding_idx=-5), ValueError, "padding_idx must be within the 4"),
        (lambda: nn.Embedding(4, 2, _weight=dlcore.zeros(4, 3)), ValueError, r"\(4, 2\)"),
        (lambda: nn.Embedding.from_pretrained(dlcore.zeros(4)), ValueError, "two dimensions"),
        (lambda: nn.EmbeddingBag.from_pretrained(dlcore.zeros(4)), ValueError, "two dimensions"),
        (lambda: nn.Embedding(4, 2)(dlcore.tensor([0, 4])), IndexError, "4"),
        (lambda: nn.Embedding(4, 2)(dlcore.tensor([0, -1])), IndexError, "-1"),
        (lambda: nn.Embedding(4, 2, max_norm=1.0)(dlcore.tensor([0, -1])), IndexError, "-1"),
        (lambda: nn.Embedding(4, 2, scale_grad_by_freq=True)(dlcore.tensor([0, -1])), IndexError, "-1"),
        (lambda: nn.Embedding(4, 2)(dlcore.tensor([0.5])), (IndexError, RuntimeError, TypeError), "float32"),
        (lambda: F.embedding(dlcore.tensor([0]), dlcore.zeros(4)), RuntimeError, "two dimensions"),
        (lambda: F.embedding(dlcore.tensor([0]), dlcore.zeros(4), max_norm=1.0), RuntimeError, "two dimensions"),
        (lambda: F.embedding(dlcore.tensor([0]), dlcore.zeros(4, 2), 4), ValueError, "padding_idx"),
        (lambda: bag([0, 4]), IndexError, "4"),
        (lambda: bag([0, -1], mode="max"), IndexError, "-1"),
        (lambda: bag(mode="max", sparse=True), ValueError, "sparse must be False for mode 'max'"),
        (lambda: bag(mode="min"), ValueError, "mode must be sum, mean or max, but got 'min'"),
        (lambda: bag(mode="max", scale_grad_by_freq=True), ValueError, "scale_grad_by_freq"),
        (lambda: bag(per_sample_weights=dlcore.ones(3)), NotImplementedError, "mode 'sum'"),
        (lambda: bag(mode="sum", per_sample_weights=dlcore.ones(2)), ValueError, r"shape \(3,\), but got \(2,\)"),
        (lambda: bag(mode="sum", per_sample_weights=dlcore.ones(3).double()), RuntimeError, "float64"),
        (lambda: bag(weight=dlcore.zeros(4)), ValueError, "two dimensions"),
        (lambda: bag([[0, 1]]), ValueError, "offsets must be None"),
        (lambda: bag([[[0]]], None), ValueError, "1-D or 2-D"),
        (lambda: bag(offsets=None), ValueError, "offsets must be 1-D"),
        (lambda: bag(offsets=[[0]]), ValueError, "offsets must be 1-D"),
        (lambda: bag(offsets=[0.0]), RuntimeError, "int64 or int32"),
        (lambda: bag(offsets=[1, 2]), RuntimeError, r"offsets\[0\] must be 0, but got 1"),
        (lambda: bag(offsets=[0, 4]), RuntimeError, "input's length 3, but got 4"),
        (lambda: bag(offsets=[0, 2, 1]), RuntimeError, "must not decrease"),
        (lambda: bag(offsets=[0, -5, 1]), RuntimeError, "must not decrease"),
        (lambda: bag([0], dlcore.zeros(0).long().tolist(), include_last_offset=True), RuntimeError, "int64|at least"),
        (lambda: bag(padding_idx=9), ValueError, "padding_idx"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
