"""A policy network for the game of Go."""

from __future__ import annotations

from ... import nn
from ..._core import Tensor
from ._network import Network, initialize


class GoPolicy(Network):
    """Which move an expert would play: a 5x5 convolution, `layers` - 2 convolutions of 3x3 that keep the board's size
    (nothing is pooled: a move is a point), a 1x1 convolution to one score a point, and a bias for each point.

    Args:
        planes: planes that describe the position (own stones, the opponent's, liberties, ...). Default: 11.
        channels: channels of the hidden layers. Default: 64.
        layers: how many convolutions, at least 2. Default: 12.
        board_size: points on a side. Default: 19.

    Shapes: boards (N, planes, board_size, board_size) and, if given, legal (N, points), (points) or
        (..., board_size, board_size) bool, to (N, points), the logarithms of the moves' probabilities, points being
        board_size^2, row by row. Illegal moves have probability 0; without `legal` every point is legal.
        The probabilities of a position without any legal move are NaN.

    Raises:
        ValueError: for fewer than 2 layers or another size of board.

    Source: Silver et al. 2016, "Mastering the game of Go with deep neural networks and tree search"; Pumperla and
    Ferguson 2019, "Deep learning and the game of Go".
    """

    def __init__(self, planes: int = 11, channels: int = 64, layers: int = 12, board_size: int = 19) -> None:
        super().__init__()
        if layers < 2:
            raise ValueError(f"GoPolicy: layers must be at least 2, but got {layers}")
        self.board_size = board_size
        body: list[nn.Module] = [nn.Conv2d(planes, channels, 5, padding=2), nn.ReLU(inplace=True)]
        for _ in range(layers - 2):
            body += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*body)
        self.head = nn.Conv2d(channels, 1, 1, bias=False)
        initialize(self)
        self.bias = nn.Parameter(next(self.parameters()).new_zeros(board_size * board_size))

    def forward(self, boards: Tensor, legal: Tensor | None = None) -> Tensor:
        if tuple(boards.shape[-2:]) != (self.board_size, self.board_size):
            raise ValueError(
                f"GoPolicy: boards must have shape (N, planes, {self.board_size}, {self.board_size}), but got "
                f"{tuple(boards.shape)}"
            )
        scores = self.head(self.body(boards)).flatten(1) + self.bias
        if legal is not None:
            if legal.shape[-1] == self.board_size:
                legal = legal.flatten(-2)
            scores = scores.masked_fill(legal.logical_not(), -float("inf"))
        return scores.log_softmax(1)


def go_policy(**options) -> GoPolicy:
    """A `GoPolicy` with these arguments."""
    return GoPolicy(**options)
