"""Linear models: W x + b, with the loss that makes of it a regression, a softmax regression or an SVM."""

from __future__ import annotations

import numpy as np

from ... import _core
from ..._core import Generator, Tensor
from ...nn import functional as F
from ...nn.parameter import Parameter
from ...transforms import Standardize
from ._estimator import Classifier, Probabilities, Regressor, batches, check_number, check_training, descend


class _Linear:
    """weight (T, F) and bias (T), zeros to begin with, and what is computed of them."""

    def _register(self) -> None:
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)

    def _zeros(self, outputs: int, features: int, dtype) -> None:
        self.weight = Parameter(_core.zeros(outputs, features, dtype=dtype))
        self.bias = Parameter(_core.zeros(outputs, dtype=dtype))

    def _width(self) -> int:
        return self._check_fitted(self.weight).shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """x W^T + b, (N, T)."""
        return F.linear(x, self._check_fitted(self.weight), self.bias)

    def _scores(self, x: Tensor) -> Tensor:
        return self(x.to(self.weight.dtype))

    def batches(self, items: int) -> int:
        """How many `fit` takes for so many items."""
        return self.options["epochs"] * batches(items, self.options["batch_size"])

    def _descend(self, x: Tensor, y: Tensor, generator, on_batch) -> None:
        training = (self.options[name] for name in ("epochs", "batch_size", "lr"))
        descend(self, self.loss, x, y, *training, generator, on_batch)


class LinearRegression(_Linear, Regressor):
    """y = W x + b with the least sum of squares, and ridge:

        sum_i |y_i - W x_i - b|^2 + alpha |W|^2

    The closed form solves it by the singular values of the centred data (where several W are as good, the shortest).
    The gradient descent minimizes the same, divided by N, by batches; features should be standardized for it, as y is.

    Args:
        alpha: of the ridge. Default: 0.
        solver: "exact", the closed form, or "gradient". Default: exact.
        epochs, batch_size, lr: of the gradient descent. Default: 100, 64, 0.05.

    `fit` takes a `generator` for the order of the batches, and `on_batch`, which is called after each.

    Source: Hoerl and Kennard 1970, "Ridge regression".
    """

    def __init__(
        self, alpha: float = 0.0, solver: str = "exact", epochs: int = 100, batch_size: int = 64, lr: float = 0.05
    ) -> None:
        check_number("LinearRegression", "alpha", alpha)
        check_training("LinearRegression", epochs, batch_size, lr)
        if solver not in ("exact", "gradient"):
            raise ValueError(f"LinearRegression: solver must be exact or gradient, but got {solver!r}")
        super().__init__(alpha=alpha, solver=solver, epochs=epochs, batch_size=batch_size, lr=lr)
        self._register()
        self._ridge = 0.0  # set by fit

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean over rows x (N, F), y (N, T) of |y - W x - b|^2, and alpha / N |W|^2 with the N of `fit`."""
        return (self(x) - y).square().sum(1).mean() + self._ridge * self.weight.square().sum()

    def _fit(self, x: Tensor, y: Tensor, generator: Generator | None = None, on_batch=None) -> None:
        x = x.to(y.dtype)
        self._zeros(y.shape[1], x.shape[1], y.dtype)
        self._ridge = self.options["alpha"] / len(x)
        if self.options["solver"] == "gradient":
            scale = Standardize().fit(y)
            self._descend(x, scale(y), generator, on_batch)
            self.weight.data = scale.scale.to(y.dtype).unsqueeze(1) * self.weight.detach()
            self.bias.data = scale.inverse(self.bias.detach().unsqueeze(0)).squeeze(0)
            return
        x_mean, y_mean = x.double().mean(0), y.double().mean(0)
        # The ridge is F rows more: sqrt(alpha) I for x, zeros for y.
        ridge = np.sqrt(self.options["alpha"]) * np.eye(x.shape[1])
        left = np.concatenate([(x.double() - x_mean).numpy(), ridge[: ridge.any() * len(ridge)]])
        right = np.zeros((len(left), y.shape[1]))
        right[: len(x)] = (y.double() - y_mean).numpy()
        weight = _core.from_numpy(np.linalg.lstsq(left, right, rcond=None)[0].T.copy())
        self.weight.data = weight.to(y.dtype)
        self.bias.data = (y_mean - weight @ x_mean).to(y.dtype)


class SoftmaxRegression(_Linear, Probabilities, Classifier):
    """Multinomial logistic regression: probabilities softmax(W x + b), and the mean of their cross entropy,

        -log softmax(W x + b)_y + alpha / 2 |W|^2

    minimized by gradient descent from W = 0.

    Args:
        alpha: of the penalty. Default: 1e-4.
        epochs, batch_size, lr: of the gradient descent. Default: 50, 64, 0.05.

    `fit` takes a `generator` for the order of the batches, and `on_batch`, which is called after each.

    Source: Cox 1958, "The regression analysis of binary sequences"; Bridle 1990 (the softmax).
    """

    def __init__(self, alpha: float = 1e-4, epochs: int = 50, batch_size: int = 64, lr: float = 0.05) -> None:
        check_number(type(self).__name__, "alpha", alpha)
        check_training(type(self).__name__, epochs, batch_size, lr)
        super().__init__(alpha=alpha, epochs=epochs, batch_size=batch_size, lr=lr)
        self._register()

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean over rows x (N, F) with places y (N) of their classes, and the penalty."""
        return F.cross_entropy(self(x), y) + self.options["alpha"] / 2 * self.weight.square().sum()

    def _fit(self, x: Tensor, y: Tensor, generator: Generator | None = None, on_batch=None) -> None:
        self._zeros(len(self.classes), x.shape[1], x.dtype)
        self._descend(x, y, generator, on_batch)


class MulticlassSVM(_Linear, Classifier):
    """The multiclass support vector machine: scores s = W x + b, and the mean of their hinge loss,

        sum_{j != y} max(0, s_j - s_y + margin) + alpha / 2 |W|^2

    minimized by gradient descent from W = 0. With the rows where the maximum is not 0, 1[...], its gradient is

        dL/ds_j = 1[s_j - s_y + margin > 0] for j != y,    dL/ds_y = -sum_{j != y} 1[s_j - s_y + margin > 0]

    Args:
        alpha: of the penalty. Default: 1e-4.
        margin: by which the right score should be larger than others. Default: 1.
        epochs, batch_size, lr: of the gradient descent. Default: 50, 64, 0.02.

    `fit` takes a `generator` for the order of the batches, and `on_batch`, which is called after each.

    Source: Weston and Watkins 1999, "Support vector machines for multi-class pattern recognition".
    """

    def __init__(
        self, alpha: float = 1e-4, margin: float = 1.0, epochs: int = 50, batch_size: int = 64, lr: float = 0.02
    ) -> None:
        check_number(type(self).__name__, "alpha", alpha)
        check_number(type(self).__name__, "margin", margin, positive=True)
        check_training(type(self).__name__, epochs, batch_size, lr)
        super().__init__(alpha=alpha, margin=margin, epochs=epochs, batch_size=batch_size, lr=lr)
        self._register()

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean over rows x (N, F) with places y (N) of their classes, and the penalty."""
        return (
            multiclass_hinge(self(x), y, self.options["margin"])
            + self.options["alpha"] / 2 * self.weight.square().sum()
        )

    def _fit(self, x: Tensor, y: Tensor, generator: Generator | None = None, on_batch=None) -> None:
        self._zeros(len(self.classes), x.shape[1], x.dtype)
        self._descend(x, y, generator, on_batch)


def multiclass_hinge(scores: Tensor, y: Tensor, margin: float = 1.0) -> Tensor:
    """The mean over the rows of sum_{j != y} max(0, s_j - s_y + margin), for scores (N, C) and places y (N) in [0, C):
    `F.multi_margin_loss`, which divides by C, times C."""
    return F.multi_margin_loss(scores, y, margin=margin) * scores.shape[1]
