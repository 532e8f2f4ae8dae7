"""Embedding and EmbeddingBag do what PyTorch's do, over all their arguments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore
import dlcore.nn

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
TABLES = st.fixed_dictionaries(
    {
        "max_norm": st.sampled_from([None, 0.5, 2.0]),
        "norm_type": st.sampled_from([2.0, 1.0, 3.5, float("inf")]),
        "scale_grad_by_freq": st.booleans(),
        "padding_idx": st.sampled_from([None, 0, 2, -1]),
    }
)
TYPES = st.tuples(st.sampled_from(list(EPS)), st.sampled_from(["int64", "int32"]))


def pair(kind, rows, features, dtype, options, seed):
    """A module of each library, with the same table."""
    mine, theirs = (getattr(d.nn, kind)(rows, features, dtype=getattr(d, dtype), **options) for d in (dlcore, torch))
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    table = np.random.default_rng(seed).standard_normal((rows, features)).astype(dtype)
    for d, module in ((dlcore, mine), (torch, theirs)):
        with d.no_grad():
            module.weight.copy_(d.tensor(table))
    return mine, theirs


def compare(results, dtype, terms):
    for a, b in zip(*results, strict=True):
        a, b = a.detach().numpy(), b.detach().numpy()
        assert a.shape == b.shape and a.dtype == b.dtype
        assert np.abs(a - b).max(initial=0) <= 16 * EPS[dtype] * terms * max(1.0, np.abs(b).max(initial=0))


@settings(max_examples=150)
@given(
    table=TABLES,
    types=TYPES,
    shape=st.lists(st.integers(0, 5), max_size=3),
    features=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_embedding(table, types, shape, features, seed):
    dtype, index_dtype = types
    mine, theirs = pair("Embedding", 6, features, dtype, table, seed)
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, 6, shape).astype(index_dtype)
    dy = rng.standard_normal((*shape, features)).astype(dtype)
    results = []
    for d, module in ((dlcore, mine), (torch, theirs)):
        y = module(d.tensor(indices))
        (gradient,) = d.autograd.grad((y * d.tensor(dy)).sum(), [module.weight])
        results.append([y, gradient, module.weight])
    compare(results, dtype, 1 + indices.size)


@settings(max_examples=300)
@given(
    table=TABLES,
    types=TYPES,
    mode=st.sampled_from(["sum", "mean", "max"]),
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    form=st.sampled_from(["2d", "offsets", "all offsets"]),
    weighted=st.booleans(),
    features=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_embedding_bag(table, types, mode, lengths, form, weighted, features, seed):
    dtype, index_dtype = types
    table = table | {"mode": mode, "include_last_offset": form == "all offsets"}
    table["scale_grad_by_freq"] = False  # PyTorch divides by the frequencies of other rows (tests/test_embedding.py)
    if mode == "max":
        table["max_norm"] = None  # rows that are cut to one length tie, up to their rounding
    mine, theirs = pair("EmbeddingBag", 6, features, dtype, table, seed)
    rng = np.random.default_rng(seed)
    offsets = None
    if form == "2d":
        indices = rng.integers(0, 6, (len(lengths), 1 + lengths[0])).astype(index_dtype)
    else:
        indices = rng.integers(0, 6, sum(lengths)).astype(index_dtype)
        offsets = np.cumsum([0, *lengths])[: len(lengths) + (form == "all offsets")].astype(index_dtype)
    scales = rng.standard_normal(indices.shape).astype(dtype) if weighted and mode == "sum" else None
    dy = rng.standard_normal((len(lengths), features)).astype(dtype)
    results = []
    for d, module in ((dlcore, mine), (torch, theirs)):
        leaves = [module.weight]
        if scales is not None:
            leaves.append(d.tensor(scales, requires_grad=True))
        y = module(d.tensor(indices), None if offsets is None else d.tensor(offsets), *leaves[1:])
        gradients = d.autograd.grad((y * d.tensor(dy)).sum(), leaves)
        results.append([y, *gradients, module.weight])
    compare(results, dtype, 1 + indices.size)


def test_the_first_of_equal_maxima_takes_the_gradient():
    results = []
    for d in (dlcore, torch):
        weight = d.zeros(3, 2, requires_grad=True)
        y = d.nn.functional.embedding_bag(d.tensor([2, 1, 0, 1]), weight, d.tensor([0, 3]), mode="max")
        results.append([y, *d.autograd.grad(y.sum(), [weight])])
    compare(results, "float32", 1)


def test_initial_tables():
    for kind in ("Embedding", "EmbeddingBag"):
        mine, theirs = (getattr(d.nn, kind)(300, 40, padding_idx=-3).weight.detach().numpy() for d in (dlcore, torch))
        for table in (mine, theirs):
            assert not table[297].any() and np.abs(np.delete(table, 297, 0)).min(-1).max() > 0
            # The mean and the mean square of n draws from N(0, 1) are 0 and 1 to a few parts in the root of n.
            assert abs(table.mean()) <= 6 / table.size**0.5 and abs(table.std() - 1) <= 6 / table.size**0.5 + 1 / 300


def test_from_pretrained():
    table = np.arange(8.0).reshape(4, 2)
    for kind in ("Embedding", "EmbeddingBag"):
        for options in ({}, {"freeze": False, "padding_idx": 1}):
            mine, theirs = (getattr(d.nn, kind).from_pretrained(d.tensor(table), **options) for d in (dlcore, torch))
            assert repr(mine) == repr(theirs) and mine.weight.requires_grad == theirs.weight.requires_grad
            np.testing.assert_array_equal(mine.weight.detach().numpy(), theirs.weight.detach().numpy())


# ---- gradients of rows


def parts(g):
    """What is in a gradient of rows, and of which form it is."""
    c = g.coalesce()
    assert g.is_sparse and c.is_coalesced() and tuple(g.shape) == tuple(c.shape)
    shapes = [tuple(t.shape) for t in (g._indices(), g._values(), c.indices(), c.values())]
    return (g._nnz(), g.sparse_dim(), g.dense_dim(), g.is_coalesced(), *shapes), [g._indices(), g._values(), c.values()]


@settings(max_examples=60, deadline=None)
@given(
    padding_idx=st.sampled_from([None, 2, -1]),
    types=TYPES,
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    seed=st.integers(0, 9),
)
def test_rows(padding_idx, types, shape, seed):
    dtype, index_dtype = types
    mine, theirs = pair("Embedding", 6, 3, dtype, {"sparse": True, "padding_idx": padding_idx}, seed)
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, 6, shape).astype(index_dtype)
    dy = rng.standard_normal((*shape, 3)).astype(dtype)
    results, forms = [], []
    for d, module in ((dlcore, mine), (torch, theirs)):
        module(d.tensor(indices)).backward(d.tensor(dy))
        form, values = parts(module.weight.grad)
        forms.append(form)
        results.append([*values[1:], module.weight.grad.to_dense()])
    assert forms[0] == forms[1]
    compare(results, dtype, 1 + indices.size)


@settings(max_examples=60, deadline=None)
@given(mode=st.sampled_from(["sum", "mean"]), padding_idx=st.sampled_from([None, 2]), seed=st.integers(0, 99))
def test_rows_of_bags(mode, padding_idx, seed):
    mine, theirs = pair(
        "EmbeddingBag", 6, 3, "float64", {"sparse": True, "mode": mode, "padding_idx": padding_idx}, seed
    )
    rng = np.random.default_rng(seed)
    indices, offsets, dy = rng.integers(0, 6, 7), np.array([0, 3, 3, 4]), rng.standard_normal((4, 3))
    results = []
    for d, module in ((dlcore, mine), (torch, theirs)):
        module(d.tensor(indices), d.tensor(offsets)).backward(d.tensor(dy))
        results.append([module.weight.grad.coalesce().values(), module.weight.grad.to_dense()])
    compare(results, "float64", 8)


@pytest.mark.parametrize("dtype", list(EPS))
@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.1, "maximize": True}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.2}),
        ("Adagrad", {"lr": 0.1, "maximize": True}),
        ("SparseAdam", {"lr": 0.05}),
        ("SparseAdam", {"lr": 0.05, "betas": (0.5, 0.7), "eps": 1e-3, "maximize": True}),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # PyTorch's Adagrad makes such tensors
def test_steps_of_rows(optimizer, options, dtype):
    mine, theirs = pair("Embedding", 9, 3, dtype, {"sparse": True}, 0)
    steps = 12
    for d, module in ((dlcore, mine), (torch, theirs)):
        rng = np.random.default_rng(1)
        o = getattr(d.optim, optimizer)(module.parameters(), **options)
        for _ in range(steps):
            o.zero_grad()
            for _ in range(2):  # gradients add up
                scale = d.tensor(rng.standard_normal((4, 3)).astype(dtype))
                (module(d.tensor(rng.integers(0, 7, 4))).tanh() * scale).sum().backward()
            assert module.weight.grad.is_sparse
            o.step()
    compare([[mine.weight], [theirs.weight]], dtype, 8 * steps)


@pytest.mark.parametrize("optimizer", ["Adam", "RAdam", "RMSprop", "SparseAdam"])
def test_optimizers_refuse_alike(optimizer):
    messages = []
    for d in (dlcore, torch):
        module = d.nn.Embedding(3, 2, sparse=optimizer != "SparseAdam")
        module(d.tensor([1])).sum().backward()
        with pytest.raises(RuntimeError) as error:
            getattr(d.optim, optimizer)(module.parameters()).step()
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_prints_of_rows():
    texts = []
    for d in (dlcore, torch):
        module = d.nn.Embedding(7, 2, sparse=True)
        module(d.tensor([[4, 1], [4, 6]])).sum().backward()
        texts.append((repr(module), repr(module.weight.grad).replace("torch.", "")))
    assert texts[0] == texts[1]
