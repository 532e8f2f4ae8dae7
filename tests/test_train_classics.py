"""`dlcore train` of the classical models: on real data, on CSV files, and what is said when something is wrong."""

import re

import numpy as np
import pytest

import dlcore
from dlcore.cli import main
from dlcore.model_selection import KFold, train_test_split
from dlcore.models.classic import LinearRegression, TableModel, load_model
from dlcore.transforms import TableTransform

pytest.importorskip("sklearn", reason="the data come with scikit-learn")
pytest.importorskip("tqdm", reason="the progress bar")

from dlcore.datasets import diabetes, digits, read_csv  # noqa: E402
from dlcore.train.classic import NAMES, train  # noqa: E402

# The least share of right answers, or R2, of each on every one of three splits. Guessing gives 0.1 or 0.
BOUNDS = {
    "knn": 0.98,
    "softmax_regression": 0.94,
    "svm": 0.94,
    "mlp": 0.96,
    "linear_regression": 0.4,
    "mlp_regression": 0.4,
}


@pytest.mark.parametrize("name", BOUNDS)
def test_scores_on_held_out_data(name):
    for seed in range(3):
        _, score = train(name, seed=seed, progress=False)
        assert BOUNDS[name] <= score <= 1


def test_house_prices(capsys):
    for seed in range(3):
        model, error = train("house_prices", seed=seed)
        assert 0.3 < error < 0.45  # of the logarithm; the mean of what was trained on gives 0.55
        assert error == model.log_rmse(model_rows(seed)) and model.options["log_target"]
        folds, held_out = capsys.readouterr().out.splitlines()
        assert folds.startswith("5 folds of 353 rows: log-RMSE 0.") and "on the 89 held-out rows" in held_out
        rows, errors = model_rows(seed, part=0), []
        for a, b in KFold(5, generator=dlcore.Generator().manual_seed(seed)).split(rows):
            fold = rows.take(a)
            features = TableTransform.of(fold, ["progression"])
            fold_model = TableModel("progression", features, LinearRegression(10.0), log_target=True).fit(fold)
            errors.append(fold_model.log_rmse(rows.take(b)))
        assert float(folds.split()[6].rstrip(",")) == pytest.approx(sum(errors) / 5, abs=1e-4)


def model_rows(seed, part=1):
    """Of the diabetes data: those that are held out, or the others."""
    return diabetes().take(train_test_split(442, 0.2, generator=dlcore.Generator().manual_seed(seed))[part])


@pytest.mark.parametrize("name", NAMES)
def test_by_the_command_line(name, tmp_path, capsys):
    path = str(tmp_path / "model")
    short = ["--epochs", "2"] if name in ("softmax_regression", "svm", "mlp", "mlp_regression") else []
    assert main(["train", name, "--output", path, *short]) == 0
    text = capsys.readouterr().out
    assert "held-out" in text and text.endswith(f"saved {path}\n")
    model = load_model(path)
    if name in ("knn", "softmax_regression", "svm", "mlp"):
        x, y = digits()
        assert model.score(x.flatten(1), y) > 0.8
    else:
        assert model.predict(diabetes()).shape == (442,)


@pytest.fixture
def houses(tmp_path):
    """A table of houses, with missing values, in a file."""
    rng = np.random.default_rng(0)
    rows = ["Id,Size,Town,Pool,Price"]
    for i in range(200):
        size, town, pool = rng.uniform(20, 200), rng.choice(["Oslo", "Bergen", "NA"]), rng.choice(["yes", "no"])
        price = 1000 * size * {"Oslo": 3, "Bergen": 2, "NA": 1}[town] * np.exp(0.05 * rng.normal())
        rows.append(f"{i},{'' if i % 9 == 0 else round(size, 2)},{town},{pool},{price:.2f}")
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(rows))
    return path


def test_csv_of_houses(houses, tmp_path, capsys):
    output = str(tmp_path / "model")
    options = ["--csv", str(houses), "--target", "Price", "--drop", "Id,Pool", "--folds", "3", "--output", output]
    assert main(["train", "house_prices", *options]) == 0
    folds, held_out, _ = capsys.readouterr().out.splitlines()
    assert folds.startswith("3 folds of 160 rows: log-RMSE 0.") and held_out.startswith("160 rows, 5 features, ")
    assert float(held_out.split("log-RMSE ")[1].split()[0]) < 0.4  # 0.7 without the features
    model = load_model(output)
    table = read_csv(houses)
    assert model.features.names() == ["Size", "Size missing", "Town=Bergen", "Town=Oslo", "Town=None"]
    assert model.log_rmse(table) < 0.4
    assert main(["train", "linear_regression", *options[:6], "--output", output, "--alpha", "0.5"]) == 0
    assert load_model(output).estimator.options["alpha"] == 0.5


def test_csv_of_classes(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = ["length;width;kind"] + [
        f"{rng.normal() + 4 * (i % 2):.3f};{rng.normal():.3f};{'ab'[i % 2]}" for i in range(100)
    ]
    path, output = tmp_path / "data", str(tmp_path / "model")
    path.write_text("\n".join(rows))
    for name in ("knn", "svm"):
        options = ["--csv", str(path), "--target", "kind", "--delimiter", ";", "--output", output]
        assert main(["train", name, *options]) == 0
        assert float(capsys.readouterr().out.split("s: ")[1].split("%")[0]) > 85
        assert set(load_model(output).predict(read_csv(path, ";"))) == {"a", "b"}


def test_the_same_seed_gives_the_same_model():
    (a, _), (b, _), (c, _) = (train("mlp", epochs=1, seed=seed, progress=False) for seed in (1, 1, 2))
    x = digits()[0].flatten(1)
    assert dlcore.equal(a(x), b(x)) and not dlcore.equal(a(x), c(x))


def test_errors(houses, tmp_path, capsys):
    for options, message in (
        (
            ["--csv", str(houses)],
            "target must be a column of .*houses.csv, which has Id, Size, Town, Pool, Price, but is None",
        ),
        (["--csv", str(houses), "--target", "Cost"], "but is Cost"),
        (["--csv", str(houses), "--target", "Price", "--drop", "Garden"], "drop must be columns of"),
        (["--csv", str(houses), "--target", "Town"], "target 'Town' must be of numbers"),
        (["--target", "Price"], "name its file by csv"),
        (["--csv", str(tmp_path / "nothing"), "--target", "Price"], "No such file"),
        (["--alpha", "-1"], "LinearRegression: alpha must be a non-negative number"),
    ):
        assert main(["train", "house_prices", *options, "--output", str(tmp_path / "model")]) == 1
        error = capsys.readouterr().err
        assert error.startswith("dlcore: ") and re.search(message, error), error
    bad = houses.with_name("bad.csv")
    bad.write_text(re.sub(r"^(17,)[^,]*", r"\1big", houses.read_text(), flags=re.MULTILINE))
    with pytest.warns(UserWarning, match=r"row 18 \(line 19\), column 'Size': 'big' makes it a column of categories"):
        assert main(["train", "house_prices", "--csv", str(bad), "--target", "Price"]) == 0
    with pytest.warns(UserWarning, match="column 'Price': 'cheap' makes it"):  # no number in the target
        bad.write_text(re.sub(r"[^,]+$", "cheap", houses.read_text()))
        assert main(["train", "house_prices", "--csv", str(bad), "--target", "Price"]) == 1
    assert "target 'Price' must be of numbers, but has categories" in capsys.readouterr().err
    houses.write_text(houses.read_text() + "\n1,2\n")
    assert main(["train", "house_prices", "--csv", str(houses), "--target", "Price"]) == 1
    assert "row 201 (line 202): must have 5 fields, but has 2" in capsys.readouterr().err
    assert main(["train", "knn", "--k", "0"]) == 1
    with pytest.raises(ValueError, match="name must be one of knn, "):
        train("nothing")
