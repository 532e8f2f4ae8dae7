"""Multilayer perceptrons."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ... import nn
from ..._core import Generator, Tensor
from ...nn import functional as F
from ...nn.transformer import MOST_LAYERS
from ._estimator import Classifier, Probabilities, Regressor, batches, check_int, check_number, check_training, descend

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


class _Perceptron:
    """`net`: linear layers with activations in between, made when the numbers of features and outputs are known."""

    net: nn.Sequential | None

    def _build(self, features: int, outputs: int, dtype=None) -> None:
        sizes = [features, *self.options["hidden"], outputs]
        layers: list[nn.Module] = []
        for inner, outer in itertools.pairwise(sizes):
            layers += [nn.Linear(inner, outer, dtype=dtype), ACTIVATIONS[self.options["activation"]]()]
            if self.options["dropout"]:
                layers.append(nn.Dropout(self.options["dropout"]))
        last = len(layers) - 1 - next(i for i, layer in enumerate(reversed(layers)) if isinstance(layer, nn.Linear))
        self.net = nn.Sequential(*layers[: last + 1])

    def _load_from_state_dict(self, state_dict, prefix: str, *rest) -> None:
        """Builds the network for the sizes of the first and the last weight, before it is loaded."""
        start = prefix + "net."
        weights = [value for key, value in state_dict.items() if key.startswith(start) and key.endswith(".weight")]
        if weights and all(isinstance(value, Tensor) and value.dim() == 2 for value in weights):
            self._build(weights[0].shape[1], weights[-1].shape[0], weights[0].dtype)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _width(self) -> int:
        return self._check_fitted(self.net)[0].in_features

    def forward(self, x: Tensor) -> Tensor:
        """The outputs (N, T)."""
        return self._check_fitted(self.net)(x)

    def _scores(self, x: Tensor) -> Tensor:
        self.eval()
        return self(x.to(self.net[0].weight.dtype))

    def batches(self, items: int) -> int:
        """How many `fit` takes for so many items."""
        return self.options["epochs"] * batches(items, self.options["batch_size"])

    def _train(self, x: Tensor, y: Tensor, outputs: int, generator, on_batch) -> None:
        self._build(x.shape[1], outputs, x.dtype)
        training = (self.options[name] for name in ("epochs", "batch_size", "lr"))
        descend(self, self.loss, x, y, *training, generator, on_batch)

    def _penalty(self) -> Tensor | float:
        if self.options["alpha"] == 0:
            return 0.0
        weights = (layer.weight for layer in self.net if isinstance(layer, nn.Linear))
        return self.options["alpha"] / 2 * sum(weight.square().sum() for weight in weights)


def _options(kind: str, hidden, activation, dropout, alpha, epochs, batch_size, lr) -> dict:
    hidden = [hidden] if isinstance(hidden, int) else list(hidden)
    if len(hidden) > MOST_LAYERS:
        raise ValueError(f"{kind}: hidden must have at most {MOST_LAYERS} layers, but got {len(hidden)}")
    for size in hidden:
        check_int(kind, "hidden", size)
    if activation not in ACTIVATIONS:
        raise ValueError(f"{kind}: activation must be one of {', '.join(ACTIVATIONS)}, but got {activation!r}")
    check_number(kind, "dropout", dropout)
    if dropout >= 1:
        raise ValueError(f"{kind}: dropout must be below 1, but got {dropout}")
    check_number(kind, "alpha", alpha)
    check_training(kind, epochs, batch_size, lr)
    names = "hidden activation dropout alpha epochs batch_size lr".split()
    return dict(zip(names, (hidden, activation, dropout, alpha, epochs, batch_size, lr)))


class MLPClassifier(_Perceptron, Probabilities, Classifier):
    """A multilayer perceptron with a softmax, trained on the mean cross entropy and alpha / 2 of the weights' squares.

    Args:
        hidden: the sizes of the hidden layers. Default: one of 128.
        activation: "relu", "tanh", "sigmoid" or "gelu". Default: relu.
        dropout: behind each hidden layer. Default: 0.
        alpha: of the penalty. Default: 1e-4.
        epochs, batch_size, lr: of the gradient descent. Default: 30, 64, 3e-3.

    The weights' initial values are drawn from the default generator. `fit` takes a `generator` for the order of the
    batches, and `on_batch`, which is called after each.

    Source: Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors".
    """

    def __init__(
        self,
        hidden: Sequence[int] | int = (128,),
        activation: str = "relu",
        dropout: float = 0.0,
        alpha: float = 1e-4,
        epochs: int = 30,
        batch_size: int = 64,
        lr: float = 3e-3,
    ) -> None:
        kind = type(self).__name__
        super().__init__(**_options(kind, hidden, activation, dropout, alpha, epochs, batch_size, lr))
        self.net = None

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean over rows x (N, F) with places y (N) of their classes, and the penalty."""
        return F.cross_entropy(self(x), y) + self._penalty()

    def _fit(self, x: Tensor, y: Tensor, generator: Generator | None = None, on_batch=None) -> None:
        self._train(x, y, len(self.classes), generator, on_batch)


class MLPRegressor(_Perceptron, Regressor):
    """A multilayer perceptron, trained on the mean squared error of standardized y, and alpha / 2 of the weights'
    squares.

    Args:
        hidden, activation, dropout, alpha: as for `MLPClassifier`.
        epochs, batch_size, lr: of the gradient descent. Default: 100, 64, 3e-3.

    Attributes:
        mean, std: of y, (T): predictions are the outputs times std plus mean.
    """

    def __init__(
        self,
        hidden: Sequence[int] | int = (64,),
        activation: str = "relu",
        dropout: float = 0.0,
        alpha: float = 1e-4,
        epochs: int = 100,
        batch_size: int = 64,
        lr: float = 3e-3,
    ) -> None:
        kind = type(self).__name__
        super().__init__(**_options(kind, hidden, activation, dropout, alpha, epochs, batch_size, lr))
        self._buffers_to_fit("mean", "std")
        self.net = None

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean over rows x (N, F) of the squares of net(x) - (y - mean) / std, and the penalty."""
        return F.mse_loss(self.net(x), (y - self.mean) / self.std) + self._penalty()

    def forward(self, x: Tensor) -> Tensor:
        """The outputs (N, T), in the units of y."""
        return super().forward(x) * self.std + self.mean

    def _fit(self, x: Tensor, y: Tensor, generator: Generator | None = None, on_batch=None) -> None:
        x = x.to(y.dtype)
        self.mean = y.mean(0)
        std = y.std(0, correction=0)
        self.std = std.masked_fill(std == 0, 1.0)
        self._train(x, y, y.shape[1], generator, on_batch)
