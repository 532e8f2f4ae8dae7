import itertools

import numpy as np

from . import arr, case
from .loss import REDUCTIONS, log_softmax

# x holds logits: the gradient of ctc_loss is that of log-probabilities which log_softmax made.


def spelled(path, blank):
    joined = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
    return [c for c in joined if c != blank]


def by_paths(x, label, blank):
    """Over all C^T paths."""
    paths = itertools.product(range(x.shape[1]), repeat=len(x))
    found = [sum(x[t, c] for t, c in enumerate(path)) for path in paths if spelled(path, blank) == list(label)]
    return -np.logaddexp.reduce(found) if found else np.inf


def by_states(x, label, blank):
    """The recursion over prefixes of blank, l_1, blank, l_2, ..., blank."""
    states = [blank]
    for c in label:
        states += [c, blank]
    p = np.zeros(len(states))
    p[:2] = np.exp(x[0, states[:2]])
    scale = 0.0
    for row in x[1:]:
        q = p.copy()
        q[1:] += p[:-1]
        for s in range(2, len(states)):
            if states[s] != states[s - 2]:
                q[s] += p[s - 2]
        p = q * np.exp(row[states])
        if p.sum() > 0:
            scale += np.log(p.sum())
            p = p / p.sum()
    with np.errstate(divide="ignore"):
        return -(np.log(p[-2:].sum()) + scale)


def ctc(x, labels, lengths, blank, reduction, zero, one):
    logp = log_softmax(x, -1)
    losses = np.array([
        (0.0 if not len(label) else np.inf) if n == 0 else one(logp[:n, i], label, blank)
        for i, (n, label) in enumerate(zip(lengths, labels))
    ])  # fmt: skip
    if zero:
        losses[np.isinf(losses)] = 0
    if reduction == "mean":
        return (losses / [max(len(label), 1) for label in labels]).mean()
    return losses.sum() if reduction == "sum" else losses


def add(steps, classes, labels, lengths, blank=0, zero=False, padded=True, one=by_states, grad=True):
    sizes = [len(label) for label in labels]
    if padded:
        target = np.full((len(labels), max(sizes) + 1), 7, np.int64)  # what is past the end is not read
        for row, label in zip(target, labels):
            row[: len(label)] = label
    else:
        target = np.array([c for label in labels for c in label], np.int64)
    for reduction in REDUCTIONS:
        case(
            "ctc_loss",
            lambda d, x, t, r=reduction: d.nn.functional.ctc_loss(
                x.log_softmax(2), t, tuple(lengths), tuple(sizes), blank, r, zero
            ),
            [arr(steps, len(labels), classes), target],
            lambda x, t, r=reduction: ctc(x, labels, lengths, blank, r, zero, one),
            length=4 * steps,
            grad=grad,
        )


add(4, 3, [[1], [1, 2], [2, 2], []], [4, 4, 3, 2], one=by_paths)
add(5, 3, [[0, 0], [0, 1, 0]], [5, 5], blank=2, padded=False, one=by_paths)
add(3, 3, [[1, 1], [1, 1, 2], [1]], [2, 3, 1], zero=True, one=by_paths)  # the first two take more steps
add(3, 3, [[1, 1], [1]], [2, 3], one=by_paths, grad=False)
add(3, 3, [[], [1], [2]], [0, 0, 3], one=by_paths, grad=False)
add(12, 7, [[1, 2, 3, 3, 4, 5, 6], [6, 5, 4, 3], [1] * 5], [12, 9, 11])
add(40, 20, [list(range(1, 17)), [3, 3, 4] * 6], [40, 33], padded=False)
