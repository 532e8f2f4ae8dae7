import numpy as np

from . import Arr, arr, case, distinct, uniform
from .loss import REDUCTIONS, reduced

# ---- scores of classes


def multi_margin(x, t, w=None, p=1, margin=1.0):
    rows = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)
    losses = []
    for row, c in zip(rows, np.atleast_1d(t)):
        hinges = np.maximum(0, margin + np.delete(row, c) - row[c]) ** p
        losses.append(hinges.sum() * (1 if w is None else w[c]) / len(row))
    return np.array(losses).reshape(np.shape(t))


def multilabel_margin(x, t):
    if x.ndim == 2:
        return np.array([multilabel_margin(*row) for row in zip(x, t)])
    right = t[: list(t).index(-1)] if -1 in t else t
    wrong = np.delete(x, right)
    return np.asarray(sum(np.maximum(0, 1 + wrong - x[c]).sum() for c in right) / len(x))


for shape in [(5, 4), (4,), (3, 1), (9, 17), (2, 33)]:
    samples, classes = shape[:-1], shape[-1]
    target = np.random.default_rng(classes).integers(0, classes, samples)
    for reduction in REDUCTIONS:
        for p, margin in ((1, 1.0), (2, 1.0), (2, 0.4)):
            kw = dict(p=p, margin=margin, reduction=reduction)
            case(
                "multi_margin_loss",
                lambda d, x, t, w, kw=kw: d.nn.functional.multi_margin_loss(x, t, weight=w, **kw),
                [arr(*shape), target, uniform(classes, low=0.5, high=2, grad=False)],
                lambda x, t, w, p=p, m=margin, r=reduction: reduced(multi_margin(x, t, w, p, m), r),
                length=int(np.prod(shape)),
                scale=1.0,
                grad=classes > 1,
                gradgrad=shape == (5, 4) and p == 2,
            )
        labels = np.stack([np.random.default_rng(i).permutation(classes) for i in range(int(np.prod(samples)))])
        for i, row in enumerate(labels):
            row[: classes - 1][i % classes :] = -1  # one row has no label, one nearly all
        case(
            "multilabel_margin_loss",
            lambda d, x, t, r=reduction: d.nn.functional.multilabel_margin_loss(x, t, reduction=r),
            [arr(*shape), labels.reshape(shape)],
            lambda x, t, r=reduction: reduced(multilabel_margin(x, t), r),
            length=int(np.prod(shape)),
            scale=1.0,
            grad=classes > 1 and len(shape) > 1,
        )
case("multi_margin_loss", lambda d, x, t: d.nn.functional.multi_margin_loss(x, t), [arr(4), np.array([2])],
     lambda x, t: multi_margin(x, t).mean(), length=4)  # fmt: skip
case("multi_margin_loss", lambda d, x, t: d.nn.functional.multi_margin_loss(x, t, reduction="none"),
     [arr(0, 4), np.zeros(0, np.int64)], lambda x, t: np.zeros(0), grad=False)  # fmt: skip


def soft(x, t):
    return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))


for shape in [(3, 4), (17,), (2, 3, 5)]:
    for reduction in REDUCTIONS:
        case(
            "multilabel_soft_margin_loss",
            lambda d, x, t, w, r=reduction: d.nn.functional.multilabel_soft_margin_loss(x, t, w, reduction=r),
            [arr(*shape), uniform(*shape, low=0, high=1), uniform(shape[-1], low=0.5, high=2, grad=False)],
            lambda x, t, w, r=reduction: reduced((w * soft(x, t)).mean(-1), r),
            length=int(np.prod(shape)),
            gradgrad=shape == (3, 4),
        )

# ---- values and variances


def gaussian(x, t, var, full=False, eps=1e-6):
    var = np.maximum(var[..., None] if var.shape == x.shape[:-1] else var, eps)
    return (np.log(var) + (x - t) ** 2 / var + (np.log(2 * np.pi) if full else 0)) / 2


for shape, var in [((3, 4), (3, 4)), ((3, 4), (3, 1)), ((3, 4), (3,)), ((7,), ()), ((2, 3, 4), (2, 1, 4))]:
    for reduction in REDUCTIONS:
        for full in (False, True):
            case(
                "gaussian_nll_loss",
                lambda d, x, t, v, f=full, r=reduction: d.nn.functional.gaussian_nll_loss(x, t, v, full=f, reduction=r),
                [arr(*shape), arr(*shape), uniform(*var, low=0.3, high=3)],
                lambda x, t, v, f=full, r=reduction: reduced(gaussian(x, t, v, f), r),
                length=max(int(np.prod(shape)), 4),
                gradgrad=shape == (3, 4) and var == (3, 1),
            )
case("gaussian_nll_loss", lambda d, x, t: d.nn.functional.gaussian_nll_loss(x, t, 0.5), [arr(3, 4), arr(3, 4)],
     lambda x, t: gaussian(x, t, np.full_like(x, 0.5)).mean(), length=12)  # fmt: skip
case("gaussian_nll_loss", lambda d, x, t, v: d.nn.functional.gaussian_nll_loss(x, t, v, eps=0.5, reduction="none"),
     [arr(3, 4), arr(3, 4), uniform(3, 4, low=0.0, high=1, grad=False)],
     lambda x, t, v: gaussian(x, t, v, eps=0.5), length=4)  # fmt: skip

# ---- embeddings and ranks


def signs(*shape):
    return np.where(np.arange(int(np.prod(shape))) % 3 == 0, -1.0, 1.0).reshape(shape)


class Sign(Arr):
    """1 and -1, which no gradient is asked for."""

    def __init__(self, *shape):
        super().__init__(shape, grad=False)

    def make(self, rng):
        return signs(*self.shape)


def cosine(x, y, eps=0.0, axis=-1):
    def norm(v):
        return np.maximum(np.sqrt((v * v).sum(axis)), eps)

    return (x * y).sum(axis) / (norm(x) * norm(y))


def cosine_embedding(x, y, t, margin=0.0):
    c = (x * y).sum(-1) / np.sqrt(((x * x).sum(-1) + 1e-12) * ((y * y).sum(-1) + 1e-12))
    return np.where(t == 1, 1 - c, np.maximum(0, c - margin))


def distance(x, y, p=2.0, eps=1e-6):
    return np.linalg.norm(x - y + eps, p, -1)


def triplet(a, p, n, margin=1.0, order=2.0, swap=False):
    far = distance(a, n, order)
    if swap:
        far = np.minimum(far, distance(p, n, order))
    return np.maximum(0, margin + distance(a, p, order) - far)


for shape in [(5, 4), (4,), (3, 17), (2, 2)]:
    size = int(np.prod(shape))
    for reduction in REDUCTIONS:
        for margin in (0.0, -0.2):
            case(
                "cosine_embedding_loss",
                lambda d, x, y, t, m=margin, r=reduction: d.nn.functional.cosine_embedding_loss(
                    x, y, t, margin=m, reduction=r
                ),
                [arr(*shape), arr(*shape), Sign(*shape[:-1])],
                lambda x, y, t, m=margin, r=reduction: reduced(cosine_embedding(x, y, t, m), r),
                length=size + 4,
                scale=1.0,
                grad=shape not in ((2, 2), (4,)),
                gradgrad=shape == (5, 4),
            )
        case(
            "margin_ranking_loss",
            lambda d, x, y, t, r=reduction: d.nn.functional.margin_ranking_loss(x, y, t, margin=2.0, reduction=r),
            [arr(*shape), arr(*shape), Sign(*shape)],
            lambda x, y, t, r=reduction: reduced(np.maximum(0, 2 - t * (x - y)), r),
            length=size,
            scale=1.0,
        )
        for order, swap in ((2.0, False), (2.0, True), (1.0, False), (3.0, True)):
            case(
                "triplet_margin_loss",
                lambda d, a, p, n, o=order, s=swap, r=reduction: d.nn.functional.triplet_margin_loss(
                    a, p, n, margin=3.0, p=o, swap=s, reduction=r
                ),
                [arr(*shape), arr(*shape), arr(*shape)],
                lambda a, p, n, o=order, s=swap, r=reduction: reduced(triplet(a, p, n, 3.0, o, s), r),
                length=size + 4,
                scale=10.0,
                gradgrad=shape == (5, 4) and order == 2.0,
            )
        case(
            "triplet_margin_with_distance_loss",
            lambda d, a, p, n, r=reduction: d.nn.functional.triplet_margin_with_distance_loss(
                a, p, n, distance_function=lambda x, y: 1 - d.nn.functional.cosine_similarity(x, y, dim=-1), reduction=r
            ),
            [arr(*shape), arr(*shape), arr(*shape)],
            lambda a, p, n, r=reduction: reduced(np.maximum(0, 1 - cosine(a, p) + cosine(a, n)), r),
            length=size + 4,
            scale=2.0,
        )

# ---- distances

for a, b, dim in [
    ((3, 4), (3, 4), 1),
    ((3, 4), (3, 4), 0),
    ((3, 4), (2, 3, 4), -1),
    ((17,), (17,), 0),
    ((3, 0), (3, 0), 1),
]:
    case("cosine_similarity", lambda d, x, y, k=dim: d.cosine_similarity(x, y, dim=k), [arr(*a), arr(*b)],
         lambda x, y, k=dim: np.zeros(3) if x.size == 0 else
         cosine(*np.broadcast_arrays(x, y), 1e-8, k), length=20, scale=1.0, grad=0 not in a,
         gradgrad=dim == 1 and a == (3, 4))  # fmt: skip
case("cosine_similarity", lambda d, x, y: d.cosine_similarity(x, y, eps=3.0), [uniform(3, 4, grad=False), arr(3, 4)],
     lambda x, y: cosine(x, y, 3.0), length=8, grad=False)  # fmt: skip
for a, b in [((3, 4), (3, 4)), ((4,), (3, 4)), ((5,), (5,)), ((2, 17), (3, 1, 17))]:
    for p in (1.0, 2.0, 3.0, np.inf):
        for keepdim in (False, True):
            case("pairwise_distance", lambda d, x, y, p=p, k=keepdim: d.pairwise_distance(x, y, p, keepdim=k),
                 [distinct(*a), arr(*b)],
                 lambda x, y, p=p, k=keepdim: distance(x, y, p)[..., None] if k else distance(x, y, p),
                 length=8, gradgrad=a == (3, 4) and p == 2 and not keepdim)  # fmt: skip
for shape in [(5, 4), (2, 17), (1, 3), (0, 3), (3, 0)]:
    for p in (0.0, 1.0, 2.0, 3.0, np.inf) if 0 not in shape else (2.0,):
        case("pdist", lambda d, x, p=p: d.nn.functional.pdist(x, p), [arr(*shape)],
             lambda x, p=p: np.array([np.linalg.norm(x[i] - x[j], p) for i in range(len(x))
                                      for j in range(i + 1, len(x))]),
             length=8, grad=0 not in shape and shape[0] > 1 and p > 0)  # fmt: skip
for p, dim in [(2.0, 1), (1.0, 0), (3.0, (0, 1)), (np.inf, -1)]:
    case("normalize", lambda d, x, p=p, k=dim: d.nn.functional.normalize(x, p, k), [distinct(5, 7)],
         lambda x, p=p, k=dim: x / (np.linalg.norm(x, p, k, keepdims=True) if k != (0, 1) else
                                    (np.abs(x) ** p).sum() ** (1 / p)), length=8)  # fmt: skip
