"""Attention does what PyTorch's does, over all its arguments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore
import dlcore.nn

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
LENGTHS = [1, 2, 7, 16, 33, 63, 64, 65, 100, 129, 200, 257, 330]
DEPTHS = [1, 3, 8, 15, 16, 17, 32, 40, 64, 65]


@st.composite
def problems(draw):
    queries, keys = draw(st.sampled_from(LENGTHS)), draw(st.sampled_from(LENGTHS))
    depth, width = draw(st.sampled_from(DEPTHS)), draw(st.sampled_from(DEPTHS))
    options, q_lead, k_lead = {}, (), ()
    lead = draw(st.sampled_from(["none", "one", "two", "broadcast", "grouped", "many"]))
    if lead == "one":
        q_lead = k_lead = (draw(st.integers(1, 3)),)
    elif lead == "two":
        q_lead = k_lead = (2, draw(st.integers(1, 3)))
    elif lead == "many":
        q_lead = k_lead = (17, 2)
        queries, keys = min(queries, 70), min(keys, 70)
    elif lead == "broadcast":
        q_lead, k_lead = draw(st.sampled_from([((2, 1), (3,)), ((1, 3), (2, 3)), ((), (2,)), ((2, 2), (1, 1))]))
    elif lead == "grouped":
        heads = draw(st.sampled_from([(4, 2), (3, 1), (6, 3)]))
        q_lead, k_lead = (2, heads[0]), (2, heads[1])
        options["enable_gqa"] = True
    if draw(st.booleans()):
        options["scale"] = draw(st.sampled_from([0.0, 0.1, -0.5, 1.0]))
    mask = draw(st.sampled_from(["none", "causal", "bool", "float", "float with gradient"]))
    full = (*(q_lead if lead != "broadcast" else np.broadcast_shapes(q_lead, k_lead)), queries, keys)
    mask_shape = tuple(draw(st.sampled_from([n, 1])) for n in full)[draw(st.integers(0, len(full) - 2)) :]
    split = draw(st.booleans())  # heads lie between rows, as they do when a row was split into heads
    wanted = draw(st.sets(st.sampled_from("qkv"), min_size=1))
    dtype = draw(st.sampled_from(list(EPS)))
    return (queries, keys, depth, width, q_lead, k_lead, options, mask, mask_shape, split, wanted, dtype), draw(
        st.integers(0, 999)
    )


@settings(max_examples=150)
@given(problem=problems())
def test_attention(problem):
    (queries, keys, depth, width, q_lead, k_lead, options, mask, mask_shape, split, wanted, dtype), seed = problem
    rng = np.random.default_rng(seed)
    shapes = [(*q_lead, queries, depth), (*k_lead, keys, depth), (*k_lead, keys, width)]
    arrays = [rng.standard_normal(s).astype(dtype) for s in shapes]
    bias = rng.standard_normal(mask_shape).astype(dtype)
    allowed = rng.random(mask_shape) < 0.7
    results = []
    for d in (dlcore, torch):
        inputs = []
        for letter, array in zip("qkv", arrays, strict=True):
            turned = split and array.ndim > 2
            x = d.tensor(np.ascontiguousarray(np.swapaxes(array, -2, -3)) if turned else array)
            x.requires_grad_(letter in wanted)
            inputs.append((x, x.transpose(-2, -3) if turned else x))
        leaves = [x for x, _ in inputs if x.requires_grad]
        arguments = dict(options)
        if mask == "causal":
            arguments["is_causal"] = True
        elif mask == "bool":
            arguments["attn_mask"] = d.tensor(allowed)
        elif mask.startswith("float"):
            arguments["attn_mask"] = d.tensor(bias)
            if mask.endswith("gradient"):
                leaves.append(arguments["attn_mask"].requires_grad_())
        y = d.nn.functional.scaled_dot_product_attention(*(x for _, x in inputs), **arguments)
        dy = d.tensor(np.random.default_rng(seed).standard_normal(tuple(y.shape)).astype(dtype))
        results.append([y, *d.autograd.grad(y, leaves, dy)])
    # Exponents are sums over `depth`; gradients sum over keys and queries, and over what broadcasts.
    planes = int(np.prod(np.broadcast_shapes(q_lead, k_lead if "enable_gqa" not in options else q_lead)))
    length = (depth + width + 16) * np.sqrt(max(queries, keys) * planes)
    for mine, theirs in zip(*results, strict=True):
        mine, theirs = mine.detach().numpy(), theirs.detach().numpy()
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        assert np.isfinite(mine).all()
        if not np.isfinite(theirs).all():  # PyTorch's gradients where a query attends to nothing
            continue
        assert np.abs(mine - theirs).max() <= 2 * EPS[dtype] * length * max(1.0, np.abs(theirs).max())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits(dtype):
    """At least as near to the exact result as PyTorch's."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((2, 3, 70, 16)) for _ in range(3)]
    exact = torch.nn.functional.scaled_dot_product_attention(
        *(torch.tensor(a).to(getattr(torch, dtype)).double() for a in arrays), is_causal=True
    )
    errors = []
    for d in (dlcore, torch):
        q, k, v = (d.tensor(a).to(getattr(d, dtype)).requires_grad_() for a in arrays)
        y = d.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        assert y.dtype == getattr(d, dtype)
        errors.append(np.abs(y.detach().to(d.float64).numpy() - exact.numpy()).max())
        for g in d.autograd.grad(y.sum(), (q, k, v)):
            assert g.dtype == getattr(d, dtype)
    assert errors[0] <= 1.01 * errors[1]


HOSTILE = [
    ((4,), (3, 4), (3, 4), {}),
    ((5, 4), (3, 4), (4, 4), {}),
    ((5, 4), (3, 5), (3, 4), {}),
    ((2, 5, 4), (3, 3, 4), (3, 3, 4), {}),
    ((2, 5, 4), (2, 3, 4), (2, 3, 4), {"attn_mask": (4, 3)}),
    ((2, 5, 4), (2, 3, 4), (2, 3, 4), {"attn_mask": (3, 2, 5, 3)}),
    ((2, 5, 4), (2, 3, 4), (2, 3, 4), {"attn_mask": (5, 3), "is_causal": True}),
    ((2, 5, 4), (2, 3, 4), (2, 3, 4), {"dropout_p": 1.5}),
    ((4, 5, 4), (3, 3, 4), (3, 3, 4), {"enable_gqa": True}),
    ((5, 4), (3, 4), (3, 4), {"enable_gqa": True}),
]


@pytest.mark.parametrize(("q", "k", "v", "options"), HOSTILE)
def test_errors(q, k, v, options):
    for d in (dlcore, torch):
        arguments = {n: d.randn(*a) if n == "attn_mask" else a for n, a in options.items()}
        with pytest.raises((RuntimeError, IndexError)) as error:
            d.nn.functional.scaled_dot_product_attention(d.randn(*q), d.randn(*k), d.randn(*v), **arguments)
        if d is dlcore:
            assert str(error.value).startswith("scaled_dot_product_attention: ")


def test_dtype_errors():
    for d in (dlcore, torch):
        f, x = d.nn.functional.scaled_dot_product_attention, d.randn(2, 3)
        with pytest.raises(RuntimeError):
            f(x, x.double(), x)
        with pytest.raises(RuntimeError):
            f(x.long(), x.long(), x.long())
        with pytest.raises(RuntimeError):
            f(x, x, x, attn_mask=d.ones(2, 2, dtype=d.int64))
        with pytest.raises(RuntimeError):
            f(x, x, x, attn_mask=d.ones(2, 2, dtype=d.float64))


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((1, 2, 0, 4), (1, 2, 3, 4), (1, 2, 3, 4)),
        ((1, 2, 5, 4), (1, 2, 0, 4), (1, 2, 0, 4)),
        ((0, 2, 5, 4), (0, 2, 3, 4), (0, 2, 3, 4)),
        ((1, 2, 5, 0), (1, 2, 3, 0), (1, 2, 3, 4)),
        ((1, 2, 5, 4), (1, 2, 3, 4), (1, 2, 3, 0)),
    ],
)
@pytest.mark.parametrize("causal", [False, True])
def test_nothing_in_it(q, k, v, causal):
    results = []
    for d in (dlcore, torch):
        tensors = [d.ones(*s, requires_grad=True) for s in (q, k, v)]
        y = d.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
        grads = [tuple(g.shape) for g in d.autograd.grad(y.sum(), tensors)]
        results.append((y.detach().numpy(), grads))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
