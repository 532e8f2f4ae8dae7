"""Positions of tokens: added to their features, or turning queries and keys."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from . import init
from .dropout import Dropout
from .module import Module
from .parameter import Parameter


def _check_size(kind: str, name: str, value: int, multiple: int = 1) -> None:
    if value <= 0 or value % multiple:
        what = "positive" if multiple == 1 else "positive and even"
        raise ValueError(f"{kind}: {name} must be {what}, but got {value}")


def _frequencies(features: int, base: float) -> Tensor:
    """base^(-2i / features) for each pair i of features."""
    return base ** (_core.arange(0, features, 2, dtype=_core.float64) / -features)


class _Added(Module):
    """y = dropout(x + table[offset : offset + S]); the table is (max_len, d_model)."""

    def __init__(self, d_model: int, max_len: int, dropout: float, batch_first: bool) -> None:
        super().__init__()
        _check_size(type(self).__name__, "d_model", d_model)
        _check_size(type(self).__name__, "max_len", max_len)
        self.d_model, self.max_len, self.batch_first = d_model, max_len, batch_first
        self.dropout = Dropout(dropout)

    def forward(self, input: Tensor, offset: int = 0) -> Tensor:
        """The input with the encoding of positions offset, offset + 1, ... added, and dropout."""
        kind = type(self).__name__
        if input.dim() not in (2, 3) or input.shape[-1] != self.d_model:
            raise RuntimeError(
                f"{kind}: input must be 2-D or 3-D with {self.d_model} features, but got shape {tuple(input.shape)}"
            )
        turned = input.dim() == 3 and not self.batch_first  # (S, N, E)
        length = input.shape[0 if turned else -2]
        if offset < 0 or offset + length > self.max_len:
            raise ValueError(
                f"{kind}: positions must be in [0, {self.max_len}), but got {length} of them from offset {offset}"
            )
        rows = self.weight[offset : offset + length].to(input.dtype)
        return self.dropout(input + (rows.unsqueeze(1) if turned else rows))

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_len={self.max_len}, batch_first={self.batch_first}"


class SinusoidalPositionalEncoding(_Added):
    """y_t = dropout(x_t + p_t), where p_t,2i = sin(t / 10000^(2i / d_model)), p_t,2i+1 = cos(t / 10000^(2i / d_model)).

    Args:
        d_model: features.
        max_len: how many positions there are. Default: 5000.
        dropout: probability with which an element of the sum is zeroed while training. Default: 0.1.
        batch_first: input is (N, S, E) rather than (S, N, E). Default: False.
        device, dtype: those of the table.

    Attributes:
        weight: the table p, (max_len, d_model), a buffer that is not in the state.

    Shapes: (S, N, E), or (S, E), to the same. `forward(input, offset)`: the first token is at position offset.

    Raises:
        ValueError: for positions beyond max_len.

    Source: Vaswani et al.: Attention is all you need, 2017.
    """

    def __init__(
        self,
        d_model: int,
        max_len: int = 5000,
        dropout: float = 0.1,
        batch_first: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(d_model, max_len, dropout, batch_first)
        angles = _core.arange(max_len, dtype=_core.float64).unsqueeze(1) * _frequencies(d_model, 10000.0)
        table = _core.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :d_model]
        dtype = _core.get_default_dtype() if dtype is None else dtype
        self.register_buffer("weight", table.to(dtype).contiguous(), persistent=False)
        if device is not None:
            self.to(device)


class LearnedPositionalEncoding(_Added):
    """y_t = dropout(x_t + weight_t), with a learned row for each position.

    Args:
        d_model: features.
        max_len: how many positions there are. Default: 512.
        dropout: probability with which an element of the sum is zeroed while training. Default: 0.1.
        batch_first: input is (N, S, E) rather than (S, N, E). Default: False.
        device, dtype: those of the table.

    Attributes:
        weight: (max_len, d_model), from N(0, 0.02^2).

    Shapes: (S, N, E), or (S, E), to the same. `forward(input, offset)`: the first token is at position offset.

    Raises:
        ValueError: for positions beyond max_len.

    Source: Gehring et al.: Convolutional sequence to sequence learning, 2017; Devlin et al.: BERT, 2019.
    """

    def __init__(
        self,
        d_model: int,
        max_len: int = 512,
        dropout: float = 0.1,
        batch_first: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(d_model, max_len, dropout, batch_first)
        self.weight = Parameter(_core.empty(max_len, d_model, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight, std=0.02)


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = True) -> Tensor:
    """Turn pairs of features: (a, b) to (a cos - b sin, a sin + b cos).

    Args:
        x: (..., S, D).
        cos, sin: of the angle of each token and pair, (S, D / 2).
        interleaved: pairs are features 2i and 2i + 1, as in the source; else i and i + D / 2.

    Returns:
        (..., S, D).

    Raises:
        RuntimeError: if the sizes do not fit together.

    Source: Su et al.: RoFormer: Enhanced Transformer with rotary position embedding, 2021, formula 34.
    """
    if x.dim() < 2 or tuple(cos.shape) != tuple(sin.shape) or x.shape[-1] != 2 * cos.shape[-1]:
        raise RuntimeError(
            f"apply_rotary: x must have two features for each angle, but got shapes {tuple(x.shape)}, "
            f"{tuple(cos.shape)} and {tuple(sin.shape)}"
        )
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1) if interleaved else x.chunk(2, -1)
    turned = [a * cos - b * sin, a * sin + b * cos]
    return _core.stack(turned, -1).flatten(-2) if interleaved else _core.cat(turned, -1)


class RotaryEmbedding(Module):
    """Turns pair i of the features of the query and of the key at position t by the angle t base^(-2i / dim).

    So the product of a query at t and a key at s depends on t - s alone:

        (R_t q) . (R_s k) = (R_(t-s) q) . k

    Args:
        dim: features of a head, even.
        base: Default: 10000.
        interleaved: pairs are features 2i and 2i + 1, as in the source; else i and i + dim / 2. Default: True.

    Shapes: query (..., L, dim) and key (..., S, dim) to the same. `forward(query, key, offset)`: both begin at
        position offset.

    Source: Su et al.: RoFormer: Enhanced Transformer with rotary position embedding, 2021.
    """

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = True) -> None:
        super().__init__()
        _check_size("RotaryEmbedding", "dim", dim, 2)
        if not base > 0:
            raise ValueError(f"RotaryEmbedding: base must be positive, but got {base}")
        self.dim, self.base, self.interleaved = dim, base, interleaved
        self._tables = self._turns(0)

    def _turns(self, length: int) -> tuple[Tensor, Tensor]:
        """cos and sin of the angles of positions 0 ... length - 1, in float64: positions may be large."""
        angles = _core.arange(length, dtype=_core.float64).unsqueeze(1) * _frequencies(self.dim, self.base)
        return angles.cos(), angles.sin()

    def forward(self, query: Tensor, key: Tensor, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Both turned, the first token of each as at position offset."""
        for name, x in (("query", query), ("key", key)):
            if x.dim() < 2 or x.shape[-1] != self.dim:
                raise RuntimeError(
                    f"RotaryEmbedding: {name} must have shape (..., tokens, {self.dim}), but got {tuple(x.shape)}"
                )
        if offset < 0:
            raise ValueError(f"RotaryEmbedding: offset must not be negative, but got {offset}")
        end = offset + max(query.shape[-2], key.shape[-2])
        if end > len(self._tables[0]):
            self._tables = self._turns(max(end, 2 * len(self._tables[0])))

        def turned(x):
            cos, sin = (t[offset : offset + x.shape[-2]].to(x.dtype) for t in self._tables)
            return apply_rotary(x, cos, sin, self.interleaved)

        return turned(query), turned(key)

    def extra_repr(self) -> str:
        return f"{self.dim}, base={self.base}, interleaved={self.interleaved}"
