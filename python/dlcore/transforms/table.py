"""A table's columns, each by its own transform, side by side."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping, Sequence

from .. import _core, nn
from .._core import Tensor
from ..datasets.table import Table
from .features import FeatureTransform, Impute, OneHot, Pipeline, Standardize


class TableTransform(FeatureTransform):
    """The columns of a `datasets.Table` as features (N, F), float32: each by its own transform, side by side in order.

        features = TableTransform({"age": Pipeline([Impute("median"), Standardize()]), "town": OneHot()})
        x = features.fit_transform(train_table)

    Args:
        columns: the transform of each column that is used, of which it takes a copy. A `OneHot` gets the column as it
            is, others get numbers (N, 1) with NaN where one is missing.

    `inverse` gives a table of the columns.

    Raises:
        TypeError: if one is no transform of features.
        ValueError: if there are none; by a table in which a column is missing or, for a transform of numbers, has
            categories.
    """

    def __init__(self, columns: Mapping[str, FeatureTransform] | Sequence[tuple[str, FeatureTransform]]) -> None:
        columns = dict(columns)
        if not columns:
            raise ValueError("TableTransform: columns must not be empty")
        for name, transform in columns.items():
            if not isinstance(name, str) or not isinstance(transform, FeatureTransform):
                raise TypeError(
                    "TableTransform: columns must map names to transforms of features, but got "
                    f"{name!r}: {type(transform).__name__}"
                )
        super().__init__(columns=[[name, transform] for name, transform in columns.items()])
        self.columns = list(columns)
        self.transforms = nn.ModuleList(copy.deepcopy(transform) for transform in columns.values())

    @classmethod
    def of(cls, table: Table, drop: Collection[str] = (), max_categories: int = 30) -> TableTransform:
        """The usual pipeline, not fitted yet. Numbers: the mean for missing ones, with an indicator where there are
        some, and z-scores. Categories: one-hot, the missing ones being a category; unknown ones are zeros.

        Args:
            table: that to train on.
            drop: columns that are not used, such as the target.
            max_categories: of a column; rarer ones are zeros. Default: 30.
        """
        for name in drop:
            table[name]

        def usual(column) -> FeatureTransform:
            if not isinstance(column, Tensor):
                return OneHot(max_categories=max_categories)
            return Pipeline([Impute(indicator=bool(column.isnan().any())), Standardize()])

        return cls({name: usual(table[name]) for name in table if name not in drop})

    def fit(self, table: Table) -> TableTransform:
        for name, transform in zip(self.columns, self.transforms):
            transform.fit(_input(table, name, transform))
        return self

    def transform(self, table: Table) -> Tensor:
        parts = [
            transform.transform(_input(table, name, transform))
            for name, transform in zip(self.columns, self.transforms)
        ]
        return _core.cat([part.to(_core.float32) for part in parts], 1)

    def inverse(self, x: Tensor) -> Table:
        widths = [len(transform.names([name])) for name, transform in zip(self.columns, self.transforms)]
        parts = self._features(x, sum(widths)).split(widths, 1)
        columns = {}
        for name, transform, part in zip(self.columns, self.transforms, parts):
            column = transform.inverse(part)
            columns[name] = column.squeeze(1) if isinstance(column, Tensor) else column
        return Table(columns)

    def names(self, names: Sequence[str] = ()) -> list[str]:
        """The names of the features: "age", "age missing", "town=Oslo", ..."""
        return [
            feature for name, transform in zip(self.columns, self.transforms) for feature in transform.names([name])
        ]


def _input(table: Table, name: str, transform: FeatureTransform):
    """A column in the form that its transform takes."""
    if not isinstance(table, Table):
        raise TypeError(f"TableTransform: must be called with a Table, but got {type(table).__name__}")
    if name not in table:
        raise ValueError(f"TableTransform: the table must have a column {name!r}; it has {', '.join(table)}")
    column = table[name]
    first = transform.steps[0] if isinstance(transform, Pipeline) else transform
    if isinstance(first, OneHot):
        return column
    if all(value is None for value in column):
        column = _core.full((len(column),), math.nan)
    if not isinstance(column, Tensor):
        raise ValueError(
            f"TableTransform: column {name!r} must be of numbers, but has categories, such as {column[:3]}"
        )
    return (column if column.is_floating_point() else column.double()).unsqueeze(1)
