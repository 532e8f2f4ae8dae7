"""A model of a table: what its columns become features by, an estimator, and what is predicted."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor
from ..._fitted import Fitted
from ...datasets.table import Column, Table
from ...metrics.functional import r2_score
from ...transforms import TableTransform
from ...transforms.features import Category, categories_of, category_order
from ._estimator import Classifier, Estimator, Regressor


class TableModel(Fitted):
    """Predicts a column of a `datasets.Table` from others.

        features = TableTransform.of(train, drop=["price"])
        model = TableModel("price", features, LinearRegression(alpha=1.0), log_target=True)
        model.fit(train).score(test)

    Args:
        target: the column.
        features: of the other columns; `fit` fits them, too.
        estimator: a regressor, for a column of numbers, or a classifier, for one of categories or whole numbers.
        log_target: learn the logarithm of the target, which must be positive: errors then count in proportion.
            Default: False.

    Raises:
        TypeError: for a log_target of a classifier, or features and estimators of other kinds.
        ValueError: if the target is among the features; by a table whose target is missing somewhere, is not of the
            kind that the estimator predicts, or is not positive where its logarithm is taken.
    """

    def __init__(self, target: str, features: TableTransform, estimator: Estimator, log_target: bool = False) -> None:
        if not isinstance(features, TableTransform) or not isinstance(estimator, Estimator):
            raise TypeError(
                "TableModel: features must be a TableTransform, and estimator an estimator, but got "
                f"{type(features).__name__} and {type(estimator).__name__}"
            )
        if log_target and not isinstance(estimator, Regressor):
            raise TypeError("TableModel: log_target is for regressors")
        if target in features.columns:
            raise ValueError(f"TableModel: target {target!r} must not be among the features")
        super().__init__(target=target, features=features, estimator=estimator, log_target=bool(log_target))
        self.features, self.estimator = features, estimator
        self.classes: list[Category] | None = None

    def get_extra_state(self) -> list[Category] | None:
        return self.classes

    def set_extra_state(self, state: list[Category] | None) -> None:
        self.classes = state

    def fit(self, table: Table, **how) -> TableModel:
        """Learn from a table, with what else the estimator's ``fit`` takes."""
        column = table[self.options["target"]]
        if isinstance(self.estimator, Classifier):
            self.classes = sorted({*categories_of(column)}, key=category_order)
            if None in self.classes:
                raise ValueError(f"TableModel: target {self.options['target']!r} must not be missing in any row")
            places = {value: i for i, value in enumerate(self.classes)}
            y = _core.tensor([places[value] for value in categories_of(column)])
        else:
            y = self._numbers(column)
        self.estimator.fit(self.features.fit_transform(table), y, **how)
        return self

    def predict(self, table: Table) -> Tensor | list[Category]:
        """The target of each row: a tensor (N), or a list of the categories."""
        found = self.estimator.predict(self.features(table))
        if isinstance(self.estimator, Classifier):
            return [self.classes[i] for i in found.tolist()]
        return found.exp() if self.options["log_target"] else found

    def score(self, table: Table) -> float:
        """The share of the rows that are right, or R2."""
        column, found = table[self.options["target"]], self.predict(table)
        if isinstance(self.estimator, Classifier):
            return sum(a == b for a, b in zip(found, categories_of(column))) / max(1, len(table))
        y = self._numbers(column)
        return r2_score(found, y.exp() if self.options["log_target"] else y).item()

    def log_rmse(self, table: Table) -> float:
        """The root of the mean of (log y - log prediction)^2, of a model with `log_target`."""
        if not self.options["log_target"]:
            raise RuntimeError("TableModel: log_rmse is of a model with log_target=True")
        y = self._numbers(table[self.options["target"]])
        return (self.estimator.predict(self.features(table)) - y).double().square().mean().sqrt().item()

    def _numbers(self, column: Column) -> Tensor:
        """The numbers that a regressor learns, float32."""
        name = self.options["target"]
        if not isinstance(column, Tensor):
            raise ValueError(
                f"TableModel: target {name!r} must be of numbers, but has categories, such as {column[:3]}"
            )
        y = column.double()
        if not y.isfinite().all():
            raise ValueError(f"TableModel: target {name!r} must be finite and not missing in any row")
        if self.options["log_target"]:
            if not (y > 0).all():
                raise ValueError(
                    f"TableModel: target {name!r} must be positive for log_target, but has {y.min().item()}"
                )
            y = y.log()
        return y.float()
