"""nn.MultiheadAttention does what PyTorch's does, over all its arguments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore
import dlcore.nn

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}


@st.composite
def problems(draw):
    heads = draw(st.sampled_from([1, 2, 3]))
    features = heads * draw(st.sampled_from([1, 4, 9]))
    options = {
        "bias": draw(st.booleans()),
        "add_bias_kv": draw(st.booleans()),
        "add_zero_attn": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
    }
    if draw(st.booleans()):
        options["kdim"], options["vdim"] = draw(st.sampled_from([(5, features), (features, 7), (3, 4)]))
    call = {
        "need_weights": draw(st.booleans()),
        "average_attn_weights": draw(st.booleans()),
        "is_causal": draw(st.booleans()),
    }
    masks = draw(st.sampled_from(["none", "bool", "float"])), draw(st.sampled_from(["none", "2d", "3d"]))
    sizes = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.sampled_from([None, 1, 3]))
    itself = draw(st.booleans()) and "kdim" not in options
    return heads, features, options, call, masks, draw(st.booleans()), sizes, itself, draw(st.sampled_from(list(EPS)))


def run(d, module, problem, arrays, padding, mask, dy):
    call, itself, first = problem[3], problem[7], problem[2]["batch_first"]
    tensors = [d.tensor(a, requires_grad=True) for a in arrays]
    masks = {n: m if m is None else d.tensor(m) for n, m in (("key_padding_mask", padding), ("attn_mask", mask))}
    if first and tensors[0].dim() == 3:
        tensors = [d.tensor(np.ascontiguousarray(a.swapaxes(0, 1)), requires_grad=True) for a in arrays]
    inputs = [tensors[0]] * 3 if itself else tensors
    y, weights = module(*inputs, **masks, **call)
    outputs = [y] if weights is None else [y, weights]
    total = sum((o * d.tensor(np.resize(dy, tuple(o.shape)), dtype=o.dtype)).sum() for o in outputs)
    leaves = [*(tensors[:1] if itself else tensors), *module.parameters()]
    return [*outputs, *d.autograd.grad(total, leaves)]


@settings(max_examples=150)
@given(problem=problems())
def test_multihead_attention(problem):
    heads, features, options, call, (kind, form), padded, (queries, keys, batch), itself, dtype = problem
    keys = queries if itself else keys
    # By the hint alone PyTorch hides what it appended from the queries before it; here the mask decides.
    call["is_causal"] &= call["need_weights"] or not (options["add_bias_kv"] or options["add_zero_attn"])
    theirs = torch.nn.MultiheadAttention(features, heads, dtype=getattr(torch, dtype), **options)
    mine = dlcore.nn.MultiheadAttention(features, heads, dtype=getattr(dlcore, dtype), **options)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.5)
    mine.load_state_dict({n: dlcore.tensor(p.detach().numpy()) for n, p in theirs.state_dict().items()})
    rng = np.random.default_rng(queries * 10 + keys)
    middle = () if batch is None else (batch,)
    widths = (features, options.get("kdim", features), options.get("vdim", features))
    arrays = [rng.standard_normal((n, *middle, w)).astype(dtype) for n, w in zip((queries, keys, keys), widths)]
    padding = mask = None
    if padded:
        padding = rng.random((*middle, keys)) < 0.3
        padding[..., 0] = False
        padding = np.where(padding, -1.5, 0).astype(dtype) if kind == "float" else padding
    if form != "none" or call["is_causal"]:
        shape = (queries, keys) if form != "3d" else ((batch or 1) * heads, queries, keys)
        causal = np.broadcast_to(~np.tri(queries, keys, dtype=bool), shape)
        mask = causal.copy() if call["is_causal"] else rng.random(shape) < 0.3
        mask[..., 0] = False
        mask = np.where(mask, -np.inf, 0).astype(dtype) if kind == "float" else mask
    dy = rng.standard_normal(50)
    results = [run(d, m, problem, arrays, padding, mask, dy) for d, m in ((dlcore, mine), (torch, theirs))]
    for a, b in zip(*results, strict=True):
        a, b = a.detach().numpy(), b.detach().numpy()
        assert a.shape == b.shape and a.dtype == b.dtype
        bound = 64 * EPS[dtype] * (features + 8) * (keys + queries) ** 0.5
        assert np.abs(a - b).max() <= bound * max(1.0, np.abs(b).max())


def test_initial_parameters():
    """Drawn from PyTorch's distributions."""
    for options in ({}, {"kdim": 30, "vdim": 50, "add_bias_kv": True}):
        mine = dict(dlcore.nn.MultiheadAttention(64, 4, **options).named_parameters())
        theirs = dict(torch.nn.MultiheadAttention(64, 4, **options).named_parameters())
        assert list(mine) == list(theirs)
        for name, p in mine.items():
            a, b = p.detach().numpy(), theirs[name].detach().numpy()
            assert a.shape == b.shape
            # Standard deviations of n draws differ by a few parts in the root of n.
            assert abs(a.std() - b.std()) <= 6 * b.std() / a.size**0.5
            if not name.startswith("bias_"):  # uniform: bounds are the same
                assert np.abs(a).max() <= np.abs(b).max() * 1.05 + 1e-12
