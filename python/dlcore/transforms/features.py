"""Features: transforms that are fitted on the data to train on, and saved with the model.

    scale = Standardize().fit(train_x)
    model.fit(scale(train_x), train_y)
    model.predict(scale(test_x))

Each is an `nn.Module`: what `fit` finds are buffers, so that its ``state_dict``, alone or within a model's, keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .. import _core, nn
from .._core import Tensor
from .._fitted import Fitted
from ..nn import functional as F


class FeatureTransform(Fitted):
    """Base class. A subclass defines ``fit(x)``, which returns self, ``transform(x)`` and perhaps ``inverse(x)``.

    Shapes: x is (N, F), floating point, with an item in each row; what comes out is (N, F').

    Raises:
        TypeError: for x of another dtype.
        ValueError: for x of another shape; by `fit` if N is 0, by the others unless F is what `fit` saw.
        RuntimeError: when used before `fit`.
    """

    def fit(self, x):
        raise NotImplementedError(f"{type(self).__name__} must define fit")

    def transform(self, x):
        raise NotImplementedError(f"{type(self).__name__} must define transform")

    def inverse(self, x):
        """What `transform` made x of, as far as it can be told."""
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def fit_transform(self, x):
        """`fit`, then `transform`."""
        return self.fit(x).transform(x)

    def forward(self, x):
        return self.transform(x)

    def names(self, names: Sequence[str]) -> list[str]:
        """The names of the features that come out, for the names of those that go in."""
        return list(names)

    def _features(self, x: Tensor, width: int | None = None, finite: bool = True) -> Tensor:
        """x, checked; `width` is the number of features it must have, None where it is to be fitted."""
        name = type(self).__name__
        if not isinstance(x, Tensor) or not x.is_floating_point():
            raise TypeError(f"{name}: x must be a floating point tensor, but got {_what(x)}")
        if x.dim() != 2 or (width is not None and x.shape[1] != width):
            expected = "F" if width is None else width
            raise ValueError(f"{name}: x must have shape (N, {expected}), but got {tuple(x.shape)}")
        if width is None and x.shape[0] == 0:
            raise ValueError(f"{name}: x must have rows to fit, but got shape {tuple(x.shape)}")
        if width is None and finite and not x.isfinite().all():
            raise ValueError(f"{name}: x must be finite to fit, but has NaN or infinity; Impute fills in for NaN")
        return x.detach() if width is None else x


def _what(x) -> str:
    return str(x.dtype) if isinstance(x, Tensor) else type(x).__name__


class _Affine(FeatureTransform):
    """(x - offset) / scale, feature by feature."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self._buffers_to_fit("offset", "scale")

    def transform(self, x: Tensor) -> Tensor:
        """(x - offset) / scale."""
        scale = self._check_fitted(self.scale)
        x = self._features(x, len(scale))
        return (x - self.offset.to(x.dtype)) / scale.to(x.dtype)

    def inverse(self, x: Tensor) -> Tensor:
        """x scale + offset."""
        scale = self._check_fitted(self.scale)
        x = self._features(x, len(scale))
        return x * scale.to(x.dtype) + self.offset.to(x.dtype)


class Standardize(_Affine):
    """z-scores: (x - mean) / std of each feature, with the standard deviation of the population (divided by N).

    A feature that is the same everywhere gets std 1, and so becomes 0.

    Attributes:
        offset, scale: mean and std (F), float64.

    Raises:
        ValueError: by `fit` for NaN and infinity; `Impute` first.
    """

    def fit(self, x: Tensor) -> Standardize:
        x = self._features(x).double()
        variance, self.offset = _core.var_mean(x, 0, correction=0)
        constant = (x == x[:1]).all(0) | (variance == 0)  # rounding may leave a constant a little variance
        self.scale = variance.sqrt().masked_fill(constant, 1.0)
        return self


class MinMax(_Affine):
    """Scales what was fitted to [low, high], feature by feature: low + (x - min) (high - low) / (max - min).

    A feature that is the same everywhere becomes `low`. What lies outside the fitted range goes outside [low, high].

    Args:
        low, high: Default: 0 and 1.

    Raises:
        ValueError: unless low < high; by `fit` for NaN and infinity.
    """

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        if not low < high or not math.isfinite(high - low):
            raise ValueError(f"MinMax: low must be below high, and both finite, but got {low} and {high}")
        super().__init__(low=low, high=high)

    def fit(self, x: Tensor) -> MinMax:
        x = self._features(x).double()
        low, high = self.options["low"], self.options["high"]
        least, most = _core.aminmax(x, dim=0)
        width = (most - least).masked_fill(most == least, high - low)
        self.scale = width / (high - low)
        self.offset = least - low * self.scale
        return self


class Impute(FeatureTransform):
    """Fills in for missing values, which are NaN.

    Args:
        strategy: "mean" or "median" of the feature's values (of an even number, the mean of the two in the middle), or
            "constant". Default: mean.
        fill_value: the constant; also for a feature that has no value at all to fit. Default: 0.
        indicator: append a column for each feature: 1 where its value was missing, 0 elsewhere. Default: False.

    Shapes: (N, F) to (N, F), or (N, 2 F) with indicators.

    `inverse` leaves the values and takes the indicators away; where they are above a half it puts NaN back.
    """

    def __init__(self, strategy: str = "mean", fill_value: float = 0.0, indicator: bool = False) -> None:
        if strategy not in ("mean", "median", "constant"):
            raise ValueError(f"Impute: strategy must be one of mean, median, constant, but got {strategy!r}")
        super().__init__(strategy=strategy, fill_value=float(fill_value), indicator=bool(indicator))
        self._buffers_to_fit("fill")

    def fit(self, x: Tensor) -> Impute:
        x = self._features(x, finite=False).double()
        if x.isinf().any():
            raise ValueError("Impute: x must be finite or NaN, but has infinity")
        missing = x.isnan()
        count = (~missing).sum(0)
        strategy = self.options["strategy"]
        if strategy == "mean":
            fill = x.masked_fill(missing, 0.0).sum(0) / count.clamp(min=1)
        elif strategy == "median":
            ranked = x.sort(0).values  # NaN last
            below, above = ((count + odd - 2).div(2, rounding_mode="floor").clamp(min=0) for odd in (1, 2))
            fill = (ranked.gather(0, below[None]) + ranked.gather(0, above[None])).squeeze(0) / 2
        else:
            fill = _core.zeros(x.shape[1], dtype=x.dtype) + self.options["fill_value"]
        self.fill = fill.masked_fill(count == 0, self.options["fill_value"])
        return self

    def transform(self, x: Tensor) -> Tensor:
        fill = self._check_fitted(self.fill)
        x = self._features(x, len(fill))
        missing = x.isnan()
        filled = x.where(~missing, fill.to(x.dtype))
        return _core.cat([filled, missing.to(x.dtype)], 1) if self.options["indicator"] else filled

    def inverse(self, x: Tensor) -> Tensor:
        width = len(self._check_fitted(self.fill))
        if not self.options["indicator"]:
            return self._features(x, width)
        values, missing = self._features(x, 2 * width).split(width, 1)
        return values.masked_fill(missing > 0.5, math.nan)

    def names(self, names: Sequence[str]) -> list[str]:
        return [*names, *(f"{name} missing" for name in names)] if self.options["indicator"] else list(names)


Category = str | int | None


class OneHot(FeatureTransform):
    """A column for each category: 1 where it is the item's, 0 elsewhere.

    Unlike the others it takes a list of strings, whole numbers or None (or a tensor (N), of which NaN becomes None).
    Categories are in order: numbers, strings, None, which is a category like others if `fit` saw it.

    Args:
        unknown: what becomes of a category that `fit` did not see: "zeros" gives a row of zeros, "error" a ValueError.
            Default: zeros.
        max_categories: keep so many of the most frequent (of equally frequent ones, the first in order); others are
            unknown. None (the default) keeps all.

    Shapes: N items to (N, categories), float32. `inverse` gives the category of the largest column, and None for zeros.

    Attributes:
        categories: in the order of the columns.

    Raises:
        TypeError: for other items.
        ValueError: by `fit` if there are none.
    """

    def __init__(self, unknown: str = "zeros", max_categories: int | None = None) -> None:
        if unknown not in ("zeros", "error"):
            raise ValueError(f"OneHot: unknown must be zeros or error, but got {unknown!r}")
        if max_categories is not None and (not isinstance(max_categories, int) or max_categories < 1):
            raise ValueError(f"OneHot: max_categories must be None or a positive int, but got {max_categories!r}")
        if max_categories is not None and unknown == "error":
            raise ValueError("OneHot: max_categories makes rare categories unknown; unknown must then be zeros")
        super().__init__(unknown=unknown, max_categories=max_categories)
        self.categories: list[Category] | None = None

    def get_extra_state(self) -> list[Category] | None:
        return self.categories

    def set_extra_state(self, state: list[Category] | None) -> None:
        self.categories = None if state is None else [*categories_of(state)]

    def fit(self, x: Iterable[Category] | Tensor) -> OneHot:
        counts: dict[Category, int] = {}
        for value in categories_of(x):
            counts[value] = counts.get(value, 0) + 1
        if not counts:
            raise ValueError("OneHot: x must have items to fit, but has none")
        kept = sorted(counts, key=category_order)
        most = self.options["max_categories"]
        if most is not None:
            kept = sorted(sorted(kept, key=lambda value: -counts[value])[:most], key=category_order)
        self.categories = kept
        return self

    def transform(self, x: Iterable[Category] | Tensor) -> Tensor:
        categories = self._check_fitted(self.categories)
        numbers = {value: i for i, value in enumerate(categories)}
        other = len(categories)
        places = []
        for row, value in enumerate(categories_of(x)):
            place = numbers.get(value, other)
            if place == other and self.options["unknown"] == "error":
                raise ValueError(
                    f"OneHot: item {row} must be one of the {other} categories that fit saw, but is {value!r}"
                )
            places.append(place)
        return F.one_hot(_core.tensor(places, dtype=_core.int64), other + 1)[:, :other].to(_core.float32)

    def inverse(self, x: Tensor) -> list[Category]:
        categories = self._check_fitted(self.categories)
        largest, places = self._features(x, len(categories)).max(1)
        return [categories[i] if top > 0 else None for top, i in zip(largest.tolist(), places.tolist())]

    def names(self, names: Sequence[str]) -> list[str]:
        return [f"{name}={value}" for name in names for value in self._check_fitted(self.categories)]


def categories_of(x: Iterable[Category] | Tensor) -> Iterable[Category]:
    """The items of a column of categories: of a tensor (N) as whole numbers, with None for NaN."""
    if isinstance(x, Tensor):
        if x.dim() != 1:
            raise ValueError(f"OneHot: a tensor of categories must have shape (N), but got {tuple(x.shape)}")
        x = [None if value != value else int(value) if value % 1 == 0 else value for value in x.tolist()]
        if fraction := next((value for value in x if isinstance(value, float)), None):
            raise ValueError(f"OneHot: categories must be whole numbers, but got {fraction}")
    elif isinstance(x, (str, bytes)):
        raise TypeError(f"OneHot: x must be a list of categories, but got {type(x).__name__}")
    for value in x:
        if not (value is None or isinstance(value, (str, int))):
            raise TypeError(f"OneHot: categories must be strings, whole numbers or None, but got {value!r}")
        yield value


def category_order(value: Category):
    """The key by which categories are in order: numbers, strings, None."""
    return (2,) if value is None else (1, value) if isinstance(value, str) else (0, value)


class Pipeline(FeatureTransform):
    """Transforms one after the other; `fit` fits each on what those before make of x.

    Args:
        steps: at least one.
    """

    def __init__(self, steps: Sequence[FeatureTransform]) -> None:
        steps = list(steps)
        if not steps or not all(isinstance(step, FeatureTransform) for step in steps):
            raise TypeError(f"Pipeline: steps must be transforms of features, but got {[*map(_what, steps)]}")
        super().__init__(steps=steps)
        self.steps = nn.ModuleList(steps)

    def fit(self, x) -> Pipeline:
        self.fit_transform(x)
        return self

    def fit_transform(self, x):
        for step in self.steps:
            x = step.fit_transform(x)
        return x

    def transform(self, x):
        for step in self.steps:
            x = step.transform(x)
        return x

    def inverse(self, x):
        for step in reversed(self.steps):
            x = step.inverse(x)
        return x

    def names(self, names: Sequence[str]) -> list[str]:
        for step in self.steps:
            names = step.names(names)
        return list(names)
