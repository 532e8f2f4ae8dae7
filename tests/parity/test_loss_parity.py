"""Losses against PyTorch's: arguments, text, state, warnings, random inputs through functions and classes, training."""

import inspect
import warnings

import numpy as np
import pytest

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

LAYERS = """PoissonNLLLoss GaussianNLLLoss CosineEmbeddingLoss MarginRankingLoss TripletMarginLoss
    TripletMarginWithDistanceLoss HingeEmbeddingLoss MultiMarginLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss
    SoftMarginLoss CTCLoss CosineSimilarity PairwiseDistance CrossEntropyLoss NLLLoss MSELoss L1Loss SmoothL1Loss
    HuberLoss BCELoss BCEWithLogitsLoss KLDivLoss""".split()
FUNCTIONS = """poisson_nll_loss gaussian_nll_loss cosine_embedding_loss margin_ranking_loss triplet_margin_loss
    triplet_margin_with_distance_loss hinge_embedding_loss multi_margin_loss multilabel_margin_loss
    multilabel_soft_margin_loss soft_margin_loss ctc_loss normalize""".split()


def parameters(function):
    # PyTorch decorates some of its functions, which hides their signatures.
    return [(p.name, p.default, p.kind) for p in inspect.signature(inspect.unwrap(function)).parameters.values()]


@pytest.mark.parametrize("name", LAYERS)
def test_arguments_of_layers(name):
    mine, theirs = (parameters(getattr(d.nn, name).__init__) for d in (dlcore, torch))
    assert mine == theirs
    assert [p[0] for p in parameters(getattr(dlcore.nn, name).forward)] == [
        p[0] for p in parameters(getattr(torch.nn, name).forward)
    ]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_of_functions(name):
    mine, theirs = (parameters(getattr(d.nn.functional, name)) for d in (dlcore, torch))
    assert mine == theirs


@pytest.mark.parametrize("name", LAYERS)
def test_text_and_state(name):
    options = (
        {"weight": [1.0, 2.0]} if "weight" in inspect.signature(getattr(torch.nn, name).__init__).parameters else {}
    )
    made = []
    for d in (dlcore, torch):
        made.append(getattr(d.nn, name)(**{k: d.tensor(v) for k, v in options.items()}))
    assert repr(made[0]) == repr(made[1])
    assert list(made[0].state_dict()) == list(made[1].state_dict())
    assert {k: v for k, v in vars(made[0]).items() if k[0] != "_"}.keys() >= {
        k for k in vars(made[1]) if k[0] != "_"
    } - {"training"}


OLD = [n for n in LAYERS if "size_average" in inspect.signature(getattr(torch.nn, n).__init__).parameters]


@pytest.mark.parametrize("name", OLD)
def test_older_arguments(name):
    for options in ({"size_average": False}, {"size_average": True}, {"reduce": False}, {"reduce": True}):
        found = []
        for d in (dlcore, torch):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found.append((getattr(d.nn, name)(**options).reduction, [str(w.message) for w in caught]))
        assert found[0] == found[1]


def signs(rng, *shape):
    return rng.choice([-1.0, 1.0], shape)


def labels(rng, n, c):
    """Some classes of each row, the rest after -1 being of no account."""
    rows = np.stack([rng.permutation(c) for _ in range(n)])
    for row in rows:
        if (k := rng.integers(0, c + 1)) < c:
            row[k] = -1
    return rows


def flag(rng):
    return bool(rng.integers(2))


MADE = {}  # function: (class, inputs that gradients are compared of, (rng, n, c) -> inputs, options)


def random_inputs(layer, function, wrt=(0,)):
    def add(make):
        MADE[function] = layer, wrt, make
        return make

    return add


@random_inputs("PoissonNLLLoss", "poisson_nll_loss", (0, 1))
def _(rng, n, c):
    inputs = rng.uniform(0.1, 3, (n, c)), rng.uniform(0.1, 5, (n, c))
    return inputs, {"log_input": flag(rng), "full": flag(rng)}


@random_inputs("GaussianNLLLoss", "gaussian_nll_loss", (0, 1, 2))
def _(rng, n, c):
    var = rng.uniform(0, 2, [(n, c), (n, 1), (n,)][rng.integers(3)])
    inputs = rng.standard_normal((n, c)), rng.standard_normal((n, c)), var
    return inputs, {"full": flag(rng), "eps": float(rng.choice([1e-6, 0.5]))}


@random_inputs("CosineEmbeddingLoss", "cosine_embedding_loss", (0, 1))
def _(rng, n, c):
    inputs = rng.standard_normal((n, c)), rng.standard_normal((n, c)), signs(rng, n)
    return inputs, {"margin": rng.uniform(-0.5, 0.5)}


@random_inputs("MarginRankingLoss", "margin_ranking_loss", (0, 1))
def _(rng, n, c):
    inputs = rng.standard_normal((n, c)), rng.standard_normal((n, c)), signs(rng, n, c)
    return inputs, {"margin": rng.uniform(0, 2)}


@random_inputs("TripletMarginLoss", "triplet_margin_loss", (0, 1, 2))
def _(rng, n, c):
    options = {"margin": rng.uniform(0.5, 3), "p": float(rng.choice([1, 2, 3])), "swap": flag(rng)}
    return tuple(rng.standard_normal((3, n, c))), options


@random_inputs("TripletMarginWithDistanceLoss", "triplet_margin_with_distance_loss", (0, 1, 2))
def _(rng, n, c):
    return tuple(rng.standard_normal((3, n, c))), {"margin": rng.uniform(0.5, 3), "swap": flag(rng)}


@random_inputs("HingeEmbeddingLoss", "hinge_embedding_loss")
def _(rng, n, c):
    return (rng.standard_normal((n, c)), signs(rng, n, c)), {"margin": rng.uniform(0.5, 2)}


@random_inputs("MultiMarginLoss", "multi_margin_loss")
def _(rng, n, c):
    weight = {"weight": rng.uniform(0.5, 2, c)} if flag(rng) else {}
    options = {"p": int(rng.integers(1, 3)), "margin": rng.uniform(0.5, 2), **weight}
    return (rng.standard_normal((n, c)), rng.integers(0, c, n)), options


@random_inputs("MultiLabelMarginLoss", "multilabel_margin_loss")
def _(rng, n, c):
    return (rng.standard_normal((n, c)), labels(rng, n, c)), {}


@random_inputs("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", (0, 1))
def _(rng, n, c):
    return (rng.standard_normal((n, c)), rng.random((n, c))), {"weight": rng.uniform(0.5, 2, c)} if flag(rng) else {}


@random_inputs("SoftMarginLoss", "soft_margin_loss")
def _(rng, n, c):
    return (rng.standard_normal((n, c)), signs(rng, n, c)), {}


def converted(d, value, dtype, grad=False):
    if not isinstance(value, np.ndarray):
        return value
    t = d.tensor(value)
    return t.to(getattr(d, dtype)).requires_grad_(grad) if value.dtype.kind == "f" else t


def assert_near(mine, theirs, eps, length):
    mine, theirs = mine.detach().numpy(), theirs.detach().numpy()
    assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
    np.testing.assert_array_equal(np.isnan(mine), np.isnan(theirs))
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(mine[~finite], theirs[~finite])
    if finite.any():
        assert np.abs(mine[finite] - theirs[finite]).max() <= 4 * length * eps * max(np.abs(theirs[finite]).max(), 1.0)


@pytest.mark.parametrize("name", MADE)
def test_random_inputs(name):
    layer, wrt, make = MADE[name]
    for seed in range(50):
        rng = np.random.default_rng(seed)
        n, c = int(rng.integers(1, 9)), int(rng.integers(2, 20))
        arrays, extra = make(rng, n, c)
        reduction = ("none", "mean", "sum")[seed % 3]
        dtype, eps = (("float32", 2.0**-24), ("float64", 2.0**-53))[seed % 2]
        results = []
        for d in (dlcore, torch):
            given = {k: converted(d, v, dtype) for k, v in extra.items()}
            xs = [converted(d, a, dtype, i in wrt) for i, a in enumerate(arrays)]
            y = getattr(d.nn.functional, name)(*xs, reduction=reduction, **given)
            z = getattr(d.nn, layer)(reduction=reduction, **given)(*xs)
            np.testing.assert_array_equal(y.detach().numpy(), z.detach().numpy())
            dy = np.random.default_rng(1).standard_normal(tuple(y.shape))
            (y * converted(d, np.asarray(dy), dtype)).sum().backward()
            results.append([y, *(x.grad for i, x in enumerate(xs) if i in wrt)])
        for mine, theirs in zip(*results):
            assert_near(mine, theirs, eps, n * c + 8)


def test_ctc_of_random_lengths():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        steps, samples, classes = int(rng.integers(1, 30)), int(rng.integers(1, 6)), int(rng.integers(2, 12))
        blank = int(rng.integers(classes))
        others = [c for c in range(classes) if c != blank]
        longest = int(rng.integers(0, 12))
        sizes = rng.integers(0, longest + 1, samples)  # none at all, and too many, among them
        lengths = rng.integers(1, steps + 1, samples)
        padded = rng.choice(others[: int(rng.integers(1, 3))], (samples, longest))  # few classes: many repeats
        joined = np.concatenate([row[:k] for row, k in zip(padded, sizes)])
        target = padded if seed % 2 else joined
        logits = rng.standard_normal((steps, samples, classes)) * rng.choice([0.3, 3])
        dtype, eps = (("float32", 2.0**-24), ("float64", 2.0**-53))[seed % 2]
        reduction, zero = ("none", "mean", "sum")[seed % 3], bool(rng.integers(2))
        results = []
        for d in (dlcore, torch):
            x = converted(d, logits, dtype).log_softmax(2).detach().requires_grad_()
            arguments = (x, d.tensor(target), d.tensor(lengths), d.tensor(sizes))
            if seed % 5 == 0:
                arguments = (*arguments[:2], tuple(map(int, lengths)), tuple(map(int, sizes)))
            y = d.nn.functional.ctc_loss(*arguments, blank, reduction, zero)
            z = d.nn.CTCLoss(blank, reduction, zero)(*arguments)
            np.testing.assert_array_equal(y.detach().numpy(), z.detach().numpy())
            dy = np.random.default_rng(1).standard_normal(tuple(y.shape))
            y.backward(converted(d, np.asarray(dy), dtype))
            results.append((y, x.grad))
        # PyTorch's alphas are as large as losses are, and lose that many digits.
        size = max(1.0, float(np.abs(logits).max()) * steps)
        for mine, theirs in zip(*results):
            assert_near(mine, theirs, eps, 16 * size)


def test_ctc_is_nearer_to_float64_than_pytorch():
    rng = np.random.default_rng(0)
    logits, target = rng.standard_normal((800, 4, 30)), rng.integers(1, 30, (4, 120))
    lengths = (800, 750, 700, 400)
    found = {}
    for name, d, dtype in (("exact", torch, "float64"), ("mine", dlcore, "float32"), ("theirs", torch, "float32")):
        x = converted(d, logits, "float64").log_softmax(2).to(getattr(d, dtype)).detach().requires_grad_()
        d.nn.functional.ctc_loss(x, d.tensor(target), lengths, (120,) * 4, reduction="sum").backward()
        found[name] = x.grad.numpy().astype(np.float64)
    mine, theirs = (np.abs(found[k] - found["exact"]).max() for k in ("mine", "theirs"))
    assert mine <= theirs


@pytest.mark.parametrize(
    "call",
    [
        lambda d, x: d.nn.functional.pairwise_distance(x, x.flip(0), p=-1.0),
        lambda d, x: d.nn.functional.pairwise_distance(x[0], x[1], keepdim=True),
        lambda d, x: d.nn.functional.pairwise_distance(x[0, 0], x[0, 1]),
        lambda d, x: d.nn.functional.pairwise_distance(x.long(), x.long() + 1),
        lambda d, x: d.nn.functional.cosine_similarity(x, x.double().flip(0)),
        lambda d, x: d.nn.functional.cosine_similarity(x[0, 0], x[0, 1], dim=0),
        lambda d, x: d.nn.functional.cosine_similarity(x * 0, x),
        lambda d, x: d.nn.CosineSimilarity(0, 0.5)(x * 0.1, x),
        lambda d, x: d.nn.PairwiseDistance(3.0, keepdim=True)(x, x.flip(0)),
        lambda d, x: d.nn.functional.normalize(x * 0),
        lambda d, x: d.nn.functional.normalize(x, p=0.0, dim=0),
        lambda d, x: d.nn.functional.normalize(x, out=d.zeros(3, 4)),
        lambda d, x: d.nn.functional.hinge_embedding_loss(x, d.zeros(3, 4), reduction="none"),
        lambda d, x: d.nn.functional.hinge_embedding_loss(x, d.ones(4).double(), reduction="none"),
        lambda d, x: d.nn.functional.soft_margin_loss(x, d.ones(4).long(), reduction="none"),
        lambda d, x: d.nn.functional.poisson_nll_loss(x, d.ones(4).double(), reduction="none"),
        lambda d, x: d.nn.functional.poisson_nll_loss(x, d.arange(4), full=True),
        lambda d, x: d.nn.functional.poisson_nll_loss(x[:0], x[:0]),
        lambda d, x: d.nn.functional.soft_margin_loss(x[:0], x[:0], reduction="sum"),
        lambda d, x: d.nn.functional.cosine_embedding_loss(x, x[:1], d.tensor([1, -1, 0]), reduction="none"),
        lambda d, x: d.nn.functional.cosine_embedding_loss(x * 0, x * 0, d.tensor([1, -1, 1]), reduction="none"),
        lambda d, x: d.nn.functional.triplet_margin_loss(x[0, 0], x[0, 1], x[0, 2], reduction="none"),
        lambda d, x: d.nn.functional.triplet_margin_loss(x, x[:1], x - 1, p=float("inf"), reduction="none"),
        lambda d, x: d.nn.functional.multi_margin_loss(x[0, 0], d.tensor(0)),
        lambda d, x: d.nn.functional.multi_margin_loss(x[:1], d.tensor(2), reduction="none"),
        lambda d, x: d.nn.functional.multilabel_margin_loss(x[0, 0], d.tensor(0), reduction="none"),
        lambda d, x: d.nn.functional.multilabel_margin_loss(x[0], d.tensor([1, 1, -1, 9 - 9]), reduction="none"),
        lambda d, x: d.nn.functional.multilabel_soft_margin_loss(x, d.ones(4), d.ones(3, 1), reduction="none"),
        lambda d, x: d.nn.functional.gaussian_nll_loss(x, d.ones(2, 3, 4), d.ones(3, 1).double(), reduction="none"),
        lambda d, x: d.nn.functional.ctc_loss(x.log_softmax(1), d.tensor([1, 2]), d.tensor(3), d.tensor(2)),
        lambda d, x: d.nn.functional.one_hot(d.tensor([[0, 2], [1, 1]]), 4),
        lambda d, x: d.nn.functional.bilinear(x, x, d.ones(2, 4, 4)),
    ],
)
def test_corners(call):
    array = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    mine, theirs = (call(d, d.tensor(array)) for d in (dlcore, torch))
    assert_near(mine, theirs, 2.0**-24, 16)


def test_training_agrees_for_50_steps():
    """A linear layer under each loss by plain steps: the same weights in the end."""
    for name, (layer, _, make) in MADE.items():
        rng = np.random.default_rng(7)
        arrays, extra = make(rng, 8, 6)
        ends = []
        for d in (dlcore, torch):
            w = d.tensor(np.eye(6)).requires_grad_()
            given = {k: converted(d, v, "float64") for k, v in extra.items()}
            x, *rest = (converted(d, a, "float64") for a in arrays)
            loss = getattr(d.nn, layer)(**given)
            for _ in range(50):
                (grad,) = d.autograd.grad(loss(x @ w, *rest), w)
                w = (w.detach() - 0.01 * grad).requires_grad_()
            ends.append(w.detach().numpy())
        np.testing.assert_allclose(*ends, rtol=0, atol=1e-9, err_msg=name)
