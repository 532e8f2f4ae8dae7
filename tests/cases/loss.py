import warnings

import numpy as np

from . import arr, case, uniform

REDUCTIONS = ("none", "mean", "sum")


def reduced(loss, reduction, divisor=None):
    if reduction == "none":
        return loss
    return loss.sum() / ((loss.size if divisor is None else divisor) if reduction == "mean" else 1)


# ---- losses of samples with a class each


def log_softmax(x, dim):
    x = x - x.max(dim, keepdims=True)
    return x - np.log(np.exp(x).sum(dim, keepdims=True))


def nll(logp, target, weight, reduction, ignore, smoothing=0.0):
    """-w_t logp_t, smoothed by the mean over all classes of -w_c logp_c; the mean is over the sum of w_t."""
    dim = 1 if logp.ndim > 1 else 0
    along = [-1 if i == dim else 1 for i in range(logp.ndim)]
    w, counted = weight.reshape(along), np.expand_dims(target != ignore, dim)
    hot = (np.arange(logp.shape[dim]).reshape(along) == np.expand_dims(target, dim)) & counted
    loss = -(w * logp * ((1 - smoothing) * hot + smoothing / logp.shape[dim] * counted)).sum(dim)
    return reduced(loss, reduction, (w * hot).sum())


SHAPES = [(5, 4), (4,), (1, 1), (3, 4, 2), (2, 3, 4, 2), (9, 17), (17, 9)]
for shape in SHAPES:
    samples, classes = shape[:1] + shape[2:] if len(shape) > 1 else (), shape[min(1, len(shape) - 1)]
    target = np.random.default_rng(classes).integers(0, classes, samples)
    for reduction in REDUCTIONS:
        for ignore in (-100, classes - 1 if classes > 1 else -100):
            if len(shape) == 1 and target == ignore:
                continue
            kw = dict(reduction=reduction, ignore_index=ignore)
            case(
                "nll_loss",
                lambda d, x, t, w, kw=kw: d.nn.functional.nll_loss(x, t, w, **kw),
                [arr(*shape), target, uniform(classes, low=0.5, high=2, grad=False)],
                lambda x, t, w, r=reduction, i=ignore: nll(x, t, w, r, i),
                length=shape[0],
            )
            for smoothing in (0.0, 0.3):
                case(
                    "cross_entropy",
                    lambda d, x, t, w, kw=kw, s=smoothing: d.nn.functional.cross_entropy(
                        x, t, w, label_smoothing=s, **kw
                    ),
                    [arr(*shape), target, uniform(classes, low=0.5, high=2, grad=False)],
                    lambda x, t, w, r=reduction, i=ignore, s=smoothing: nll(
                        log_softmax(x, 1 if x.ndim > 1 else 0), t, w, r, i, s
                    ),
                    length=int(np.prod(shape)),
                    grad=classes > 1,
                    gradgrad=shape == (5, 4),
                )


def soft_entropy(x, q, reduction, smoothing=0.0):
    dim = 1 if x.ndim > 1 else 0
    q = q * (1 - smoothing) + smoothing / x.shape[dim]
    loss = -(q * log_softmax(x, dim)).sum(dim)
    return reduced(loss, reduction)


for shape in [(5, 4), (4,), (3, 4, 2), (9, 17)]:
    for reduction in REDUCTIONS:
        for smoothing in (0.0, 0.3):
            case(
                "cross_entropy_probabilities",
                lambda d, x, q, r=reduction, s=smoothing: d.nn.functional.cross_entropy(
                    x, q, reduction=r, label_smoothing=s
                ),
                [arr(*shape), uniform(*shape, low=0, high=1)],
                lambda x, q, r=reduction, s=smoothing: soft_entropy(x, q, r, s),
                length=int(np.prod(shape)),
                gradgrad=shape == (5, 4),
            )
case("cross_entropy_empty", lambda d, x, t: d.nn.functional.cross_entropy(x, t, reduction="sum"),
     [arr(0, 3), np.zeros(0, np.int64)], lambda x, t: 0.0, grad=False)  # fmt: skip
case("cross_entropy_empty", lambda d, x, t: d.nn.functional.cross_entropy(x, t, reduction="none"),
     [arr(0, 3), np.zeros(0, np.int64)], lambda x, t: np.zeros(0), grad=False)  # fmt: skip
case("cross_entropy_all_ignored", lambda d, x, t: d.nn.functional.cross_entropy(x, t, ignore_index=1),
     [arr(2, 3), np.ones(2, np.int64)], lambda x, t: np.nan, grad=False)  # fmt: skip

# ---- losses of pairs


def smooth(x, t, beta=1.0):
    d = np.abs(x - t)
    return np.where(d < beta, d * d / (2 * beta), d - beta / 2)


def huber(x, t, delta=1.0):
    d = np.abs(x - t)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


def bce(x, t):
    return -(t * np.log(x) + (1 - t) * np.log1p(-x))


def bce_logits(x, t):
    return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))


def poisson(x, t, log_input=True, full=False, eps=1e-8):
    loss = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    return loss + np.where(t > 1, t * np.log(t) - t + np.log(2 * np.pi * t) / 2, 0) if full else loss


def hinge_embedding(x, t, margin=1.0):
    return np.where(t == 1, x, np.where(t == -1, np.maximum(0, margin - x), x + np.maximum(0, margin - x)))


def positive(*shape):
    return uniform(*shape, low=0.2, high=4)


def signs(*shape):
    return np.where(np.random.default_rng(len(shape)).random(shape) < 0.5, -1.0, 1.0)


PAIRS = [
    ("mse_loss", {}, lambda x, t: (x - t) ** 2, arr, arr),
    ("l1_loss", {}, lambda x, t: np.abs(x - t), arr, arr),
    ("smooth_l1_loss", {}, smooth, arr, arr),
    ("smooth_l1_loss", {"beta": 0.3}, lambda x, t: smooth(x, t, 0.3), arr, arr),
    ("smooth_l1_loss", {"beta": 0.0}, lambda x, t: np.abs(x - t), arr, arr),
    ("huber_loss", {}, huber, arr, arr),
    ("huber_loss", {"delta": 0.3}, lambda x, t: huber(x, t, 0.3), arr, arr),
    ("binary_cross_entropy", {}, bce, lambda *s: uniform(*s, low=0.1, high=0.9), lambda *s: uniform(*s, low=0, high=1)),
    ("binary_cross_entropy_with_logits", {}, bce_logits, arr, lambda *s: uniform(*s, low=0, high=1)),
    ("poisson_nll_loss", {}, poisson, arr, positive),
    ("poisson_nll_loss", {"full": True}, lambda x, t: poisson(x, t, full=True), arr, positive),
    ("poisson_nll_loss", {"log_input": False}, lambda x, t: poisson(x, t, False), positive, positive),
    (
        "poisson_nll_loss",
        {"log_input": False, "full": True, "eps": 0.5},
        lambda x, t: poisson(x, t, False, True, 0.5),
        positive,
        positive,
    ),
    ("soft_margin_loss", {}, lambda x, t: np.logaddexp(0, -t * x), arr, lambda *s: uniform(*s, grad=False)),
    ("hinge_embedding_loss", {}, hinge_embedding, lambda *s: uniform(*s, low=0, high=2), signs),
    ("hinge_embedding_loss", {"margin": 0.3}, lambda x, t: hinge_embedding(x, t, 0.3), arr, signs),
]
SMOOTH = ("mse_loss", "binary_cross_entropy_with_logits", "poisson_nll_loss", "soft_margin_loss")
for op, kw, ref, make_x, make_t in PAIRS:
    for shape in [(3, 4), (17,), (2, 1, 5), (0,), (0, 3)]:
        for reduction in REDUCTIONS:
            if 0 in shape and reduction == "mean":
                continue
            case(
                op,
                lambda d, x, t, op=op, kw=kw, r=reduction: getattr(d.nn.functional, op)(x, t, reduction=r, **kw),
                [make_x(*shape), make_t(*shape)],
                lambda x, t, ref=ref, r=reduction: reduced(ref(x, t), r),
                length=max(int(np.prod(shape)), 1),
                grad=0 not in shape,
                gradgrad=shape == (3, 4) and op in SMOOTH,
            )
    case(op, lambda d, x, t, op=op, kw=kw: getattr(d.nn.functional, op)(x.T, t, **kw), [make_x(4, 3), make_t(3, 4)],
         lambda x, t, ref=ref: ref(x.T, t).mean(), length=12)  # fmt: skip
case("bce_weights", lambda d, x, t, w, p: d.nn.functional.binary_cross_entropy_with_logits(x, t, w, pos_weight=p),
     [arr(3, 4), uniform(3, 4, low=0, high=1, grad=False), uniform(4, low=0.5, high=2, grad=False),
      uniform(4, low=0.5, high=2, grad=False)],
     lambda x, t, w, p: (w * ((1 - t) * x + (1 + (p - 1) * t) * np.logaddexp(0, -x))).mean(), length=12)  # fmt: skip

# ---- divergence of distributions: x holds logarithms


def kl_div(d, x, target, **kw):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "mean" warns that it is not what people want
        return d.nn.functional.kl_div(x, target, **kw)


for shape in [(3, 4), (17,), (2, 1, 5), (0, 3)]:
    for reduction in (*REDUCTIONS, "batchmean"):
        if 0 in shape and "mean" in reduction:
            continue
        for logs in (False, True):
            case(
                "kl_div",
                lambda d, x, t, r=reduction, logs=logs: kl_div(d, x, t, reduction=r, log_target=logs),
                [arr(*shape), arr(*shape) if logs else uniform(*shape, low=0.1, high=2)],
                lambda x, t, r=reduction, logs=logs: (
                    reduced((np.exp(t) * (t - x)) if logs else t * (np.log(t) - x), "sum") / x.shape[0]
                    if r == "batchmean"
                    else reduced((np.exp(t) * (t - x)) if logs else t * (np.log(t) - x), r)
                ),
                length=int(np.prod(shape)) + 4,
                gradgrad=shape == (3, 4),
            )
for op in ("mse_loss", "l1_loss", "huber_loss"):
    for reduction in REDUCTIONS:
        case(op + "_weighted",
             lambda d, x, t, w, op=op, r=reduction: getattr(d.nn.functional, op)(x, t, reduction=r, weight=w),
             [arr(3, 4), arr(3, 4), uniform(3, 4, low=0.5, high=2, grad=False)], length=12)  # fmt: skip
