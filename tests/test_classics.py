"""The classical models: values against float64 references, ties, gradients, files, and what is said of wrong input."""

import itertools
import math

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.autograd import gradcheck
from dlcore.datasets import Table
from dlcore.models.classic import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    MLPClassifier,
    MLPRegressor,
    MulticlassSVM,
    SoftmaxRegression,
    TableModel,
    load_model,
    multiclass_hinge,
    neighbors,
    save_model,
)
from dlcore.transforms import TableTransform

RNG = np.random.default_rng(0)
CLASSIFIERS = (KNeighborsClassifier, SoftmaxRegression, MulticlassSVM, MLPClassifier)
REGRESSORS = (KNeighborsRegressor, LinearRegression, MLPRegressor)


def normal(*shape, dtype="f4"):
    return dlcore.from_numpy(RNG.normal(size=shape).astype(dtype))


def seeded(seed=0):
    return dlcore.Generator().manual_seed(seed)


# ---- nearest neighbours


def brute(x, q, k, metric):
    """Distances and numbers in float64, in the order of (distance, number)."""
    difference = np.abs(q.astype("f8")[:, None] - x.astype("f8"))
    distance = np.sqrt((difference**2).sum(2)) if metric == "l2" else difference.sum(2)
    order = np.argsort(distance, 1, kind="stable")[:, :k]
    return np.take_along_axis(distance, order, 1), order


DATA = {
    "normal": (RNG.normal(size=(300, 7)), RNG.normal(size=(50, 7))),
    "far from the origin": (RNG.normal(size=(300, 7)) + 1e4, RNG.normal(size=(50, 7)) + 1e4),
    "ties": (RNG.integers(0, 3, (300, 4)), RNG.integers(0, 3, (50, 4))),
    "the same everywhere": (np.ones((40, 3)), np.ones((5, 3))),
    "close to each other": (1 + 1e-6 * RNG.integers(0, 9, (200, 2)), 1 + 1e-6 * RNG.integers(0, 9, (30, 2))),
    "one is far away": (np.vstack([RNG.normal(size=(99, 5)), np.full((1, 5), 1e6)]), RNG.normal(size=(20, 5))),
    "wide": (RNG.normal(size=(30, 900)), RNG.normal(size=(10, 900))),
    "one": (np.ones((1, 1)), np.zeros((3, 1))),
}


@pytest.mark.parametrize("metric", ["l2", "l1"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("what", DATA)
def test_neighbors(what, dtype, metric, monkeypatch):
    x, q = (array.astype(dtype) for array in DATA[what])
    model = KNeighborsClassifier(metric=metric).fit(dlcore.from_numpy(x), dlcore.zeros(len(x), dtype=dlcore.int64))
    for k in sorted({1, min(5, len(x)), len(x)}):
        distance, number = brute(x, q, k, metric)
        for block, pairs in ((2**21, 2**20), (len(x) * 3, 7)):
            monkeypatch.setattr(neighbors, "BLOCK", block)
            monkeypatch.setattr(neighbors, "PAIRS", pairs)
            got = model.kneighbors(dlcore.from_numpy(q), k)
            # numpy sums in another order: numbers may differ only where distances agree to rounding.
            np.testing.assert_allclose(got[0].numpy(), distance, rtol=1e-13)
            wrong = got[1].numpy() != number
            assert what not in ("ties", "the same everywhere", "one") or not wrong.any()
            assert wrong.mean() < 0.02


def test_neighbors_of_large_and_tiny_numbers():
    for size, dtype in ((1e30, "f4"), (1e-40, "f4"), (1e300, "f8"), (1e-300, "f8")):
        x, q = (np.array(rows, "f8") * size for rows in ([[1, 2], [4, 6], [0, 0], [4, 6]], [[4, 5.5], [0, 1]]))
        model = KNeighborsClassifier().fit(dlcore.from_numpy(x.astype(dtype)), dlcore.arange(4))
        distances, numbers = model.kneighbors(dlcore.from_numpy(q.astype(dtype)), 3)
        assert numbers.tolist() == [[1, 3, 0], [2, 0, 1]]
        np.testing.assert_allclose(distances.numpy()[:, 0] / size, [0.5, 1], rtol=1e-4)


def test_neighbors_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.neighbors", reason="the other one to compare with")
    x, q, y = normal(400, 6), normal(60, 6), RNG.integers(0, 4, 400)
    for metric, name in (("l2", "euclidean"), ("l1", "manhattan")):
        for weights, k in itertools.product(("uniform", "distance"), (1, 4, 400)):
            theirs = sklearn.KNeighborsClassifier(k, weights=weights, metric=name, algorithm="brute")
            theirs.fit(x.numpy(), y)
            ours = KNeighborsClassifier(k, metric, weights).fit(x, dlcore.from_numpy(y))
            np.testing.assert_allclose(ours.predict_proba(q).numpy(), theirs.predict_proba(q.numpy()), atol=1e-6)
            theirs = sklearn.KNeighborsRegressor(k, weights=weights, metric=name, algorithm="brute")
            theirs.fit(x.numpy(), y.astype("f4"))
            ours = KNeighborsRegressor(k, metric, weights).fit(x, dlcore.from_numpy(y).float())
            np.testing.assert_allclose(ours.predict(q).numpy(), theirs.predict(q.numpy()), rtol=1e-5)


def test_votes():
    x = dlcore.tensor([[0.0], [1.0], [2.0], [10.0], [11.0]])
    y = dlcore.tensor([9, -4, 9, -4, 30])
    q = dlcore.tensor([[1.4], [0.0], [10.5]])
    assert KNeighborsClassifier(1).fit(x, y).predict(q).tolist() == [-4, 9, -4]  # of 10 and 11 the one before
    assert KNeighborsClassifier(2).fit(x, y).predict(q).tolist() == [-4, -4, -4]  # one vote each: the smallest class
    assert KNeighborsClassifier(3).fit(x, y).predict(q).tolist() == [9, 9, -4]
    assert KNeighborsClassifier(3, weights="distance").fit(x, y).predict(q).tolist() == [-4, 9, -4]
    assert KNeighborsClassifier(3).fit(x, y).classes.tolist() == [-4, 9, 30]
    twins = KNeighborsRegressor(3, weights="distance").fit(
        dlcore.tensor([[1.0], [1.0], [2.0]]), dlcore.tensor([4.0, 8, 9])
    )
    assert twins.predict(dlcore.tensor([[1.0]])).tolist() == [6]  # those at no distance alone


def test_the_same_neighbors_with_any_threads():
    x, q = normal(900, 33), normal(200, 33)
    model = KNeighborsRegressor(7, weights="distance").fit(x, normal(900, 2))
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            dlcore.set_num_threads(threads)
            results.append((*model.kneighbors(q), model.predict(q)))
    finally:
        dlcore.set_num_threads(before)
    for other in results[1:]:
        assert all(map(dlcore.equal, results[0], other))


# ---- linear models


@pytest.mark.parametrize("alpha", [0.0, 3.0])
@pytest.mark.parametrize("outputs", [(), (3,)])
def test_linear_regression(alpha, outputs):
    x, y = normal(40, 5, dtype="f8") + 2, normal(40, *outputs, dtype="f8") - 5
    model = LinearRegression(alpha).fit(x, y)
    X, Y = x.numpy() - x.numpy().mean(0), (y.numpy() - y.numpy().mean(0)).reshape(40, -1)
    weight = np.linalg.solve(X.T @ X + alpha * np.eye(5), X.T @ Y).T
    np.testing.assert_allclose(model.weight.detach().numpy(), weight, rtol=1e-10, atol=1e-12)
    bias = y.numpy().reshape(40, -1).mean(0) - weight @ x.numpy().mean(0)
    np.testing.assert_allclose(model.bias.detach().numpy(), bias, rtol=1e-10)
    assert model.predict(x).shape == y.shape
    np.testing.assert_allclose(model(x).detach().numpy(), x.numpy() @ weight.T + bias, rtol=1e-10)
    assert [name for name, _ in model.named_parameters()] == ["weight", "bias"]
    model.loss(x, y.reshape(40, -1)).backward()  # the minimum of what gradient descent goes down
    assert model.weight.grad.abs().max().item() < 1e-12 and model.bias.grad.abs().max().item() < 1e-12


def test_linear_regression_of_dependent_features():
    x = normal(30, 3, dtype="f8")
    x = dlcore.cat([x, x[:, :1] + x[:, 1:2]], 1)
    y = x @ dlcore.tensor([1.0, 2, 3, 0]).double() + 4
    model = LinearRegression().fit(x, y)
    assert model.score(x, y) > 1 - 1e-12
    # The shortest of the solutions w + t (1, 1, 0, -1).
    np.testing.assert_allclose(model.weight.detach().numpy(), [[0, 1, 3, 1]], atol=1e-10)
    few = LinearRegression().fit(x[:2], y[:2])
    assert few.score(x[:2], y[:2]) > 1 - 1e-12


def test_gradient_descent_finds_the_closed_form():
    x = normal(400, 4)
    y = 1000 + 50 * (x @ dlcore.tensor([1.0, -2, 0.5, 0])) + 20 * normal(400)
    for alpha in (0.0, 200.0):
        exact = LinearRegression(alpha).fit(x, y)
        found = LinearRegression(alpha, "gradient").fit(x, y, generator=seeded())
        assert (found.weight - exact.weight).abs().max().item() < 1 and (found.bias - exact.bias).abs().item() < 2
        assert found.score(x, y) == pytest.approx(exact.score(x, y), abs=1e-2)


def test_hinge_loss_and_its_gradient():
    x, y = normal(20, 6, dtype="f8"), dlcore.from_numpy(RNG.integers(0, 4, 20))
    weight = normal(4, 6, dtype="f8").requires_grad_()
    loss = multiclass_hinge(x @ weight.t(), y, 0.7)
    loss.backward()
    want, gradient = 0.0, np.zeros((4, 6))
    for row, label in zip(x.numpy(), y.tolist()):
        scores = weight.detach().numpy() @ row
        for j in set(range(4)) - {label}:
            margin = scores[j] - scores[label] + 0.7
            if margin > 0:
                want += margin / 20
                gradient[j] += row / 20
                gradient[label] -= row / 20
    assert loss.item() == pytest.approx(want, rel=1e-12)
    np.testing.assert_allclose(weight.grad.numpy(), gradient, rtol=1e-10, atol=1e-14)
    assert gradcheck(lambda scores: multiclass_hinge(scores, y[:5]), [normal(5, 4, dtype="f8").requires_grad_()])


def blobs(n=300, classes=3, features=4, spread=0.5):
    centers = RNG.normal(size=(classes, features)) * 3
    y = RNG.integers(0, classes, n)
    x = centers[y] + spread * RNG.normal(size=(n, features))
    return dlcore.from_numpy(x.astype("f4")), dlcore.from_numpy(y * 10 - 7)


def test_softmax_regression_finds_the_minimum():
    x, y = blobs(spread=2.5)
    model = SoftmaxRegression(alpha=0.1, epochs=100).fit(x, y, generator=seeded())
    places, found = dlcore.searchsorted(model.classes, y), []
    for _ in range(2):  # as it is, and after plain gradient descent from there
        found.append(model.loss(x, places).item())
        for _ in range(500):
            model.zero_grad()
            model.loss(x, places).backward()
            with dlcore.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.1 * parameter.grad
    assert found[1] <= found[0] < found[1] + 1e-3 and found[1] < 0.8
    assert model.predict_proba(x).sum(1).allclose(dlcore.ones(300))


def test_losses_are_their_formulas():
    """What is minimized, with penalties that count, against numpy in float64."""
    x, y = normal(30, 4, dtype="f8"), dlcore.from_numpy(RNG.integers(0, 3, 30))
    X, rows, places = x.numpy(), np.arange(30), y.numpy()

    def linear(model):
        with dlcore.no_grad():
            for parameter in model.parameters():
                parameter.copy_(normal(*parameter.shape, dtype="f8"))
        return X @ model.weight.detach().numpy().T + model.bias.detach().numpy(), model.weight.detach().numpy()

    def cross_entropy(scores):
        return (np.log(np.exp(scores).sum(1)) - scores[rows, places]).mean()

    model = SoftmaxRegression(alpha=0.7, epochs=1).fit(x, y)
    scores, weight = linear(model)
    assert model.loss(x, y).item() == pytest.approx(cross_entropy(scores) + 0.35 * (weight**2).sum(), rel=1e-13)
    model = MulticlassSVM(alpha=0.7, margin=1.5, epochs=1).fit(x, y)
    scores, weight = linear(model)
    margins = np.maximum(0, scores - scores[rows, places][:, None] + 1.5)
    margins[rows, places] = 0
    assert model.loss(x, y).item() == pytest.approx(margins.sum(1).mean() + 0.35 * (weight**2).sum(), rel=1e-13)

    def perceptron(model):
        first, last = (model.net[i] for i in (0, -1))
        (a, b), (c, d) = ((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in (first, last))
        return np.tanh(X @ a.T + b) @ c.T + d, 0.35 * ((a**2).sum() + (c**2).sum())

    dlcore.manual_seed(0)
    model = MLPClassifier((6,), "tanh", alpha=0.7, epochs=1).fit(x, y)
    scores, penalty = perceptron(model)
    assert model.loss(x, y).item() == pytest.approx(cross_entropy(scores) + penalty, rel=1e-12)
    target = normal(30, 2, dtype="f8") * 50 + 7
    model = MLPRegressor((6,), "tanh", alpha=0.7, epochs=1).fit(x, target)
    scores, penalty = perceptron(model)
    wanted = (target.numpy() - target.numpy().mean(0)) / target.numpy().std(0)
    assert model.loss(x, target).item() == pytest.approx(((scores - wanted) ** 2).mean() + penalty, rel=1e-12)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers(kind, tmp_path):
    x, y = blobs()
    dlcore.manual_seed(0)
    how = {} if kind is KNeighborsClassifier else {"generator": seeded()}
    model = kind().fit(x[:200], y[:200], **how)
    assert model.score(x[200:], y[200:]) > 0.95 and set(model.predict(x).tolist()) <= {-7, 3, 13}
    assert model.classes.tolist() == [-7, 3, 13] and model.predict(x[:0]).shape == (0,)
    if hasattr(model, "predict_proba"):
        shares = model.predict_proba(x)
        assert shares.shape == (300, 3) and dlcore.equal(model.classes[shares.argmax(1)], model.predict(x))
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert type(again) is kind and again.options == model.options and dlcore.equal(again.predict(x), model.predict(x))
    other = kind()
    other.load_state_dict(dlcore.load(tmp_path / "model")["state"])
    assert dlcore.equal(other.predict(x), model.predict(x))
    model.fit(x[:, :2], y)  # once more, for others
    assert model.predict(x[:, :2]).shape == (300,)


@pytest.mark.parametrize("kind", REGRESSORS)
@pytest.mark.parametrize("outputs", [(), (2,)])
def test_regressors(kind, outputs, tmp_path):
    x = normal(300, 3)
    y = (x @ normal(3, 2) * 40 + 300).reshape(300, 2)[:, 0 if outputs == () else slice(None)]
    dlcore.manual_seed(0)
    model = kind().fit(x[:200], y[:200])
    assert model.score(x[200:], y[200:]) > 0.8 and model.predict(x).shape == y.shape
    assert model.predict(x[:0]).shape == (0, *outputs)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert dlcore.equal(again.predict(x), model.predict(x)) and again.outputs == outputs
    with pytest.raises(ValueError, match="shape"):
        model.score(x, dlcore.ones(300, 5))


def test_mlp_is_a_module():
    dlcore.manual_seed(0)
    x, y = blobs(60)
    model = MLPClassifier((8, 5), "tanh", dropout=0.25, epochs=2).fit(x, y)
    assert [type(layer).__name__ for layer in model.net] == "Linear Tanh Dropout Linear Tanh Dropout Linear".split()
    assert not model.training and dlcore.equal(model.predict(x), model.predict(x))
    assert [tuple(p.shape) for p in model.parameters()] == [(8, 4), (8,), (5, 8), (5,), (3, 5), (3,)]
    linear = MLPClassifier((), lr=0.1).fit(x, y)
    assert [type(layer) for layer in linear.net] == [nn.Linear] and linear.score(x, y) > 0.9


def test_the_same_seed_gives_the_same_model():
    x, y = blobs(100)
    for kind in (SoftmaxRegression, MulticlassSVM, MLPClassifier):
        results = []
        for seed in (0, 0, 1):
            dlcore.manual_seed(seed)
            results.append(kind(epochs=2).fit(x, y, generator=seeded(seed))(x))
        assert dlcore.equal(results[0], results[1]) and not dlcore.equal(results[0], results[2])


def test_on_batch_counts():
    x, y = blobs(100)
    calls = []
    model = SoftmaxRegression(epochs=3, batch_size=40)
    model.fit(x, y, on_batch=lambda: calls.append(1))
    assert len(calls) == model.batches(100) == 9


# ---- tables


def houses(n=200):
    size, town = RNG.uniform(20, 200, n), RNG.integers(0, 3, n)
    price = 1000 * size * np.array([1.0, 2.0, 4.0])[town] * np.exp(0.05 * RNG.normal(size=n))
    size[::7] = np.nan
    names = [None, "Oslo", "Bergen"]
    return Table(
        {"size": dlcore.from_numpy(np.log(size)), "town": [names[i] for i in town], "price": dlcore.from_numpy(price)}
    )


def test_table_model(tmp_path):
    table = houses()
    train, test = table.take(range(150)), table.take(range(150, 200))
    features = TableTransform.of(train, ["price"])
    model = TableModel("price", features, LinearRegression(), log_target=True).fit(train)
    known = test.take([i for i, size in enumerate(test["size"].tolist()) if size == size])
    assert model.log_rmse(known) < 0.3 and model.score(known) > 0.7
    log = (model.predict(known).log() - known["price"].log()).square().mean().sqrt().item()
    assert model.log_rmse(known) == pytest.approx(log, rel=1e-5)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert dlcore.equal(again.predict(test), model.predict(test))


def test_table_model_of_categories(tmp_path):
    table = Table({"x": normal(60), "kind": ["ab"[i % 2] for i in range(60)]})
    table = Table({"x": table["x"] + 5 * dlcore.arange(60).remainder(2), "kind": table["kind"]})
    model = TableModel("kind", TableTransform.of(table, ["kind"]), KNeighborsClassifier(3)).fit(table)
    assert model.score(table) > 0.9 and set(model.predict(table)) == {"a", "b"} and model.classes == ["a", "b"]
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.predict(table) == model.predict(table)
    other = Table({"x": table["x"][:2], "kind": ["c", "d"]})
    assert model.score(other) == 0
    with pytest.raises(ValueError, match="target 'kind' must not be missing in any row"):
        model.fit(Table({"x": dlcore.ones(2), "kind": ["a", None]}))


def test_table_model_errors():
    table = houses()
    features = TableTransform.of(table, ["price"])
    with pytest.raises(ValueError, match="target 'town' must not be among the features"):
        TableModel("town", features, LinearRegression())
    with pytest.raises(TypeError, match="log_target is for regressors"):
        TableModel("price", features, KNeighborsClassifier(), log_target=True)
    with pytest.raises(TypeError, match="features must be a TableTransform, and estimator an estimator"):
        TableModel("price", nn.ReLU(), LinearRegression())
    model = TableModel("price", features, LinearRegression(), log_target=True)
    for price, message in (([1.0, -1.0], "must be positive"), ([1.0, math.nan], "must be finite and not missing")):
        wrong = Table({"size": dlcore.ones(2), "town": ["a", "b"], "price": dlcore.tensor(price)})
        with pytest.raises(ValueError, match=f"target 'price' {message}"):
            model.fit(wrong)
    with pytest.raises(ValueError, match="must be of numbers, but has categories"):
        TableModel("town", TableTransform.of(table, ["town"]), LinearRegression()).fit(table)
    with pytest.raises(RuntimeError, match="log_rmse is of a model with log_target=True"):
        TableModel("price", features, LinearRegression()).fit(table).log_rmse(table)


# ---- wrong input


@pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS])
def test_wrong_input(kind):
    name, floats = kind.__name__, kind in REGRESSORS
    x, y = dlcore.rand(6, 3), dlcore.ones(6) if floats else dlcore.arange(6)
    for call in (lambda: kind().predict(x), lambda: kind().score(x, y)):
        with pytest.raises(RuntimeError, match=f"{name}: call fit, or load a state_dict, first"):
            call()
    for wrong_x, wrong_y, error, message in [
        (x.long(), y, TypeError, "x must be a floating point tensor"),
        (x.tolist(), y, TypeError, "x must be a floating point tensor, but got list"),
        (x[0], y, ValueError, r"x must have shape \(N, F\), but got \(3,\)"),
        (x[:, :0], y, ValueError, r"x must have shape \(N, F\), but got \(6, 0\)"),
        (x[:0], y[:0], ValueError, "x must have rows to fit"),
        (x * math.nan, y, ValueError, "x must be finite"),
        (x[:5], y, ValueError, "x and y must have the same rows, but got 5 and 6"),
        (x, None, TypeError, "y must be a "),
        (x, y.long() if floats else y.float(), TypeError, "y must be a "),
        (x, y.reshape(6, 1, 1), ValueError, r"y must have shape \(N\)"),
    ]:
        with pytest.raises(error, match=f"{name}: {message}"):
            kind().fit(wrong_x, wrong_y)
    options = {"k": 2} if "Neighbors" in name else {"epochs": 1} if "epochs" in kind().options else {}
    model = kind(**options).fit(x, y)
    with pytest.raises(ValueError, match=rf"{name}: x must have shape \(N, 3\), but got \(6, 2\)"):
        model.predict(x[:, :2])
    with pytest.raises(ValueError, match="x must be finite"):
        model.predict(x / 0)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (KNeighborsClassifier, {"k": 0}, "k must be an int in"),
        (KNeighborsRegressor, {"k": 2.0}, "k must be an int in"),
        (KNeighborsClassifier, {"metric": "l3"}, "metric must be one of l2, l1, but got 'l3'"),
        (KNeighborsClassifier, {"weights": "none"}, "weights must be one of uniform, distance"),
        (LinearRegression, {"alpha": -1}, "alpha must be a non-negative number, but got -1"),
        (LinearRegression, {"solver": "guess"}, "solver must be exact or gradient"),
        (SoftmaxRegression, {"lr": 0}, "lr must be a positive number, but got 0"),
        (SoftmaxRegression, {"alpha": math.nan}, "alpha must be a non-negative number"),
        (MulticlassSVM, {"margin": math.inf}, "margin must be a positive number"),
        (MulticlassSVM, {"epochs": 2**40}, "epochs must be an int in"),
        (MLPClassifier, {"hidden": [0]}, "hidden must be an int in"),
        (MLPClassifier, {"activation": "step"}, "activation must be one of relu, tanh, sigmoid, gelu"),
        (MLPClassifier, {"dropout": 1}, "dropout must be below 1"),
        (MLPRegressor, {"hidden": range(10**6)}, "hidden must have at most"),
        (MLPRegressor, {"batch_size": True}, "batch_size must be an int"),
    ],
)
def test_wrong_options(kind, options, message):
    with pytest.raises(ValueError, match=f"{kind.__name__}: {message}"):
        kind(**options)


def test_more_neighbors_than_items():
    model = KNeighborsClassifier(5).fit(dlcore.ones(3, 2), dlcore.arange(3))
    with pytest.raises(ValueError, match=r"k must be an int in \[1, 3\], the number of items, but got 5"):
        model.predict(dlcore.ones(1, 2))


def test_files_that_hold_something_else(tmp_path):
    path = tmp_path / "model"
    state = LinearRegression().fit(dlcore.rand(5, 2), dlcore.rand(5)).state_dict()
    for tree in (
        {},
        [1],
        {"model": "LinearRegression", "state": state},
        {"model": {"kind": "save_model", "options": {}}, "state": state},
        {"model": {"kind": "Estimator", "options": {}}, "state": {}},
        {"model": {"kind": "LinearRegression", "options": {"alpha": -1}}, "state": state},
        {"model": {"kind": "LinearRegression", "options": {"beta": 1}}, "state": state},
        {"model": {"kind": "LinearRegression", "options": {}}, "state": {"weight": 3}},
        {"model": {"kind": "TableModel", "options": {}}, "state": state},
        {"model": {"kind": "MLPClassifier", "options": {"hidden": 3}}, "state": {"net.0.weight": dlcore.ones(2)}},
    ):
        dlcore.save(tree, path)
        with pytest.raises(ValueError, match="load_model: .* must hold a classical model: "):
            load_model(path)
    with pytest.raises(TypeError, match="save_model: model must be of dlcore.models.classic, but got Linear"):
        save_model(nn.Linear(2, 2), path)
