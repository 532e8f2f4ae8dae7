"""Ops bound by memory or by vector math, on 1M to 4M elements: bar 1.3 (0.9)."""

import numpy as np

from . import integers, row, values

M = 1 << 20
SQUARE = (2048, 2048)  # 4M
ROWS = (4096, 512)  # 2M


def large(name, call, *arrays, length=8, dtype="float32"):
    """Row for call(d, *tensors); an array is given as itself or as its shape."""

    def make(d):
        inputs = [
            d.tensor(values(*a, seed=str(i), dtype=dtype) if isinstance(a, tuple) else a())
            for i, a in enumerate(arrays)
        ]
        return lambda: call(d, *inputs)

    row("large", name, make, length=length, dtype=dtype)


def positive(*shape):
    return lambda: np.abs(values(*shape)) + 0.1


def mask(*shape):
    return lambda: values(*shape) > 0


# ---- elementwise
large("add", lambda d, x, y: d.add(x, y), (M,), (M,))
large("add, float64", lambda d, x, y: d.add(x, y), (M,), (M,), dtype="float64")
large("mul by a number", lambda d, x: x * 2.5, (4 * M,))
large("div", lambda d, x, y: x / y, (M,), positive(M))
large("add_ in place", lambda d, x, y: x.add_(y, alpha=0.0), (4 * M,), (4 * M,))
large("addcmul", lambda d, x, y, z: d.addcmul(x, y, z, value=0.5), (M,), (M,), (M,))
large("relu", lambda d, x: d.relu(x), (M,))
large("exp", lambda d, x: d.exp(x), (M,))
large("log", lambda d, x: d.log(x), positive(M))
large("sqrt", lambda d, x: d.sqrt(x), positive(M))
large("tanh", lambda d, x: d.tanh(x), (M,))
large("sigmoid", lambda d, x: d.sigmoid(x), (M,))
large("erf", lambda d, x: d.erf(x), (M,))
large("sin", lambda d, x: d.sin(x), (M,))
large("pow 3", lambda d, x: x**3, (M,))
large("clamp", lambda d, x: d.clamp(x, -1, 1), (M,))
large("where", lambda d, m, x, y: d.where(m, x, y), mask(M), (M,), (M,))
large("compare", lambda d, x, y: x < y, (M,), (M,))
large("maximum", lambda d, x, y: d.maximum(x, y), (M,), (M,))
large("gelu", lambda d, x: d.nn.functional.gelu(x), (M,), length=16)
large("to float64", lambda d, x: x.double(), (M,))
large("to bfloat16", lambda d, x: x.bfloat16().float(), (M,))
# ---- broadcast
large("add row", lambda d, x, y: x + y, SQUARE, (2048,))
large("mul column", lambda d, x, y: x * y, SQUARE, (2048, 1))
large("add channel (32,64,32,32)+(64,1,1)", lambda d, x, y: x + y, (32, 64, 32, 32), (64, 1, 1))
large("outer sum", lambda d, x, y: x + y, (2048, 1), (2048,))
# ---- reduction
large("sum", lambda d, x: x.sum(), (4 * M,), length=4 * M)
large("sum rows", lambda d, x: x.sum(1), SQUARE, length=2048)
large("sum columns", lambda d, x: x.sum(0), SQUARE, length=2048)
large("sum of channels (32,64,32,32)", lambda d, x: x.sum((0, 2, 3)), (32, 64, 32, 32), length=32 << 10)
large("mean rows", lambda d, x: x.mean(1), SQUARE, length=2048)
large("max", lambda d, x: x.max(), (4 * M,))
large("max rows, with indices", lambda d, x: x.max(1), SQUARE)
large("argmax columns", lambda d, x: x.argmax(0), SQUARE)
large("var rows", lambda d, x: x.var(1), SQUARE, length=2048)
large("norm", lambda d, x: x.norm(), (4 * M,), length=4 * M)
large("cumsum rows", lambda d, x: x.cumsum(1), ROWS, length=512)
large("logsumexp rows", lambda d, x: d.logsumexp(x, 1), ROWS, length=512)
# ---- softmax
large("softmax (4096,512)", lambda d, x: d.softmax(x, -1), ROWS, length=512)
large("softmax (64,32000)", lambda d, x: d.softmax(x, -1), (64, 32000), length=32000)
large("softmax (64,16,1024), middle", lambda d, x: d.softmax(x, 1), (64, 16, 1024), length=16)
large("log_softmax (4096,512)", lambda d, x: d.log_softmax(x, -1), ROWS, length=512)
# ---- copy and transpose
large("clone", lambda d, x: x.clone(), (4 * M,))
large("transpose 2048x2048", lambda d, x: x.t().contiguous(), SQUARE)
large("permute (64,128,16,16) to channels last", lambda d, x: x.permute(0, 2, 3, 1).contiguous(), (64, 128, 16, 16))
large("every second column", lambda d, x: x[:, ::2].contiguous(), SQUARE)
large("flip", lambda d, x: d.flip(x, (1,)), ROWS)
# ---- cat
large("cat of 4, first dimension", lambda d, *x: d.cat(x, 0), *[(512, 2048)] * 4)
large("cat of 4, last dimension", lambda d, *x: d.cat(x, 1), *[(2048, 512)] * 4)
large("stack of 4", lambda d, *x: d.stack(x, 1), *[(2048, 512)] * 4)
# ---- index
large("index_select of rows", lambda d, x, i: d.index_select(x, 0, i), SQUARE, lambda: integers(2048, 1024))
large("x[rows]", lambda d, x, i: x[i], (32000, 128), lambda: integers(32000, 8192))
large("gather", lambda d, x, i: d.gather(x, 1, i), ROWS, lambda: integers(512, 4096, 512))
large(
    "index_add of rows",
    lambda d, x, i, y: d.index_add(x, 0, i, y),
    (4096, 256),
    lambda: integers(4096, 4096),
    (4096, 256),
    length=16,
)
large("masked_fill", lambda d, x, m: x.masked_fill(m, 0.0), (M,), mask(M))
large("x[mask]", lambda d, x, m: x[m], (M,), mask(M))
large("sort rows", lambda d, x: d.sort(x, 1)[0], (2048, 512))
large("topk 10 of rows", lambda d, x: d.topk(x, 10, 1)[0], (2048, 512))
