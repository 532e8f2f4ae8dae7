"""Transforms of features: values against float64, what is undone, what is saved, and what is said of wrong input."""

import math

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.datasets import Table
from dlcore.models.classic import load_model, save_model
from dlcore.transforms import Impute, MinMax, OneHot, Pipeline, Standardize, TableTransform

EPS = 2.0**-24
RNG = np.random.default_rng(0)


def data(n=50, f=4, dtype="f4"):
    return (RNG.normal(size=(n, f)) * [1, 10, 0.1, 5] + [0, 100, -3, 7]).astype(dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_standardize(dtype):
    x = data(dtype=dtype)
    x[:, 3] = 0.1  # of which a mean is not exact
    scale = Standardize()
    got = scale.fit_transform(dlcore.from_numpy(x))
    wide = x.astype("f8")
    mean = np.array([math.fsum(column) / len(x) for column in wide.T])
    std = np.where(np.ptp(wide, 0) > 0, wide.std(0), 1)
    eps = EPS if dtype == "f4" else 2.0**-53
    # The mean is a sum of 50, and rounded to x's type; x - mean is rounded once more.
    bound = 8 * eps * (np.abs(wide).max(0) + np.abs(wide - mean).max(0)) / std
    assert (np.abs(got.numpy() - (wide - mean) / std) <= bound).all()
    assert got.dtype == dlcore.from_numpy(x).dtype and scale.scale.dtype == dlcore.float64
    assert (got[:, 3].abs() <= bound[3]).all() and scale.scale[3].item() == 1
    new = dlcore.from_numpy(data(7, dtype=dtype))
    back = scale.inverse(scale(new))
    assert np.allclose(back.numpy(), new.numpy(), rtol=0, atol=8 * eps * 130)


def test_standardize_is_scikit_learns():
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason="the other one to compare with")
    x, new = data(dtype="f8"), data(9, dtype="f8")
    for ours, theirs in (
        (Standardize(), preprocessing.StandardScaler()),
        (MinMax(), preprocessing.MinMaxScaler()),
        (MinMax(-1, 3), preprocessing.MinMaxScaler((-1, 3))),
    ):
        got, want = ours.fit(dlcore.from_numpy(x))(dlcore.from_numpy(new)), theirs.fit(x).transform(new)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-12)


def test_min_max():
    x = dlcore.from_numpy(data(dtype="f8"))
    x[:, 1] = 5.0
    scale = MinMax(-1, 2).fit(x)
    y = scale(x)
    assert y[:, [0, 2, 3]].amin(0).tolist() == pytest.approx([-1] * 3)
    assert y[:, [0, 2, 3]].amax(0).tolist() == pytest.approx([2] * 3)
    assert (y[:, 1] == -1).all()
    assert scale(x + 100)[:, 0].min().item() > 2  # outside stays outside
    assert np.allclose(scale.inverse(y).numpy(), x.numpy(), rtol=0, atol=1e-12)
    for low, high in ((1, 1), (2, 1), (0, math.inf), (math.nan, 1)):
        with pytest.raises(ValueError, match="MinMax: low must be below high"):
            MinMax(low, high)


NAN = math.nan
HOLES = dlcore.tensor([[1.0, NAN, 5.0, NAN], [2.0, 3.0, 1.0, NAN], [9.0, 4.0, NAN, NAN], [4.0, NAN, 3.0, NAN]])


@pytest.mark.parametrize(
    ("options", "fill"),
    [
        ({}, [4.0, 3.5, 3.0, 0.0]),
        ({"strategy": "median", "fill_value": -7}, [3.0, 3.5, 3.0, -7.0]),
        ({"strategy": "constant", "fill_value": 8}, [8.0] * 4),
    ],
)
@pytest.mark.parametrize("indicator", [False, True])
def test_impute(options, fill, indicator):
    impute = Impute(**options, indicator=indicator).fit(HOLES)
    assert impute.fill.tolist() == fill
    y = impute(HOLES)
    missing = HOLES.isnan()
    assert dlcore.equal(y[:, :4], dlcore.where(missing, dlcore.tensor(fill), HOLES))
    if indicator:
        assert dlcore.equal(y[:, 4:], missing.float()) and y.shape == (4, 8)
        assert np.array_equal(impute.inverse(y).numpy(), HOLES.numpy(), equal_nan=True)
        assert impute.names(["a", "b"]) == ["a", "b", "a missing", "b missing"]
    else:
        assert dlcore.equal(impute.inverse(y), y)


def test_impute_is_numpys():
    x = data(31)
    x[RNG.random(x.shape) < 0.3] = np.nan
    for strategy, reference in (("mean", np.nanmean), ("median", np.nanmedian)):
        fill = Impute(strategy).fit(dlcore.from_numpy(x)).fill.numpy()
        np.testing.assert_allclose(fill, reference(x.astype("f8"), 0), rtol=1e-13)


def test_one_hot():
    column = ["b", None, "a", "b", 3, 10]
    hot = OneHot().fit(column)
    assert hot.categories == [3, 10, "a", "b", None]
    y = hot(["a", "zzz", None, 10])
    assert y.dtype == dlcore.float32 and y.tolist() == [[0, 0, 1, 0, 0], [0] * 5, [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]]
    assert hot.inverse(y) == ["a", None, None, 10]
    assert hot.names(["town"]) == ["town=3", "town=10", "town=a", "town=b", "town=None"]
    assert hot([]).shape == (0, 5)
    assert OneHot().fit(dlcore.tensor([2.0, NAN, 1.0])).categories == [1, 2, None]
    assert OneHot(max_categories=2).fit(list("cabbcd")).categories == ["b", "c"]
    assert OneHot(max_categories=1).fit(list("cabbcd")).categories == ["b"]
    with pytest.raises(ValueError, match="item 1 must be one of the 2 categories that fit saw, but is 'x'"):
        OneHot("error").fit(["a", "b"])(["a", "x"])
    for wrong, error in (
        (["a", 1.5], TypeError),
        ("abc", TypeError),
        ([], ValueError),
        (dlcore.ones(2, 2), ValueError),
    ):
        with pytest.raises(error, match="OneHot: "):
            OneHot().fit(wrong)
    with pytest.raises(ValueError, match="must be whole numbers, but got 1.5"):
        OneHot().fit(dlcore.tensor([1.0, 1.5]))


def test_pipeline():
    steps = Pipeline([Impute(indicator=True), Standardize()])
    y = steps.fit_transform(HOLES)
    by_hand = Impute(indicator=True).fit(HOLES)(HOLES)
    assert dlcore.equal(y, Standardize().fit(by_hand)(by_hand)) and dlcore.equal(steps(HOLES), y)
    np.testing.assert_allclose(steps.inverse(y).numpy(), HOLES.numpy(), rtol=0, atol=16 * EPS * 9)
    assert steps.names(["a"]) == ["a", "a missing"]
    for wrong in ([], [nn.ReLU()]):
        with pytest.raises(TypeError, match="Pipeline: steps must be transforms of features"):
            Pipeline(wrong)


def table():
    return Table(
        {
            "rooms": dlcore.tensor([3.0, NAN, 5.0, 2.0]).double(),
            "Lot.Area": dlcore.tensor([10, 20, 30, 40]),
            "town": ["Oslo", None, "Bergen", "Oslo"],
            "price": dlcore.tensor([1.0, 2.0, 3.0, 4.0]),
        }
    )


def test_table_transform(tmp_path):
    features = TableTransform.of(table(), drop=["price"])
    x = features.fit_transform(table())
    names = ["rooms", "rooms missing", "Lot.Area", "town=Bergen", "town=Oslo", "town=None"]
    assert features.names() == names and x.shape == (4, 6) and x.dtype == dlcore.float32
    assert x.mean(0)[:3].abs().max().item() < 4 * EPS * 4
    assert x[:, 3:].tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    back = features.inverse(x)
    assert back["town"] == table()["town"] and back.names == ["rooms", "Lot.Area", "town"]
    np.testing.assert_allclose(back["rooms"].numpy(), table()["rooms"].numpy(), rtol=1e-6)
    save_model(features, tmp_path / "features")
    again = load_model(tmp_path / "features")
    assert dlcore.equal(again(table()), x) and again.names() == names

    one = Standardize()
    shared = TableTransform({"rooms": Pipeline([Impute(), one]), "Lot.Area": one}).fit(table())
    assert one.scale is None and shared.transforms[1].scale.item() == pytest.approx(125**0.5)
    with pytest.raises(ValueError, match="the table must have a column 'town'; it has rooms, Lot.Area, price"):
        features(table().drop("town"))
    with pytest.raises(ValueError, match="column 'town' must be of numbers, but has categories, such as "):
        TableTransform({"town": Standardize()}).fit(table())
    with pytest.raises(TypeError, match="must be called with a Table, but got dict"):
        features({})
    with pytest.raises(TypeError, match="columns must map names to transforms"):
        TableTransform({"town": nn.ReLU()})
    with pytest.raises(ValueError, match="must not be empty"):
        TableTransform({})


def test_a_column_without_values_stays_one_of_numbers():
    features = TableTransform({"rooms": Impute(fill_value=2)}).fit(table())
    empty = Table({"rooms": [None, None]})
    assert features(empty).squeeze(1).tolist() == pytest.approx([10 / 3] * 2)


class Net(nn.Module):
    """A model that scales its own input."""

    def __init__(self):
        super().__init__()
        self.scale = Pipeline([Impute("median", indicator=True), MinMax()])
        self.town = OneHot()
        self.linear = nn.Linear(11, 1)

    def forward(self, x, towns):
        return self.linear(dlcore.cat([self.scale(x), self.town(towns)], 1))


def test_saved_with_the_model(tmp_path):
    model, towns = Net(), ["a", "b", None, "a"]
    model.scale.fit(HOLES)
    model.town.fit(towns)
    dlcore.save(model.state_dict(), tmp_path / "model")
    other = Net()
    other.load_state_dict(dlcore.load(tmp_path / "model"))
    assert dlcore.equal(other(HOLES, towns), model(HOLES, towns))
    wider = Standardize().fit(dlcore.rand(5, 7))
    wider.load_state_dict(Standardize().fit(HOLES[:, :1]).state_dict())  # another number of features
    assert wider(HOLES[:, :1]).shape == (4, 1)
    with pytest.raises(RuntimeError, match="Missing key"):
        wider.load_state_dict({})
    with pytest.raises(RuntimeError, match="Missing key|Unexpected"):
        Standardize().load_state_dict({"mean": dlcore.ones(2)})


@pytest.mark.parametrize("kind", [Standardize, MinMax, Impute])
def test_wrong_input(kind):
    name = kind.__name__
    with pytest.raises(RuntimeError, match=f"{name}: call fit, or load a state_dict, first"):
        kind()(dlcore.ones(2, 3))
    fitted = kind().fit(dlcore.rand(5, 3))
    for wrong, error in (
        (dlcore.ones(2, 2), ValueError),
        (dlcore.ones(3), ValueError),
        (dlcore.ones(2, 3).long(), TypeError),
        (None, TypeError),
        ([[1.0, 2.0, 3.0]], TypeError),
    ):
        with pytest.raises(error, match=f"{name}: x must "):
            fitted(wrong)
    for wrong in (dlcore.ones(0, 3), dlcore.full((2, 3), math.inf)):
        with pytest.raises(ValueError, match=f"{name}: x must "):
            kind().fit(wrong)
    assert fitted(dlcore.ones(0, 3)).shape == (0, 3)
    if kind is not Impute:
        with pytest.raises(ValueError, match="Impute fills in"):
            kind().fit(HOLES)
        assert fitted(HOLES[:, :3]).isnan().any()
    assert "fit" in dir(fitted) and name in repr(fitted)
