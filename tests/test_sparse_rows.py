"""Tensors of few rows: gradients of embeddings with sparse=True, and what stays in rows."""

import copy
import math

import numpy as np
import pytest

import dlcore
from dlcore import nn, optim
from dlcore.nn import functional as F

MEBIBYTE = 1 << 20


def rows(indices, values, count):
    """The tensor of these rows, as an embedding's gradient."""
    values = dlcore.tensor(values)
    weight = dlcore.zeros(count, values.shape[-1], dtype=values.dtype, requires_grad=True)
    (g,) = dlcore.autograd.grad(F.embedding(dlcore.tensor(indices), weight, sparse=True), [weight], values)
    return g


def random_rows(count=7, n=9, width=3, seed=0):
    rng = np.random.default_rng(seed)
    indices, values = rng.integers(0, count, n), rng.standard_normal((n, width))
    dense = np.zeros((count, width))
    np.add.at(dense, indices, values)
    return rows(indices, values, count), dense


def same(x, dense):
    np.testing.assert_allclose(x.detach().numpy(), dense, rtol=1e-14, atol=1e-14)


def test_what_it_is():
    g = rows([4, 0, 4], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], 5)
    assert g.is_sparse and g.layout == dlcore.sparse_coo and tuple(g.shape) == (5, 2) and g.numel() == 10
    assert g._nnz() == 3 and g.sparse_dim() == 1 and g.dense_dim() == 1 and not g.is_coalesced()
    assert g._indices().tolist() == [[4, 0, 4]] and g._values().tolist() == [[1, 2], [3, 4], [5, 6]]
    c = g.coalesce()
    assert c.is_sparse and c.is_coalesced() and c.coalesce() is not g
    assert c.indices().tolist() == [[0, 4]] and c.values().tolist() == [[3, 4], [6, 8]]
    dense = [[3, 4], [0, 0], [0, 0], [0, 0], [6, 8]]
    for x in (g, c):
        y = x.to_dense()
        assert y.tolist() == dense and not y.is_sparse and y.layout == dlcore.strided and x.is_sparse
    assert g.to_dense(dlcore.float64).dtype == dlcore.float64
    assert g.is_sparse and g.tolist() == dense and not g.is_sparse  # who looks at the elements makes them
    assert g.to_dense().data_ptr() == g.data_ptr() and g.sparse_dim() == 0 and g.dense_dim() == 2


def test_aliases_look_at_one_memory():
    g, dense = random_rows()
    alias, copied, row = g.detach(), g.clone(), g[2]
    assert alias.is_sparse and copied.is_sparse and not row.is_sparse
    same(row, dense[2])
    assert not g.is_sparse and not alias.is_sparse and copied.is_sparse
    g[1] = 5.0
    dense[1] = 5.0
    same(alias, dense)
    g, dense = random_rows()
    g[1:3].fill_(2.0)  # written through a view before anybody looked
    dense[1:3] = 2.0
    same(g, dense)
    assert copied.is_sparse and copied._values().data_ptr() != random_rows()[0]._values().data_ptr()


@pytest.mark.parametrize("shape", [(), (1,), (2,), (3, 2), (4, 6)])
def test_print(shape):
    g = rows(np.zeros(shape, dtype=np.int64), np.ones((*shape, 2)), 100)
    for x in (g, g.coalesce()):
        text = repr(x)
        assert x.is_sparse and "indices=tensor([[0" in text and f"nnz={x._nnz()}, layout=sparse_coo)" in text


def test_print_of_two_rows():
    assert repr(rows([1, 2], [[1.0, 2.0], [3.0, 4.0]], 10).float().to_dense()).startswith("tensor([[0., 0.],")
    weight = dlcore.zeros(10, 2, requires_grad=True)
    F.embedding(dlcore.tensor([1, 2]), weight, sparse=True).sum().backward()
    assert repr(weight.grad) == (
        "tensor(indices=tensor([[1, 2]]),\n"
        "       values=tensor([[1., 1.],\n"
        "                      [1., 1.]]),\n"
        "       size=(10, 2), nnz=2, layout=sparse_coo)"
    )


# ---- gradients


def gradients(call, table, sparse, dy):
    weight = table.clone().requires_grad_()
    call(weight, sparse).backward(dy)
    assert weight.grad.is_sparse == sparse
    return weight.grad


def bags(mode, **options):
    return lambda i, w, sparse: F.embedding_bag(i, w, mode=mode, sparse=sparse, **options)


CALLS = {
    "embedding": lambda i, w, sparse: F.embedding(i, w, sparse=sparse),
    "int32": lambda i, w, sparse: F.embedding(i.int(), w, sparse=sparse),
    "padding": lambda i, w, sparse: F.embedding(i, w, 2, sparse=sparse),
    "frequencies": lambda i, w, sparse: F.embedding(i, w, scale_grad_by_freq=True, sparse=sparse),
    "norms": lambda i, w, sparse: F.embedding(i, w, max_norm=0.5, sparse=sparse),
    "twice": lambda i, w, sparse: F.embedding(i, w, sparse=sparse) * F.embedding(i.flip(0), w, sparse=sparse),
    "sum": bags("sum"),
    "mean": bags("mean", padding_idx=1),
    "weighted": bags("sum", per_sample_weights=dlcore.arange(20.0, dtype=dlcore.float64).reshape(4, 5)),
}


def gradient(name, table, indices, sparse, dtype=dlcore.float64):
    weight = table.to(dtype).clone().requires_grad_()
    y = CALLS[name](indices, weight, sparse)
    y.backward(dlcore.linspace(-1, 1, y.numel(), dtype=dtype).reshape(y.shape))
    assert weight.grad.is_sparse == sparse
    return weight.grad


@pytest.mark.parametrize("name", list(CALLS))
def test_gradient_is_the_dense_one(name):
    table, indices = dlcore.randn(6, 3, dtype=dlcore.float64), dlcore.randint(0, 6, (4, 5))
    g = gradient(name, table, indices, True)
    if name == "padding":
        assert g._nnz() == (indices != 2).sum().item() and 2 not in g._indices()
    same(g, gradient(name, table, indices, False).numpy())


@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.bfloat16])
def test_the_same_bits_for_any_number_of_threads(dtype):
    threads = dlcore.get_num_threads()
    table, indices = dlcore.randn(300, 40), dlcore.randint(0, 300, (50, 40))
    results = []
    try:
        for n in (1, 2, 3):
            dlcore.set_num_threads(n)
            g = gradient("embedding", table, indices, True, dtype)
            results.append((g.coalesce().values(), g.to_dense(), g + 0))
    finally:
        dlcore.set_num_threads(threads)
    for each in zip(*results, strict=True):
        assert all((x == each[0]).all() for x in each)


def test_sums_of_gradients():
    """Rows and rows are rows, rows and elements are elements; the leaf's own grad included."""
    table, i, j = dlcore.randn(9, 3, dtype=dlcore.float64), dlcore.tensor([1, 4]), dlcore.tensor([4, 4, 0])
    expected = np.zeros((9, 3))
    np.add.at(expected, [1, 4, 4, 4, 0], 1.0)
    once = np.zeros((9, 3))
    once[[1, 4]] = 1.0
    for dense_at in (None, 0, 1, 2):
        for hooked in (False, True):
            weight, seen = table.clone().requires_grad_(), []
            if hooked:
                weight.register_hook(lambda g, seen=seen: seen.append(g.is_sparse))
            terms = [F.embedding(k, weight, sparse=True).sum() for k in (i, j)]
            if dense_at is not None:
                terms.insert(dense_at, (weight * 2).sum())
            sum(terms).backward()
            sparse = dense_at is None
            assert weight.grad.is_sparse == sparse and seen == [sparse] * hooked
            if sparse:
                assert sorted(weight.grad._indices().tolist()[0]) == [0, 1, 4, 4, 4]
            same(weight.grad.clone(), expected + 2 * (not sparse))
            F.embedding(i, weight, sparse=True).sum().backward()
            assert weight.grad.is_sparse == sparse
            same(weight.grad.clone(), expected + 2 * (not sparse) + once)


def test_no_sum_takes_more_rows_than_the_table_has():
    weight = dlcore.zeros(4, 2, requires_grad=True)
    for _ in range(10):
        F.embedding(dlcore.tensor([0, 3, 3]), weight, sparse=True).sum().backward()
        assert weight.grad.is_sparse and weight.grad._nnz() <= 4 + 3
    assert weight.grad.tolist() == [[10, 10], [0, 0], [0, 0], [20, 20]]


def test_nobody_shares_the_rows():
    """Neither the cotangent nor the indices, nor a gradient that somebody else holds, change with the leaf's grad."""
    weight, indices, dy = dlcore.zeros(4, 2, requires_grad=True), dlcore.tensor([0, 3]), dlcore.ones(2, 2)
    held = []
    weight.register_hook(held.append)
    F.embedding(indices, weight, sparse=True).backward(dy)
    dy.zero_()
    indices.fill_(9)
    assert weight.grad.is_sparse and weight.grad.to_dense().sum().item() == 4
    weight.grad._values().mul_(2)
    assert weight.grad.to_dense().sum().item() == 8 and weight.grad.is_sparse
    held.clear()
    F.embedding(dlcore.tensor([1]), weight, sparse=True).sum().backward()
    assert held[0].to_dense().sum().item() == 2 and weight.grad.to_dense().sum().item() == 10


def test_derivatives_of_the_gradient():
    weight = dlcore.randn(5, 2, dtype=dlcore.float64, requires_grad=True)
    y = F.embedding(dlcore.tensor([0, 3, 3]), weight, sparse=True)
    (g,) = dlcore.autograd.grad((y**3).sum(), [weight], create_graph=True)
    assert not g.is_sparse  # rows have no history
    (h,) = dlcore.autograd.grad(g.sum(), [weight])
    same(h, 6 * weight.detach().numpy() * np.array([1, 0, 0, 2, 0])[:, None])
    assert dlcore.autograd.gradgradcheck(lambda w: F.embedding(dlcore.tensor([0, 3, 3]), w, sparse=True), [weight])


def test_through_a_computed_table():
    x = dlcore.randn(5, 2, dtype=dlcore.float64, requires_grad=True)
    F.embedding(dlcore.tensor([0, 3, 3]), x * 2, sparse=True).sum().backward()
    same(x.grad, np.array([2.0, 0, 0, 4, 0])[:, None] * np.ones((5, 2)))
    y = dlcore.randn(2, 5, dtype=dlcore.float64).t().requires_grad_()  # its gradient is laid out like itself
    F.embedding(dlcore.tensor([0, 3, 3]), y, sparse=True).sum().backward()
    assert y.grad.stride() == y.stride()
    same(y.grad, np.array([1.0, 0, 0, 2, 0])[:, None] * np.ones((5, 2)))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_no_indices(shape):
    weight = dlcore.zeros(4, 2, requires_grad=True)
    F.embedding(dlcore.zeros(shape, dtype=dlcore.int64), weight, sparse=True).sum().backward()
    g = weight.grad
    assert g.is_sparse and g._nnz() == 0 and g.coalesce().values().shape == (0, 2)
    assert nn.utils.clip_grad_norm_([weight], 1.0).item() == 0
    assert nn.utils.get_total_norm([g], math.inf).item() == 0
    for optimizer in (optim.SparseAdam, optim.Adagrad, optim.SGD):
        optimizer([weight], 1.0).step()
        assert g.is_sparse
    assert not weight.any() and not g.to_dense().any()


@pytest.mark.parametrize("shape", [(0, 2), (4, 0), (0, 0)])
def test_tables_of_nothing(shape):
    weight = dlcore.zeros(shape, requires_grad=True)
    indices = dlcore.zeros(3 if shape[0] else 0, dtype=dlcore.int64)
    F.embedding(indices, weight, sparse=True).sum().backward()
    assert weight.grad.is_sparse
    assert weight.grad.clone().numpy().shape == shape and weight.grad.coalesce().to_dense().shape == shape
    optim.SGD([weight], 1.0).step()


# ---- what stays in rows


def test_in_place():
    g, dense = random_rows()
    before = g._version
    assert g.mul_(2) is g and g.is_sparse and g._version > before
    same(g.clone(), 2 * dense)
    g.mul_(dlcore.tensor(0.5))
    assert g.is_sparse and g.zero_().is_sparse and g._nnz() == 0
    same(g, 0 * dense)
    g, dense = random_rows()
    g.mul_(dlcore.ones(7, 3, dtype=dlcore.float64) * 3)  # by elements: dense
    assert not g.is_sparse
    same(g, 3 * dense)
    g, dense = random_rows()
    x = dlcore.ones(7, 3, dtype=dlcore.float64)
    x.add_(g, alpha=-0.5)
    assert g.is_sparse
    same(x, 1 - 0.5 * dense)
    g.add_(g)
    same(g, 2 * dense)


def test_modules_and_copies():
    module = nn.Embedding(6, 2, sparse=True)
    assert (
        repr(module) == "Embedding(6, 2, sparse=True)" and repr(nn.EmbeddingBag(6, 2, sparse=True)).count("sparse") == 0
    )
    module(dlcore.tensor([1, 1])).sum().backward()
    copied = copy.deepcopy(module.weight.grad)
    assert copied.is_sparse and module.weight.grad.is_sparse and copy.deepcopy(module).weight.grad is None
    module.zero_grad(set_to_none=False)
    assert module.weight.grad.is_sparse and module.weight.grad._nnz() == 0
    assert copied.to_dense().tolist()[1] == [2, 2]
    module.zero_grad()
    assert module.weight.grad is None
    bag = nn.EmbeddingBag.from_pretrained(dlcore.zeros(6, 2), freeze=False, sparse=True)
    bag(dlcore.tensor([[1, 1]])).sum().backward()
    assert bag.weight.grad.is_sparse


@pytest.mark.parametrize("norm_type", [2.0, 1.0, math.inf, 0.0, -1.0, 3])
def test_clipping(norm_type):
    g, dense = random_rows()
    weights = [dlcore.zeros(7, 3, dtype=dlcore.float64, requires_grad=True) for _ in range(2)]
    weights[0].grad, weights[1].grad = g, dlcore.tensor(dense)
    norms = [nn.utils.clip_grad_norm_([weight], 0.1, norm_type).item() for weight in weights]
    assert norms[0] == pytest.approx(norms[1], rel=1e-14)
    assert weights[0].grad.is_sparse == (norm_type > 0)
    same(weights[0].grad, weights[1].grad.numpy())


# ---- optimizers


def train(optimizer, sparse, steps=6, **options):
    rng = np.random.default_rng(3)
    weight = dlcore.tensor(rng.standard_normal((8, 3)), requires_grad=True)
    other = dlcore.tensor(rng.standard_normal((3,)), requires_grad=True)
    optimizer = optimizer([weight] if optimizer is optim.SparseAdam else [weight, other], **options)
    for _ in range(steps):
        indices = dlcore.tensor(rng.integers(0, 8, 4))
        optimizer.zero_grad()
        ((F.embedding(indices, weight, sparse=sparse) * other) ** 2).sum().backward()
        optimizer.step()
    return weight, other


@pytest.mark.parametrize(
    "options", [{}, {"maximize": True}, {"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}, {"weight_decay": 0.1}]
)
def test_sgd(options):
    compare_with_dense(optim.SGD, options)


@pytest.mark.parametrize("options", [{}, {"maximize": True, "lr_decay": 0.3}])
def test_adagrad(options):
    compare_with_dense(optim.Adagrad, options)


def compare_with_dense(optimizer, options):
    results = [train(optimizer, sparse, lr=0.03, **options) for sparse in (True, False)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-13)


@pytest.mark.parametrize("maximize", [False, True])
def test_sparse_adam_is_adam_of_rows_that_are_read(maximize):
    """Where every step reads every row it is Adam; a row that is not read stays, and so do its means."""
    weights = [dlcore.linspace(-1, 1, 10, dtype=dlcore.float64).reshape(5, 2).requires_grad_() for _ in range(2)]
    # Adam's eps stands next to sqrt(v / (1 - beta2^t)), SparseAdam's next to sqrt(v): it hardly counts here.
    options = {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-30, "maximize": maximize}
    optimizers = optim.SparseAdam(weights[:1], **options), optim.Adam(weights[1:], **options)
    for _ in range(5):
        for weight, optimizer, sparse in zip(weights, optimizers, (True, False), strict=True):
            optimizer.zero_grad()
            (F.embedding(dlcore.tensor([4, 2, 2, 1, 0, 3]), weight, sparse=sparse) ** 2).sum().backward()
            optimizer.step()
    np.testing.assert_allclose(weights[0].detach().numpy(), weights[1].detach().numpy(), rtol=1e-13)
    before, state = weights[0].detach().clone(), copy.deepcopy(optimizers[0].state_dict())
    optimizers[0].zero_grad()
    (F.embedding(dlcore.tensor([3]), weights[0], sparse=True) ** 2).sum().backward()
    optimizers[0].step()
    changed = (weights[0].detach() != before).any(1)
    assert changed.tolist() == [False, False, False, True, False]
    for name in ("exp_avg", "exp_avg_sq"):
        moved = (optimizers[0].state[weights[0]][name] != state["state"][0][name]).any(1)
        assert moved.tolist() == [False, False, False, True, False]
    optimizers[0].load_state_dict(state)
    assert optimizers[0].state[weights[0]]["step"] == 5


def test_a_large_table_takes_no_more_than_its_rows():
    module, indices = nn.Embedding(1_000_000, 64, sparse=True), dlcore.randint(0, 1_000_000, (128,))
    optimizer = optim.SGD(module.parameters(), lr=0.1)
    expected = module.weight[indices].detach() * 0.8
    for clip in (False, True):
        dlcore.reset_peak_memory_stats()
        before = dlcore.memory_stats()["allocated_bytes"]
        optimizer.zero_grad(set_to_none=False)
        (module(indices) ** 2).sum().backward()
        if clip:
            nn.utils.clip_grad_norm_(module.parameters(), 1e9)
        assert module.weight.grad.is_sparse and "nnz=128" in repr(module.weight.grad)
        optimizer.step()
        assert dlcore.memory_stats()["peak_allocated_bytes"] - before < MEBIBYTE
        if not clip and indices.unique().numel() == 128:
            np.testing.assert_allclose(module.weight[indices].detach().numpy(), expected.numpy(), rtol=1e-6)


# ---- errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dlcore.ones(2).coalesce(), RuntimeError, "coalesce: expected a tensor of layout sparse_coo"),
        (lambda: dlcore.ones(2).indices(), RuntimeError, "indices: expected a tensor of layout sparse_coo"),
        (lambda: dlcore.ones(2)._values(), RuntimeError, "values: expected a tensor of layout sparse_coo"),
        (lambda: dlcore.ones(2)._nnz(), RuntimeError, "sparse_coo"),
        (lambda: dlcore.ones(2).is_coalesced(), RuntimeError, "sparse_coo"),
        (lambda: random_rows()[0].indices(), RuntimeError, "indices: the tensor is not coalesced; call coalesce"),
        (lambda: random_rows()[0].values(), RuntimeError, "values: the tensor is not coalesced; call coalesce"),
        (lambda: train(optim.Adam, True), RuntimeError, "Adam does not support sparse gradients, please consider Sp"),
        (lambda: train(optim.AdamW, True), RuntimeError, "does not support sparse gradients, please consider Sparse"),
        (lambda: train(optim.RMSprop, True), RuntimeError, "RMSprop does not support sparse gradients"),
        (lambda: train(optim.Adagrad, True, weight_decay=0.1), RuntimeError, "weight_decay option is not compatible"),
        (lambda: train(optim.SparseAdam, False), RuntimeError, "SparseAdam does not support dense gradients"),
        (lambda: optim.SparseAdam([random_rows()[0]]), ValueError, r"Sparse params at indices \[\[0, 0\]\]"),
        (lambda: optim.SparseAdam([dlcore.ones(2)], lr=0), ValueError, "Invalid learning rate: 0"),
        (lambda: optim.SparseAdam([dlcore.ones(2)], lr=dlcore.ones(2)), ValueError, "1-element"),
        (lambda: optim.SparseAdam([dlcore.ones(2)], eps=0), ValueError, "Invalid epsilon value: 0"),
        (lambda: optim.SparseAdam([dlcore.ones(2)], betas=(0.5, 1.0)), ValueError, "parameter at index 1: 1.0"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_hook_that_returns_another_shape():
    weight, other = (dlcore.zeros(n, 2, requires_grad=True) for n in (4, 9))
    F.embedding(dlcore.tensor([7]), other, sparse=True).sum().backward()
    F.embedding(dlcore.tensor([1]), weight, sparse=True).sum().backward()
    weight.register_hook(lambda g: other.grad)
    with pytest.raises(RuntimeError, match="one shape; expected"):
        F.embedding(dlcore.tensor([1]), weight, sparse=True).sum().backward()
    assert weight.grad.to_dense().tolist()[1] == [1, 1]


def test_numbers_that_are_no_indices_any_more():
    """Whoever writes nonsense to a copy of the indices changes nothing."""
    g, dense = random_rows()
    g._indices().fill_(1 << 40)
    same(g, dense)
