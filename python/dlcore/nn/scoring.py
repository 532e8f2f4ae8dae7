"""Scoring functions: how well a query and a key fit together, and the softmax over the keys that count."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from .._tensor import finfo
from .attention import KeyPadding, attention
from .dropout import Dropout
from .linear import Linear
from .module import Module


def _inside(name: str, shape: tuple[int, ...], valid_lengths: Tensor) -> Tensor:
    """Which scores of this shape count, bool, (N, 1 ..., 1 or queries, keys)."""
    if not isinstance(valid_lengths, Tensor) or valid_lengths.is_floating_point() or valid_lengths.dtype == _core.bool:
        got = valid_lengths.dtype if isinstance(valid_lengths, Tensor) else type(valid_lengths).__name__
        raise TypeError(f"{name}: valid_lengths must be a Tensor of integers, but got {got}")
    expected = [shape[:1]] + ([(shape[0], shape[-2])] if len(shape) > 2 else [])
    if tuple(valid_lengths.shape) not in expected:
        raise ValueError(
            f"{name}: valid_lengths must have shape {' or '.join(map(str, expected))}, but got "
            f"{tuple(valid_lengths.shape)}"
        )
    keys = shape[-1]
    if valid_lengths.numel() and not (valid_lengths.min() >= 0 and valid_lengths.max() <= keys):
        raise ValueError(
            f"{name}: valid_lengths must be in [0, {keys}], but got {valid_lengths.min().item()} to "
            f"{valid_lengths.max().item()}"
        )
    if valid_lengths.dim() == 1:
        valid_lengths = valid_lengths.reshape(-1, *[1] * (len(shape) - 2))
    else:
        valid_lengths = valid_lengths.reshape(shape[0], *[1] * (len(shape) - 3), shape[-2])
    return _core.arange(keys) < valid_lengths.unsqueeze(-1)


def masked_softmax(scores: Tensor, valid_lengths: Tensor | None = None) -> Tensor:
    """softmax over the first valid_lengths elements of the last dimension; zeros beyond them.

        p_ij = exp(s_ij) / sum_{k < l_i} exp(s_ik) for j < l_i, otherwise 0

    A row of length 0 gives zeros, and its gradients are zeros. What lies beyond a row's length is not looked at.

    Args:
        scores: (N, ..., keys), floating point.
        valid_lengths: integers, (N), or (N, queries) where scores are (N, ..., queries, keys); None: all count.

    Returns:
        the shape of scores.

    Raises:
        TypeError: if valid_lengths are no integers, or scores no floating point numbers.
        ValueError: if valid_lengths have another shape or are not in [0, keys].
    """
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        got = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(f"masked_softmax: scores must be a floating point Tensor, but got {got}")
    if scores.dim() < 2:
        raise ValueError(f"masked_softmax: scores must have at least two dimensions, but got {tuple(scores.shape)}")
    if valid_lengths is None:
        return scores.softmax(-1)
    outside = ~_inside("masked_softmax", tuple(scores.shape), valid_lengths)
    # The lowest number rather than -infinity: a row of nothing else has a softmax, which the zeros then replace.
    return scores.masked_fill(outside, finfo(scores.dtype).min).softmax(-1).masked_fill(outside, 0.0)


def _check_operands(name: str, query: Tensor, key: Tensor, value: Tensor, sizes: tuple[int | None, int | None]) -> None:
    for which, x, size in (("query", query, sizes[0]), ("key", key, sizes[1]), ("value", value, None)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: {which} must be a Tensor, but got {type(x).__name__}")
        if x.dim() != 3 or (size is not None and x.shape[-1] != size):
            raise ValueError(
                f"{name}: {which} must have shape (N, {'queries' if x is query else 'keys'}, "
                f"{'features' if size is None else size}), but got {tuple(x.shape)}"
            )
    if query.shape[0] != key.shape[0] or key.shape[:2] != value.shape[:2]:
        raise ValueError(
            f"{name}: query, key and value must have one N, and key and value as many keys, but got "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
        )


class AdditiveAttention(Module):
    """y_i = sum_j p_ij v_j with p_i = masked_softmax(s_i) and s_ij = w_v^T tanh(W_q q_i + W_k k_j).

    Args:
        query_size, key_size: features of queries and keys.
        hidden_size: rows of W_q and W_k.
        dropout: probability with which a weight p_ij is zeroed while training. Default: 0.

    Attributes:
        W_q, W_k: Linear(query_size, hidden_size) and Linear(key_size, hidden_size), without bias.
        w_v: Linear(hidden_size, 1), without bias.

    Shapes: query (N, queries, query_size), key (N, keys, key_size), value (N, keys, E), valid_lengths (N) or
        (N, queries), to (N, queries, E). Cost: queries x keys x hidden_size, in time and memory.

    Raises:
        ValueError: if shapes do not fit together.

    Source: Bahdanau, Cho, Bengio: Neural machine translation by jointly learning to align and translate, 2015.
    """

    def __init__(
        self, query_size: int, key_size: int, hidden_size: int, dropout: float = 0.0, device=None, dtype=None
    ) -> None:
        super().__init__()
        placed = {"bias": False, "device": device, "dtype": dtype}
        for name, size in (("query_size", query_size), ("key_size", key_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"AdditiveAttention: {name} must be a positive int, but got {size!r}")
        self.query_size, self.key_size, self.hidden_size = query_size, key_size, hidden_size
        self.W_q = Linear(query_size, hidden_size, **placed)
        self.W_k = Linear(key_size, hidden_size, **placed)
        self.w_v = Linear(hidden_size, 1, **placed)
        self.dropout = Dropout(dropout)

    def scores(self, query: Tensor, projected: Tensor) -> Tensor:
        """s, (N, queries, keys), of queries and of W_k's results, which a decoder computes once for all its steps."""
        return self.w_v((self.W_q(query).unsqueeze(2) + projected.unsqueeze(1)).tanh()).squeeze(-1)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, valid_lengths: Tensor | None = None) -> Tensor:
        _check_operands("AdditiveAttention", query, key, value, (self.query_size, self.key_size))
        weights = masked_softmax(self.scores(query, self.W_k(key)), valid_lengths)
        return self.dropout(weights) @ value

    def extra_repr(self) -> str:
        return f"{self.query_size}, {self.key_size}, {self.hidden_size}"


class DotProductAttention(Module):
    """y_i = sum_j p_ij v_j with p_i = masked_softmax(s_i) and s_ij = q_i . k_j / sqrt(E).

    Runs in blocks (docs/attention.md); keys beyond a length cost nothing where there is one length for all queries.

    Args:
        dropout: probability with which a weight p_ij is zeroed while training. Default: 0.

    Shapes: query (N, queries, E), key (N, keys, E), value (N, keys, Ev), valid_lengths (N) or (N, queries), to
        (N, queries, Ev).

    Raises:
        ValueError: if shapes do not fit together, or lengths are not in [0, keys].

    Source: Vaswani et al.: Attention is all you need, 2017.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, valid_lengths: Tensor | None = None) -> Tensor:
        size = query.shape[-1] if isinstance(query, Tensor) and query.dim() else None
        _check_operands("DotProductAttention", query, key, value, (size, size))
        heads = [x.unsqueeze(1) for x in (query, key, value)]
        p = self.dropout.p if self.training else 0.0
        if valid_lengths is None:
            return _core.scaled_dot_product_attention(*heads, dropout_p=p).squeeze(1)
        inside = _inside("DotProductAttention", (*query.shape[:2], key.shape[1]), valid_lengths)
        if valid_lengths.dim() == 1:
            return attention(*heads, KeyPadding(valid_lengths), p).squeeze(1)
        return _core.scaled_dot_product_attention(*heads, inside.unsqueeze(1), p).squeeze(1)
