"""Losses with their backward: no bar."""

import numpy as np

from . import integers, row, values


def loss(name, call, inputs, *others, length=8):
    """call(functional, *inputs, *others), and the gradients of the inputs."""

    def make(d):
        xs = [d.tensor(x).requires_grad_() for x in inputs]
        rest = [d.tensor(x) if isinstance(x, np.ndarray) else x for x in others]
        functional = d.nn.functional

        def step():
            y = call(functional, *xs, *rest)
            return [y, *d.autograd.grad(y, xs)]

        return step

    row("loss", name, make, length=length)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return (x - np.log(np.exp(x).sum(-1, keepdims=True))).astype(x.dtype)


def pair(*shape, of=2):
    return [values(*shape, seed=str(i)) for i in range(of)]


def ctc(steps, samples, classes, labels):
    logp = log_softmax(values(steps, samples, classes))
    target = integers(classes - 1, samples, labels) + 1
    loss(f"ctc {steps} steps, {samples} samples, {classes} classes, {labels} labels",
         lambda f, x, t: f.ctc_loss(x, t, (steps,) * samples, (labels,) * samples),
         [logp], target, length=64 * steps)  # fmt: skip


ctc(100, 16, 32, 20)
ctc(400, 8, 64, 80)
for n, c in ((256, 100), (64, 10000)):
    loss(f"multi margin {n}x{c}", lambda f, x, t: f.multi_margin_loss(x, t), [values(n, c)], integers(c, n), length=c)
    loss(f"cross entropy {n}x{c}", lambda f, x, t: f.cross_entropy(x, t), [values(n, c)], integers(c, n), length=c)
loss("multilabel margin 256x100, 8 labels",
     lambda f, x, t: f.multilabel_margin_loss(x, t), [values(256, 100)],
     np.concatenate([np.tile(np.arange(8) * 7, (256, 1)), np.full((256, 92), -1)], 1), length=800)  # fmt: skip
loss("multilabel soft margin 1024x512", lambda f, x, t: f.multilabel_soft_margin_loss(x, t),
     [values(1024, 512)], (values(1024, 512, seed="t") > 0).astype("float32"), length=1 << 19)  # fmt: skip
loss("poisson 1024x512", lambda f, x, t: f.poisson_nll_loss(x, t), [values(1024, 512)],
     np.abs(values(1024, 512, seed="t")), length=1 << 19)  # fmt: skip
loss("soft margin 1024x512", lambda f, x, t: f.soft_margin_loss(x, t), [values(1024, 512)],
     np.sign(values(1024, 512, seed="t")), length=1 << 19)  # fmt: skip
loss("hinge embedding 1024x512", lambda f, x, t: f.hinge_embedding_loss(x, t), [np.abs(values(1024, 512))],
     np.sign(values(1024, 512, seed="t")), length=1 << 19)  # fmt: skip
loss("gaussian 1024x512", lambda f, x, t, v: f.gaussian_nll_loss(x, t, v), pair(1024, 512),
     np.abs(values(1024, 512, seed="v")) + 0.1, length=1 << 19)  # fmt: skip
for n, size in ((64, 128), (1024, 512)):
    loss(f"triplet {n}x{size}", lambda f, a, p, q: f.triplet_margin_loss(a, p, q), pair(n, size, of=3), length=size)
    loss(f"cosine embedding {n}x{size}", lambda f, x, y, t: f.cosine_embedding_loss(x, y, t), pair(n, size),
         np.sign(values(n, seed="t")), length=size)  # fmt: skip
