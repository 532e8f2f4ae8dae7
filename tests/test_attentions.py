"""What the linear, low-rank and clustered attentions have in common: gradients, causality, threads, hostile shapes."""

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.clustered_attention import lsh_attention, routing_attention
from dlcore.nn.linear_attention import linear_attention, orthogonal_features, performer_attention
from dlcore.nn.low_rank_attention import linformer_attention, memory_compressed_attention
from dlcore.nn.sinkhorn_attention import sinkhorn, sinkhorn_attention

HEADS, TOKENS, DEPTH, WIDTH = 2, 12, 4, 3
EPS = {dlcore.float16: 2.0**-10, dlcore.bfloat16: 2.0**-7}


def random(*shape, seed=0, dtype=dlcore.float64, scale=1.0, **options):
    return dlcore.tensor(np.random.default_rng(seed).standard_normal(shape) * scale, dtype=dtype, **options)


def seeded(seed=0):
    return dlcore.Generator().manual_seed(seed)


def lsh(q, k, v, **options):
    return lsh_attention(q, None, v, buckets=4, chunk=4, generator=seeded(), **options)


def routing(q, k, v, **options):
    mu = random(HEADS, 3, q.shape[-1], seed=1, dtype=q.dtype)
    return routing_attention(q, k, v, mu / mu.norm(dim=-1, keepdim=True), window=5, **options)


def performer(q, k, v, **options):
    return performer_attention(q, k, v, orthogonal_features(6, q.shape[-1], seeded(), q.dtype), chunk=5, **options)


def compressed(q, k, v, **options):
    weights = [random(HEADS, 3 * x.shape[-1], x.shape[-1], seed=2, dtype=x.dtype) for x in (q, v)]
    biases = [random(1, x.shape[-1], seed=3, dtype=x.dtype) for x in (q, v)]
    return memory_compressed_attention(q, k, v, *weights, *biases, **options)


def sorted_blocks(q, k, v, causal=False):
    order = sinkhorn(random(HEADS, 4, 4, seed=4, dtype=q.dtype), causal=causal)
    order = order.expand(*q.shape[:-2], 4, 4)
    return sinkhorn_attention(q, k, v, order, causal=causal)


EITHER = {
    "linear": lambda *x, **o: linear_attention(*x, chunk=5, **o),
    "performer": performer,
    "lsh": lsh,
    "lsh, one round": lambda *x, **o: lsh(*x, rounds=1, **o),
    "routing": routing,
    "compressed": compressed,
    "sinkhorn": sorted_blocks,
}
CAUSAL = {f"{name}, causal": lambda *x, f=f: f(*x, causal=True) for name, f in EITHER.items()}
LINFORMER = {"linformer": lambda q, k, v: linformer_attention(q, k, v, random(5, k.shape[-2], seed=5, dtype=k.dtype))}
ALL = {**EITHER, **CAUSAL, **LINFORMER}


def inputs(tokens=TOKENS, lead=(2, HEADS), **options):
    return [random(*lead, tokens, d, seed=i, **options) for i, d in enumerate((DEPTH, DEPTH, WIDTH))]


@pytest.mark.parametrize("name", ALL)
def test_gradients(name):
    x = inputs(lead=(1, HEADS), requires_grad=True)
    unused = name.startswith("lsh")  # its key is the query
    function = (lambda q, v: ALL[name](q, None, v)) if unused else ALL[name]
    assert dlcore.autograd.gradcheck(function, [x[0], x[2]] if unused else x)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("at", [1, 2, 5, 8, 11])
def test_later_tokens_change_nothing_before_them(name, at):
    """Later tokens are replaced by others, some of them huge."""
    x = inputs()
    before = CAUSAL[name](*x)
    changed = [dlcore.cat([t[..., :at, :], random(*t[..., at:, :].shape, seed=9, scale=30.0)], -2) for t in x]
    after = CAUSAL[name](*changed)
    np.testing.assert_allclose(after[..., :at, :].numpy(), before[..., :at, :].numpy(), rtol=1e-12, atol=1e-14)
    if at < 8:
        assert not np.allclose(after[..., at:, :].numpy(), before[..., at:, :].numpy())


@pytest.mark.parametrize("name", ALL)
def test_same_bits_for_any_thread_count(name):
    x = inputs(300, dtype=dlcore.float32, requires_grad=True)
    dy = random(2, HEADS, 300, WIDTH, seed=7, dtype=dlcore.float32)
    wanted = [x[0], x[2]] if name.startswith("lsh") else x
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            dlcore.set_num_threads(threads)
            y = ALL[name](*x)
            grads = dlcore.autograd.grad(y, wanted, dy)
            results.append([t.detach().numpy().tobytes() for t in (y, *grads)])
    finally:
        dlcore.set_num_threads(before)
    assert all(r == results[0] for r in results[1:])


@pytest.mark.parametrize("name", ALL)
def test_large_numbers_and_zeros_give_no_nan(name):
    for scale in (0.0, 100.0):
        x = [random(1, HEADS, TOKENS, DEPTH, seed=i, dtype=dlcore.float32, scale=scale) for i in range(3)]
        for t in x:
            t.requires_grad_()
        y = ALL[name](*x)
        wanted = [x[0], x[2]] if name.startswith("lsh") else x
        for t in (y, *dlcore.autograd.grad(y.sum(), wanted)):
            assert bool(t.isfinite().all())


@pytest.mark.parametrize("dtype", [dlcore.float16, dlcore.bfloat16])
@pytest.mark.parametrize("name", ALL)
def test_half_precision(name, dtype):
    """Against float64 on the same numbers; a hash may fall on the other side of a border."""
    x = inputs(dtype=dtype)
    y = ALL[name](*x)
    assert y.dtype == dtype and bool(y.isfinite().all())
    if not name.startswith("lsh"):
        want = ALL[name](*(t.double() for t in x)).numpy()
        np.testing.assert_allclose(y.double().numpy(), want, rtol=0, atol=16 * EPS[dtype] * np.abs(want).max())
    zeros = ALL[name](*(t * 0 for t in x))
    assert bool(zeros.isfinite().all())


@pytest.mark.parametrize("name", [n for n in ALL if not n.startswith("sinkhorn")])
def test_few_tokens(name):
    """Shorter than a chunk, a window and a block; none; and an odd number of them."""
    for tokens in (0, 1, 2, 7):
        x = inputs(tokens)
        y = ALL[name](*x)
        assert y.shape == (2, HEADS, tokens, WIDTH) and bool(y.isfinite().all())


def ones(*shape, **options):
    return dlcore.ones(*shape, **options)


MODULES = {
    "linear": lambda causal: nn.LinearAttention(causal=causal),
    "performer": lambda causal: nn.PerformerAttention(DEPTH, causal=causal),
    "compressed": lambda causal: nn.MemoryCompressedAttention(HEADS, DEPTH, causal=causal),
    "routing": lambda causal: nn.RoutingAttention(HEADS, DEPTH, 3, 4, causal=causal),
    "sinkhorn": lambda causal: nn.SinkhornAttention(HEADS, DEPTH, 4, causal=causal),
    "linformer": lambda causal: nn.LinformerAttention(TOKENS, 5),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_modules(name, causal):
    """They print, train, keep their state, and as causal ones keep the past from the future."""
    dlcore.manual_seed(0)
    module = MODULES[name](causal)
    assert repr(module).startswith(type(module).__name__ + "(")
    x = [random(2, HEADS, TOKENS, DEPTH, seed=i, dtype=dlcore.float32, requires_grad=True) for i in range(3)]
    y = module(*x)
    assert y.shape == x[2].shape
    y.square().sum().backward()
    for p in module.parameters():
        assert p.grad is not None and bool(p.grad.isfinite().all()) and float(p.grad.abs().sum()) > 0
    again = MODULES[name](causal)
    again.load_state_dict(module.state_dict())
    y = module.eval()(*x)
    assert bool((y == again.eval()(*x)).all())
    if causal and name != "linformer":
        z = module(*(dlcore.cat([t[..., :5, :], t[..., 5:, :] * 3 - 1], -2) for t in x))
        np.testing.assert_allclose(z[..., :5, :].detach().numpy(), y[..., :5, :].detach().numpy(), rtol=1e-5, atol=1e-6)
        assert not np.allclose(z[..., 5:, :].detach().numpy(), y[..., 5:, :].detach().numpy())


@pytest.mark.parametrize("name", ["linear", "performer", "lsh", "routing", "compressed", "linformer", "sinkhorn"])
@pytest.mark.parametrize(
    ("replace", "error", "message"),
    [
        ({0: [1]}, TypeError, "query must be a Tensor, but got list"),
        ({2: None}, TypeError, "value must be a Tensor, but got NoneType"),
        ({2: ones(2, HEADS, TOKENS, 3, dtype=dlcore.int64)}, RuntimeError, "value must be of one floating point dtype"),
        ({2: ones(2, HEADS, TOKENS, 3, dtype=dlcore.float32)}, RuntimeError, "value must be of one floating point"),
        ({2: ones(2, HEADS, TOKENS + 1, 3, dtype=dlcore.float64)}, RuntimeError, "value must be as long as key"),
        ({2: ones(3, HEADS, TOKENS, 3, dtype=dlcore.float64)}, RuntimeError, "value must have query's leading sizes"),
        ({2: ones(3, dtype=dlcore.float64)}, RuntimeError, "value must have shape"),
        ({1: ones(2, HEADS, TOKENS, 5, dtype=dlcore.float64)}, RuntimeError, "key must have query's features"),
    ],
)
def test_operands_that_do_not_fit(name, replace, error, message):
    x = inputs()
    for i, t in replace.items():
        x[i] = t
    if name == "lsh":
        if 1 in replace:
            return
        call = lambda: lsh_attention(x[0], x[0], x[2])  # noqa: E731
    else:
        weights = {
            "performer": (performer_attention, [ones(4, DEPTH, dtype=dlcore.float64)], {}),
            "routing": (routing_attention, [ones(4, DEPTH, dtype=dlcore.float64)], {"window": 3}),
            "compressed": (memory_compressed_attention, [ones(8, DEPTH), ones(6, WIDTH)], {}),
            "linformer": (linformer_attention, [ones(4, TOKENS)], {}),
            "sinkhorn": (sinkhorn_attention, [ones(3, 3, dtype=dlcore.float64)], {}),
            "linear": (linear_attention, [], {}),
        }
        function, more, options = weights[name]
        call = lambda: function(*x, *more, **options)  # noqa: E731
    with pytest.raises(error, match=message):
        call()
