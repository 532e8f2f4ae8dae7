"""Recurrent layers and cells, against their formulas step by step."""

import numpy as np

from . import Arr, arr, case

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(kind, x, h, c, w_ih, w_hh, b_ih=0.0, b_hh=0.0, w_hr=None):
    """One step of one direction: the new h and c."""
    a, r = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    if kind == "lstm":
        i, f, g, o = np.split(a + r, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h if w_hr is None else h @ w_hr.T), c
    if kind == "gru":
        (ar, az, an), (rr, rz, rn) = np.split(a, 3, axis=-1), np.split(r, 3, axis=-1)
        z, n = sigmoid(az + rz), np.tanh(an + sigmoid(ar + rr) * rn)
        return n + z * (h - n), c
    return (np.tanh(a + r) if kind == "rnn_tanh" else np.maximum(a + r, 0)), c


def layer(kind, x, sizes, h0, c0, params):
    """x (rows, features); one direction per entry of params."""
    starts = np.cumsum([0, *sizes])
    ys, hn, cn = [], [], []
    for d, p in enumerate(params):
        h, c = h0[d].copy(), None if c0 is None else c0[d].copy()
        y = np.zeros((len(x), h.shape[1]))
        for t in range(len(sizes))[:: -1 if d else 1]:
            n, rows = sizes[t], slice(starts[t], starts[t + 1])
            h[:n], c_new = step(kind, x[rows], h[:n], None if c is None else c[:n], *p)
            if c is not None:
                c[:n] = c_new
            y[rows] = h[:n]
        ys.append(y)
        hn.append(h)
        cn.append(c)
    return np.concatenate(ys, -1), hn, cn


def stack(kind, sizes, layers, directions, states, each):
    """call(d, x, *states, *params) for dlcore or torch, and the reference."""

    def split(tensors):
        return tensors[:states], tensors[states:]

    def call(d, x, *rest):
        hx, params = split(rest)
        hx = hx if kind == "lstm" else hx[0]
        packed = [d.tensor(sizes, dtype=d.int64)] if x.dim() == 2 else []
        options = (each > 3, layers, 0.0, False, directions == 2)
        return getattr(d, kind)(x, *packed, hx, list(params), *options, *(() if packed else (False,)))

    def reference(x, *rest):
        hx, params = split(rest)
        params = [p if len(p) != 3 else (*p[:2], 0.0, 0.0, p[2]) for p in
                  (params[i : i + each] for i in range(0, len(params), each))]  # fmt: skip
        y = x.reshape(-1, x.shape[-1])
        hn, cn = [], []
        for i in range(0, layers * directions, directions):
            c0 = hx[1][i : i + directions] if kind == "lstm" else None
            y, h, c = layer(kind, y, sizes, hx[0][i : i + directions], c0, params[i : i + directions])
            hn += h
            cn += c
        return (y.reshape(*x.shape[:-1], -1), np.stack(hn), *((np.stack(cn),) if kind == "lstm" else ()))

    return call, reference


def scaled(*shape, scale):
    return Arr(shape, -scale, scale, "uniform")


def add(kind, sizes, features, hidden, layers=1, directions=1, bias=True, projection=0, packed=None, **options):
    packed = sizes != [sizes[0]] * len(sizes) if packed is None else packed
    out, gates, k = projection or hidden, GATES[kind] * hidden, hidden**-0.5
    inputs = [arr(sum(sizes), features) if packed else arr(len(sizes), sizes[0], features)]
    inputs.append(arr(layers * directions, sizes[0], out))
    if kind == "lstm":
        inputs.append(arr(layers * directions, sizes[0], hidden))
    states = len(inputs) - 1
    for i in range(layers):
        shapes = [(gates, directions * out if i else features), (gates, out), *[(gates,)] * (2 * bias)]
        shapes += [(projection, hidden)] * (projection > 0)
        for _ in range(directions):
            inputs += [scaled(*shape, scale=k) for shape in shapes]
    call, reference = stack(kind, sizes, layers, directions, states, len(shapes))
    # An error of one step goes on to the later ones, no larger for weights up to 1 / sqrt(hidden).
    length = layers * (len(sizes) + 1) * (features + out + 8)
    # PyTorch warns of projections; tests/parity/test_recurrent_parity.py has them
    case(kind, call, inputs, reference, length=length, parity=not projection, **options)


for kind in GATES:
    add(kind, [2, 2, 2], 3, 2)
    add(kind, [3, 2, 2, 1], 2, 3, directions=2)
    add(kind, [1, 1], 1, 1, layers=2)
    add(kind, [2, 2, 1], 2, 5, layers=2, directions=2, bias=False)
    # without central differences: vectors' widths and one more, several panels, blocks of rows, threads that meet
    for hidden, batch, steps in [(16, 3, 4), (17, 17, 3), (33, 5, 3), (65, 20, 2), (130, 4, 3), (200, 1, 4)]:
        add(kind, [batch] * steps, 5, hidden, grad=False)
    add(kind, [37, 37, 36, 20, 19, 3, 1], 7, 48, directions=2, grad=False)
    add(kind, [9, 4, 1], 3, 150, directions=2, grad=False)
add("lstm", [2, 2], 2, 3, projection=2)
add("lstm", [3, 2, 1], 2, 4, layers=2, directions=2, projection=3)
add("lstm", [2, 1], 2, 4, projection=1, bias=False)
add("lstm", [20, 18, 5], 6, 70, directions=2, projection=33, grad=False)
add("lstm", [3] * 4, 6, 150, projection=140, grad=False)

for kind, gates in GATES.items():
    for shape in [(2,), ()]:  # batched, and not
        h, w = [arr(*shape, 3)] * (2 if kind == "lstm" else 1), [scaled(gates * 3, n, scale=0.6) for n in (4, 3)]

        def cell(d, x, *rest, kind=kind):
            hx = rest[:2] if kind == "lstm" else rest[0]
            return getattr(d, f"{kind}_cell")(x, hx, *rest[2 if kind == "lstm" else 1 :])

        def formula(x, h, *rest, kind=kind):
            c, rest = (rest[0], rest[1:]) if kind == "lstm" else (None, rest)
            new = step(kind, x, h, c, *rest)
            return new if kind == "lstm" else new[0]

        b = [arr(gates * 3)] * 2
        case(f"{kind}_cell", cell, [arr(*shape, 4), *h, *w, *b], formula, length=20, parity=bool(shape))
