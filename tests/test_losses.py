"""Losses: memory, bits, wrong arguments, what the case table does not reach."""

import itertools
import math

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn import functional as F


def tensor(array, grad=False, dtype=None):
    return dlcore.tensor(np.asarray(array), dtype=dtype).requires_grad_(grad)


def randn(*shape, grad=False, seed=0, dtype=dlcore.float32):
    return tensor(np.random.default_rng(seed).standard_normal(shape), grad, dtype)


# --- what the case table does not reach


@pytest.mark.parametrize(
    "loss, of_difference",
    [
        ("mse_loss", np.square),
        ("l1_loss", np.abs),
        ("huber_loss", lambda d: np.where(abs(d) <= 1, d * d / 2, abs(d) - 0.5)),
    ],
)
def test_weights_of_elements(loss, of_difference):
    """The mean is over the sum of weights; huber_loss, as in PyTorch, divides by the count."""
    x, y = randn(4, 5, dtype=dlcore.float64), randn(4, 5, seed=1, dtype=dlcore.float64)
    w = randn(5, seed=2, dtype=dlcore.float64).square()
    losses = w.numpy() * of_difference(x.numpy() - y.numpy())
    mean = losses.mean() if loss == "huber_loss" else losses.sum() / (4 * w.numpy().sum())
    if loss == "huber_loss":
        w = w.expand(4, 5)
    for reduction, want in (("none", losses), ("sum", losses.sum()), ("mean", mean)):
        got = getattr(F, loss)(x, y, reduction=reduction, weight=w)
        np.testing.assert_allclose(got.numpy(), want, rtol=32 * 2.0**-52)


@pytest.mark.parametrize("swap", [False, True])
def test_triplets_with_a_distance_of_ones_own(swap):
    anchor, positive, negative = (randn(6, 3, seed=i, dtype=dlcore.float64) for i in range(3))
    a, p, n = (x.numpy() for x in (anchor, positive, negative))
    near, far = np.abs(a - p).sum(-1), np.abs(a - n).sum(-1)
    between = np.abs(p - n).sum(-1)
    assert (between < far).any() and (between > far).any()
    losses = np.maximum(0, 2.0 + near - (np.minimum(far, between) if swap else far))
    for reduction, want in (("none", losses), ("sum", losses.sum()), ("mean", losses.mean())):
        got = nn.TripletMarginWithDistanceLoss(
            distance_function=lambda x, y: (x - y).abs().sum(-1), margin=2.0, swap=swap, reduction=reduction
        )(anchor, positive, negative)
        np.testing.assert_allclose(got.numpy(), want, rtol=32 * 2.0**-52)


def test_weights_belong_to_the_state():
    weight = dlcore.tensor([1.0, 2.0])
    for loss, keys in (
        (nn.BCEWithLogitsLoss(weight, pos_weight=weight * 3), ["weight", "pos_weight"]),
        (nn.CrossEntropyLoss(weight), ["weight"]),
        (nn.MultiMarginLoss(weight=weight), ["weight"]),
        (nn.BCEWithLogitsLoss(), []),
    ):
        assert list(loss.state_dict()) == keys
        assert all(value.dtype == dlcore.float64 for value in loss.double().state_dict().values())


# --- memory: nothing of the logits' size but their gradient


@pytest.mark.parametrize("layout", ["rows", "images"])
@pytest.mark.parametrize("loss", ["cross_entropy", "smoothed", "nll_loss", "multi_margin_loss"])
def test_large_vocabularies_make_no_copy_of_the_logits(loss, layout):
    if layout == "images" and loss == "multi_margin_loss":
        pytest.skip("rows only")
    shape, target = ((64, 32000), (64,)) if layout == "rows" else ((4, 32000, 16), (4, 16))
    x = randn(*shape, grad=True)
    target = tensor(np.random.default_rng(1).integers(0, 32000, target))
    call = getattr(F, loss) if loss != "smoothed" else lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1)
    before = dlcore.memory_stats()["allocated_bytes"]
    dlcore.reset_peak_memory_stats()
    result = call(x, target)
    forward = dlcore.memory_stats()["peak_allocated_bytes"] - before
    result.backward()
    peak = dlcore.memory_stats()["peak_allocated_bytes"] - before
    size = 4 * x.numel()
    # Large blocks are rounded up by the allocator.
    assert forward < size / 64
    assert size <= peak < 1.1 * size


# --- the same bits for any number of threads, of what is cut into several chunks


def bits_of_threads(call, *inputs):
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            dlcore.set_num_threads(threads)
            xs = [x.detach().requires_grad_(x.requires_grad) for x in inputs]
            y = call(*xs)
            y.sum().backward()
            results.append([t.detach().numpy().tobytes() for t in (y, *(x.grad for x in xs if x.requires_grad))])
    finally:
        dlcore.set_num_threads(before)
    return results


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_same_bits_for_any_number_of_threads(reduction):
    logits, scores = randn(60, 37, 21, grad=True), randn(700, 90, grad=True)
    labels = tensor(np.random.default_rng(2).integers(1, 21, (37, 20)))
    lengths = np.random.default_rng(3).integers(0, 21, 37).tolist()
    right = tensor(np.random.default_rng(4).integers(0, 90, 700))
    several = tensor(np.random.default_rng(5).integers(-1, 90, (700, 90)))
    rows = randn(300, 200, grad=True), randn(300, 200, grad=True, seed=1)
    for results in (
        bits_of_threads(lambda x: F.ctc_loss(x.log_softmax(2), labels, [60] * 37, lengths, 0, reduction), logits),
        bits_of_threads(lambda x: F.multi_margin_loss(x, right, p=2, reduction=reduction), scores),
        bits_of_threads(lambda x: F.multilabel_margin_loss(x, several, reduction=reduction), scores),
        bits_of_threads(lambda x, y: F.poisson_nll_loss(x, y.abs(), full=True, reduction=reduction), *rows),
        bits_of_threads(lambda x, y: F.soft_margin_loss(x, y, reduction=reduction), *rows),
        bits_of_threads(lambda x, y: F.triplet_margin_loss(x, y, x + y, reduction=reduction), *rows),
    ):
        assert results[0] == results[1] == results[2]


# --- CTC


def test_ctc_of_long_sequences_keeps_its_digits():
    """The alphas of each step are stored near 0, so that 3000 steps cost no more digits than one."""
    x = randn(3000, 1, 30).log_softmax(2)
    labels = tensor(np.random.default_rng(1).integers(1, 30, (1, 400)))
    grads, losses = [], []
    for dtype in (dlcore.float64, dlcore.float32):
        logp = x.detach().to(dtype).requires_grad_()
        loss = F.ctc_loss(logp, labels, [3000], [400], reduction="sum")
        loss.backward()
        losses.append(loss.item())
        grads.append(logp.grad.numpy())
    assert abs(losses[1] / losses[0] - 1) < 4 * 2.0**-24
    # Each step rounds logarithms of up to some 64; the errors add up like a random walk. Without taking the largest off
    # they would be of the size of the loss, 8800.
    assert np.abs(grads[0] - grads[1]).max() < 64 * math.sqrt(3000) * 2.0**-24


def test_ctc_gradient_where_classes_are_impossible():
    """A probability of 0 is no NaN, neither of a class of the target nor of another."""
    logp = np.full((2, 4), -np.inf)
    logp[[0, 0, 1, 1], [0, 1, 0, 2]] = math.log(0.5)
    x = tensor(logp[:, None], grad=True)
    loss = F.ctc_loss(x, tensor([[1, 2]]), [2], [2], reduction="sum")
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(0.25), rel=1e-12)
    np.testing.assert_allclose(x.grad.numpy()[:, 0], [[0.5, -0.5, 0, 0], [0.5, 0, -0.5, 0]], atol=1e-12)


def test_ctc_without_an_alignment():
    x = randn(4, 2, 3, dtype=dlcore.float64).log_softmax(2)
    targets = tensor([[1, 1, 1], [1, 2, 0]])
    for zero in (False, True):
        logp = x.detach().requires_grad_()
        losses = F.ctc_loss(logp, targets, [4, 3], [3, 2], reduction="none", zero_infinity=zero)
        losses.sum().backward()
        grad = logp.grad.numpy()
        assert losses[0].item() == (0 if zero else math.inf) and 0 < losses[1].item() < math.inf
        assert (grad[:, 0] == 0).all() if zero else np.isnan(grad[:, 0]).all()
        assert (grad[:3, 1] != 0).all() and (grad[3, 1] == 0).all()


def test_ctc_nan_stays():
    x = randn(5, 1, 3).log_softmax(2).numpy().copy()
    for t, c in itertools.product(range(5), range(2)):
        y = x.copy()
        y[t, 0, c] = np.nan
        assert math.isnan(F.ctc_loss(tensor(y), tensor([[1]]), [5], [1]).item())


def test_ctc_inputs_of_other_layouts_and_types():
    x = randn(3, 6, 5, dtype=dlcore.float64).log_softmax(2)
    want = F.ctc_loss(x.transpose(0, 1).contiguous(), tensor([[1, 2], [3, 3], [4, 1]]), [6, 5, 4], [2, 2, 1])
    for arguments in (
        (x.transpose(0, 1), tensor([[1, 2], [3, 3], [4, 1]]), tensor([6, 5, 4]), tensor([2, 2, 1])),
        (x.transpose(0, 1), tensor([1, 2, 3, 3, 4], dtype=dlcore.int32), (6, 5, 4), (2, 2, 1)),
        (x.permute(2, 1, 0).contiguous().permute(1, 2, 0), tensor([1, 2, 3, 3, 4]), (6, 5, 4), [2, 2, 1]),
    ):
        assert F.ctc_loss(*arguments).item() == want.item()
    one = F.ctc_loss(x[0], tensor([1, 2]), tensor(6), tensor(2), reduction="none")
    assert one.shape == ()
    half = x.transpose(0, 1).bfloat16()
    got = F.ctc_loss(half, tensor([[1, 2], [3, 3], [4, 1]]), [6, 5, 4], [2, 2, 1])
    assert got.dtype == dlcore.bfloat16 and abs(got.item() - want.item()) < 0.03 * want.item()


# --- second derivatives


def test_second_derivatives_that_are_missing_say_so():
    x = randn(4, 1, 3).log_softmax(2).detach().requires_grad_()
    with pytest.raises(NotImplementedError, match="ctc_loss: second derivatives"):
        dlcore.autograd.grad(F.ctc_loss(x, tensor([[1]]), [4], [1]), x, create_graph=True)


@pytest.mark.parametrize("name", ["multilabel_margin_loss", "multi_margin_loss"])
def test_hinges_have_slopes_of_slope_zero(name):
    x = randn(4, 5, grad=True, dtype=dlcore.float64)
    target = tensor([[1, 2, -1, 0, 0], [-1] * 5, [0, 1, 2, 3, -1], [4, -1, 0, 0, 0]])
    loss = getattr(F, name)(x, target if name == "multilabel_margin_loss" else target[:, 0].clamp(min=0))
    (first,) = dlcore.autograd.grad(loss * loss, x, create_graph=True)
    (second,) = dlcore.autograd.grad(first.sum() + 0 * x.sum(), x)
    (slope,) = dlcore.autograd.grad(getattr(F, name)(x, target if name == "multilabel_margin_loss" else
                                                     target[:, 0].clamp(min=0)), x)  # fmt: skip
    # d/dx sum(2 l l') = 2 l' sum(l'), for l' is constant
    np.testing.assert_allclose(second.numpy(), 2 * slope.numpy() * slope.numpy().sum(), atol=1e-15)


def test_soft_margins_do_not_overflow():
    x = tensor([-1000.0, 1000.0, 0.0], grad=True)
    loss = F.soft_margin_loss(x, tensor([1.0, 1.0, -1.0]), reduction="none")
    loss.sum().backward()
    np.testing.assert_allclose(loss.detach().numpy(), [1000, 0, math.log(2)], rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), [-1, 0, 0.5])


# --- 16-bit types


@pytest.mark.parametrize("dtype", [dlcore.bfloat16, dlcore.float16])
def test_half_types(dtype):
    x, y, t = randn(6, 5), randn(6, 5, seed=1), tensor([0, 1, 2, 3, 4, 0])
    labels, sign = tensor([[1, 2, -1, 0, 0]] * 6), tensor([1.0, -1, 1, -1, 1, 1])
    for call in (
        lambda x, y: F.multi_margin_loss(x, t),
        lambda x, y: F.multilabel_margin_loss(x, labels),
        lambda x, y: F.multilabel_soft_margin_loss(x, y.sigmoid()),
        lambda x, y: F.poisson_nll_loss(x, y.abs()),
        lambda x, y: F.soft_margin_loss(x, y.sign()),
        lambda x, y: F.gaussian_nll_loss(x, y, y.abs() + 0.5),
        lambda x, y: F.cosine_embedding_loss(x, y, sign),
        lambda x, y: F.triplet_margin_loss(x, y, x + 1),
    ):
        narrow = x.to(dtype).requires_grad_(), y.to(dtype)
        wide = narrow[0].detach().float().requires_grad_(), narrow[1].float()
        got, want = call(*narrow), call(*wide)
        assert got.dtype == dtype
        np.testing.assert_allclose(got.float().item(), want.item(), rtol=0.03, atol=0.02)
        got.backward()
        want.backward()
        np.testing.assert_allclose(narrow[0].grad.float().numpy(), wide[0].grad.numpy(), rtol=0.1, atol=0.02)


# --- wrong arguments

X, T = randn(3, 4), tensor([0, 1, 2])
LOGP = randn(5, 2, 4).log_softmax(2)
TARGETS = tensor([[1, 2, 3], [2, 2, 1]])
WRONG = [
    (lambda: F.multi_margin_loss(X, tensor([0, 1])), RuntimeError, "must have a class for each of the 3 samples"),
    (lambda: F.multi_margin_loss(X, tensor([0, 1, 4])), RuntimeError, "must hold classes from 0 to 3"),
    (lambda: F.multi_margin_loss(X, tensor([0, 1, -1])), RuntimeError, "must hold classes from 0 to 3"),
    (lambda: F.multi_margin_loss(X, T.float()), RuntimeError, "must hold class numbers"),
    (lambda: F.multi_margin_loss(X, T, p=3), ValueError, "p must be 1 or 2"),
    (lambda: nn.MultiMarginLoss(p=3), ValueError, "p must be 1 or 2"),
    (lambda: F.multi_margin_loss(X, T, weight=randn(3)), RuntimeError, "one element for each of the 4 classes"),
    (lambda: F.multi_margin_loss(X, T, weight=randn(1, 4)), ValueError, "weight must have one dimension"),
    (lambda: F.multi_margin_loss(randn(2, 3, 4), T), RuntimeError, r"must have shape \(classes\) or"),
    (lambda: F.multi_margin_loss(randn(3, 0), T), RuntimeError, "at least one class"),
    (lambda: F.multi_margin_loss(X.long(), T), NotImplementedError, "must be floating point"),
    (lambda: F.multi_margin_loss(X, T, reduction="nonsense"), ValueError, "reduction must be"),
    (lambda: F.multilabel_margin_loss(X, tensor([[0, 1, 2]] * 3)), RuntimeError, "must have input's shape"),
    (lambda: F.multilabel_margin_loss(X, tensor([[0, 1, -2, 0]] * 3)), RuntimeError, "must hold classes from -1 to 3"),
    (lambda: F.multilabel_margin_loss(X, tensor([[0, -1, 4, 0]] * 3)), RuntimeError, "must hold classes from -1 to 3"),
    (lambda: F.multilabel_soft_margin_loss(randn(), randn()), IndexError, "a dimension of classes"),
    (lambda: F.gaussian_nll_loss(X, X, -1.0), ValueError, "var must not have negative elements"),
    (lambda: F.gaussian_nll_loss(X, X, randn(4).abs()), ValueError, "var must have input's shape"),
    (lambda: F.gaussian_nll_loss(X, X, randn(3, 2).abs()), ValueError, "var must have input's shape"),
    (lambda: F.margin_ranking_loss(X, X, randn(4)), RuntimeError, "same number of dimensions"),
    (lambda: F.cosine_embedding_loss(X[0], X[0], tensor([1])), RuntimeError, "a dimension more than target"),
    (lambda: F.cosine_embedding_loss(X, X, X), RuntimeError, "no dimension or one"),
    (lambda: F.triplet_margin_loss(X, X[0], X), RuntimeError, "same number of dimensions"),
    (lambda: F.triplet_margin_loss(X, X, X, margin=0.0), ValueError, "margin must be positive"),
    (lambda: F.triplet_margin_loss(X, X, X, margin=math.nan), ValueError, "margin must be positive"),
    (lambda: nn.TripletMarginLoss(margin=-1), ValueError, "margin must be positive"),
    (lambda: nn.TripletMarginWithDistanceLoss(margin=0), ValueError, "margin must be positive"),
    (lambda: F.triplet_margin_with_distance_loss(X, X, X, margin=0), ValueError, "margin must be positive"),
    (lambda: F.triplet_margin_with_distance_loss(X, X, X[0]), RuntimeError, "same number of dimensions"),
    (lambda: F.triplet_margin_with_distance_loss(X, X, X, reduction="x"), ValueError, "reduction must be"),
    (lambda: F.poisson_nll_loss(X, randn(5)), RuntimeError, "poisson_nll_loss"),
    (lambda: F.pdist(randn(3)), RuntimeError, "two dimensions"),
    (lambda: F.pdist(X, -1.0), RuntimeError, "p must not be negative"),
    (lambda: F.pdist(X.long()), RuntimeError, "must be floating point"),
    (lambda: F.cosine_similarity(X, X, dim=2), IndexError, "dim"),
    (lambda: F.cosine_similarity(X, X, eps=-1.0), RuntimeError, "eps must not be negative"),
    (lambda: F.cosine_similarity(X.long(), X.long()), RuntimeError, "must be floating point"),
    (lambda: F.normalize(X, dim=2), IndexError, "dim"),
    (lambda: F.ctc_loss(LOGP[0, 0], TARGETS, [5, 5], [3, 3]), RuntimeError, r"must have shape \(T, N, C\)"),
    (lambda: F.ctc_loss(LOGP[:0], TARGETS, [0, 0], [0, 0]), RuntimeError, "must not be empty"),
    (lambda: F.ctc_loss(LOGP, TARGETS, [5], [3, 3]), RuntimeError, "input_lengths must have one element for each"),
    (lambda: F.ctc_loss(LOGP, TARGETS, [5, 5], [3]), RuntimeError, "target_lengths must have one element for each"),
    (lambda: F.ctc_loss(LOGP, TARGETS, [6, 5], [3, 3]), RuntimeError, "input_lengths must be between 0 and 5"),
    (lambda: F.ctc_loss(LOGP, TARGETS, [5, -1], [3, 3]), RuntimeError, "input_lengths must be between 0 and 5"),
    (lambda: F.ctc_loss(LOGP, TARGETS, [5, 5], [3, 4]), RuntimeError, "target_lengths must be between 0 and 3"),
    (lambda: F.ctc_loss(LOGP, TARGETS, [5, 5], [-1, 3]), RuntimeError, "target_lengths must be between 0 and 3"),
    (lambda: F.ctc_loss(LOGP, TARGETS, [5, 5], [3, 3], blank=4), RuntimeError, "blank must be one of the 4 classes"),
    (lambda: F.ctc_loss(LOGP, TARGETS[:1], [5, 5], [3, 3]), RuntimeError, "targets must have a row for each"),
    (lambda: F.ctc_loss(LOGP, TARGETS[None], [5, 5], [3, 3]), RuntimeError, "one or two dimensions"),
    (lambda: F.ctc_loss(LOGP, tensor([1, 2, 3]), [5, 5], [2, 2]), RuntimeError, r"sum\(target_lengths\) = 4"),
    (lambda: F.ctc_loss(LOGP, TARGETS + 1, [5, 5], [3, 3]), RuntimeError, "must hold classes from 0 to 3; got 4"),
    (lambda: F.ctc_loss(LOGP, TARGETS - 3, [5, 5], [3, 3]), RuntimeError, "must hold classes from 0 to 3; got -2"),
    (lambda: F.ctc_loss(LOGP, TARGETS, tensor([5.0, 5]), [3, 3]), RuntimeError, "input_lengths must be integers"),
    (lambda: F.ctc_loss(LOGP.long(), TARGETS, [5, 5], [3, 3]), NotImplementedError, "must be floating point"),
]


@pytest.mark.parametrize("call, kind, message", WRONG)
def test_wrong_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
