"""The classical models, on digits, on the diabetes data, or on a CSV file."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from .. import _core
from ..datasets import Table, diabetes, digits, read_csv
from ..model_selection import KFold, cross_validate, train_test_split
from ..models import classic
from ..models.classic import Classifier, Estimator, TableModel
from ..transforms import TableTransform
from . import common
from .callbacks import progress_bar

HELD_OUT = 0.2
TARGET = "progression"  # of the diabetes data


@dataclass(frozen=True)
class Recipe:
    """How a model is made where the user says nothing else.

    Attributes:
        build: called with those of the options below that are given.
        options: of the command line, and their types (or choices).
        by_batches: whether it is trained by gradient descent.
        log_target: learn the logarithm of the target, and be judged by log-RMSE and k folds.
    """

    build: Callable[..., Estimator]
    options: dict[str, type | tuple[str, ...]]
    by_batches: bool = False
    log_target: bool = False


VOTES = {"k": int, "metric": ("l2", "l1"), "weights": ("uniform", "distance")}
RECIPES = {
    "knn": Recipe(partial(classic.KNeighborsClassifier, k=3), VOTES),
    "linear_regression": Recipe(classic.LinearRegression, {"alpha": float}),
    "softmax_regression": Recipe(classic.SoftmaxRegression, {"alpha": float}, by_batches=True),
    "svm": Recipe(classic.MulticlassSVM, {"alpha": float}, by_batches=True),
    "mlp": Recipe(
        partial(classic.MLPClassifier, hidden=(256,), dropout=0.3, epochs=50), {"alpha": float}, by_batches=True
    ),
    "mlp_regression": Recipe(
        partial(classic.MLPRegressor, alpha=0.01, epochs=60), {"alpha": float}, by_batches=True
    ),
    "house_prices": Recipe(partial(classic.LinearRegression, alpha=10.0), {"alpha": float}, log_target=True),
}  # fmt: skip
NAMES = tuple(RECIPES)


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    recipe = RECIPES[name]
    classes = issubclass(_kind(recipe), Classifier)
    data = "scikit-learn's digits" if classes else "scikit-learn's diabetes data"
    parser.description = f"Fit the model to {data}, or to a CSV file, and tell how good it is on a held-out fifth."
    common.add_options(parser, recipe.by_batches)
    parser.add_argument("--csv", metavar="FILE", help=f"a table with a header; default: {data}")
    parser.add_argument("--target", metavar="COLUMN", help="of the table: what is predicted")
    parser.add_argument("--drop", metavar="COLUMN,...", type=lambda text: text.split(","), default=[],
                        help="of the table: not used, such as numbers of the rows")  # fmt: skip
    parser.add_argument("--delimiter", default=",", help="of the table's fields; default: a comma")
    for option, kind in recipe.options.items():
        how = {"choices": kind} if isinstance(kind, tuple) else {"type": kind}
        parser.add_argument(f"--{option}", help="default: the model's own", **how)
    if recipe.log_target:
        parser.add_argument("--folds", type=common.positive, default=5, help="default: %(default)s")


def run(name: str, **options) -> None:
    train(name, **options)


def train(
    name: str,
    csv: str | None = None,
    target: str | None = None,
    drop: Sequence[str] = (),
    delimiter: str = ",",
    folds: int = 5,
    seed: int = 0,
    output: str | None = None,
    progress: bool = True,
    **options,
) -> tuple[Estimator | TableModel, float]:
    """Fit a classical model, and print how good it is on a fifth of the data that is held out.

    Args:
        name: one of `NAMES`.
        csv, target, drop, delimiter: a table, what is predicted of it, what is not used of it; None takes
            scikit-learn's digits for classifiers, its diabetes data for regressions.
        folds: of `house_prices`.
        seed: of the split, the weights and the order; the same seed gives the same model. Default: 0.
        output: the file for the model, which `models.classic.load_model` reads; None (the default) saves nothing.
        progress: show a progress bar where there are batches. Default: True.
        options: of the model; those that are None are the model's own.

    Returns:
        the model, and its score: the share of the held-out items that are right, R2, or the log-RMSE of house prices.

    Raises:
        ImportError: if a library for the progress bar or the data is missing.
        OSError: if there is no such file.
        ValueError: for unknown names, files that are malformed and targets that the model can not predict.
    """
    common.check_name(name, NAMES)
    recipe = RECIPES[name]
    options = {option: value for option, value in options.items() if value is not None}
    build = partial(recipe.build, **options)
    _core.manual_seed(seed)
    table = None
    if csv is None:
        if target is not None or drop:
            raise ValueError("train: target and drop are of a table; name its file by csv")
        if not issubclass(_kind(recipe), Classifier):
            table, target = diabetes(), TARGET
    else:
        table = read_csv(csv, delimiter)
        if target is None or target not in table:
            raise ValueError(f"train: target must be a column of {csv}, which has {', '.join(table)}, but is {target}")
        if unknown := [column for column in drop if column not in table]:
            raise ValueError(f"train: drop must be columns of {csv}, which has {', '.join(table)}, but has {unknown}")
    if table is None:
        return _digits(name, build(), seed, output, progress)
    train_rows, test_rows = train_test_split(len(table), HELD_OUT, generator=_generator(seed))
    train_table, test_table = table.take(train_rows), table.take(test_rows)

    def make(rows: Table) -> TableModel:
        return TableModel(target, TableTransform.of(rows, [target, *drop]), build(), recipe.log_target)

    if recipe.log_target:

        def error_of(train, test) -> float:
            rows = train_table.take(train)
            return make(rows).fit(rows).log_rmse(train_table.take(test))

        errors = cross_validate(error_of, KFold(folds, generator=_generator(seed)), train_table)
        print(f"{folds} folds of {len(train_table)} rows: log-RMSE {errors.mean().item():.4f}, "
              f"from {errors.min().item():.4f} to {errors.max().item():.4f}")  # fmt: skip
    model = make(train_table)
    seconds = _fit(name, model, model.estimator, len(train_table), progress, seed, train_table)
    score = model.log_rmse(test_table) if recipe.log_target else model.score(test_table)
    told = (
        f"{100 * score:.2f}% of the {len(test_table)} held-out rows are right"
        if isinstance(model.estimator, Classifier)
        else f"{'log-RMSE' if recipe.log_target else 'R2'} {score:.4f} on the {len(test_table)} held-out rows"
    )
    print(f"{len(train_table)} rows, {len(model.features.names())} features, {seconds:.1f} s: {told}")
    _save(model, output)
    return model, score


def _digits(name: str, model: Estimator, seed: int, output: str | None, progress: bool):
    x, y = digits()
    x = x.flatten(1)
    train, test = train_test_split(y, HELD_OUT, stratify=True, generator=_generator(seed))
    seconds = _fit(name, model, model, len(train), progress, seed, x[train], y[train])
    score = model.score(x[test], y[test])
    print(f"{len(train)} digits, {seconds:.1f} s: {100 * score:.2f}% of the {len(test)} held-out digits are right")
    _save(model, output)
    return model, score


def _fit(name: str, model, estimator: Estimator, items: int, progress: bool, seed: int, *data) -> float:
    """The seconds that it took."""
    start = time.perf_counter()
    if not RECIPES[name].by_batches:
        model.fit(*data)
    else:
        with progress_bar(estimator.batches(items), name, progress) as bar:
            model.fit(*data, generator=_generator(seed), on_batch=bar.update)
    return time.perf_counter() - start


def _save(model: Estimator | TableModel, output: str | None) -> None:
    if output is not None:
        classic.save_model(model, output)
        print(f"saved {output}")


def _generator(seed: int):
    return _core.Generator().manual_seed(seed)


def _kind(recipe: Recipe) -> type[Estimator]:
    return recipe.build.func if isinstance(recipe.build, partial) else recipe.build
