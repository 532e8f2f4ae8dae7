"""Attention to a short summary of keys and values.

    y = softmax(scale query key'^T) value'

In `linformer_attention` key' and value' are R learned sums over the whole sequence; in `memory_compressed_attention` a
learned map of each `factor` tokens that follow one another. For L queries, S keys, D columns of queries, E of values:

    Linformer   time O(S R (D + E) + L R (D + E))                           memory O(L + R (D + E)) beyond the operands
    compressed  time O(S (D^2 + E^2) + L S / factor (D + E)), causal half   memory O(L + S (D + E) / factor), causal L D
"""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from ._operands import check_count, check_dropout, check_scale, check_shape, prepared
from .attention import KeyPadding
from .module import Module
from .parameter import Parameter


def linformer_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_projection: Tensor,
    value_projection: Tensor | None = None,
    *,
    scale: float | None = None,
    dropout_p: float = 0.0,
    key_padding_mask: Tensor | KeyPadding | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale query (E key)^T) (F value): every query attends to the same R sums over the sequence.

    There is no causal form, because each of the sums holds all tokens. Cost: above.

    Args:
        key_projection: E, (R, S) for all heads, or (heads, R, S).
        value_projection: F, the same. Default: E.
        scale: Default: 1 / sqrt(D).
        dropout_p: probability with which a weight is zeroed. Default: 0.
        key_padding_mask: True for keys that no query attends to, (..., S) without the heads of key, bool, or for
            (N, heads, S, D) `attention.KeyPadding`. Default: none.
        enable_gqa: key and value may have fewer heads than query, a divisor. Default: False.

    Shapes: query (..., heads, L, D), key (..., heads, S, D), value (..., heads, S, E) to (..., heads, L, E).

    Raises:
        RuntimeError: if shapes or dtypes do not fit together.
        ValueError: if scale is not positive, or dropout_p not in [0, 1).

    Source: Wang, Li, Khabsa, Fang, Ma: Linformer: self-attention with linear complexity, 2020.
    """
    name = "linformer_attention"
    key, value, _ = prepared(name, query, key, value, key_padding_mask, enable_gqa, dims=3)
    check_dropout(name, dropout_p)
    scale = check_scale(name, scale, query.shape[-1])
    value_projection = key_projection if value_projection is None else value_projection
    heads, length = key.shape[-3:-1]
    check_shape(name, "key_projection", key_projection, None, length, heads)
    check_shape(name, "value_projection", value_projection, key_projection.shape[-2], length, heads)
    key, value = key_projection @ key, value_projection @ value
    return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout_p, scale=scale)


def memory_compressed_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_weight: Tensor,
    value_weight: Tensor,
    key_bias: Tensor | None = None,
    value_bias: Tensor | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    dropout_p: float = 0.0,
    key_padding_mask: Tensor | KeyPadding | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention to convolved keys and values, of kernel and stride `factor`, so that there are S / factor of them.

        key'_b = sum_t key_(b factor + t) W_t + bias      t = 0 ... factor - 1; W_t: rows t D ... t D + D - 1 of W

    A last block that is cut short is filled with zeros. Causal: query i attends to the blocks whose tokens all are at i
    or before, so the first factor - 1 queries attend to none and give zeros. Cost: above.

    Args:
        key_weight, value_weight: (factor D, D) and (factor E, E), for all heads, or (heads, ...).
        key_bias, value_bias: (1, D) and (1, E), for all heads, or (heads, ...). Default: none.
        causal, scale, dropout_p: as elsewhere; scale is by default 1 / sqrt(D).
        key_padding_mask, enable_gqa: as in linformer_attention. Padding is zeros; blocks of padding alone are masked.

    Shapes: query (..., heads, L, D), key (..., heads, S, D), value (..., heads, S, E) to (..., heads, L, E); L = S if
    causal.

    Raises:
        RuntimeError: if shapes or dtypes do not fit together.
        ValueError: if scale is not positive, or dropout_p not in [0, 1).

    Source: Liu, Saleh, Pot, Goodrich, Sepassi, Kaiser, Shazeer: Generating Wikipedia by summarizing long sequences,
    2018.
    """
    name = "memory_compressed_attention"
    key, value, padding = prepared(name, query, key, value, key_padding_mask, enable_gqa, dims=3, same=causal)
    check_dropout(name, dropout_p)
    scale = check_scale(name, scale, query.shape[-1])
    heads, depth, width = query.shape[-3], query.shape[-1], value.shape[-1]
    check_shape(name, "key_weight", key_weight, None, depth, heads)
    factor = max(1, key_weight.shape[-2] // max(depth, 1))
    check_shape(name, "key_weight", key_weight, factor * depth, depth, heads)
    check_shape(name, "value_weight", value_weight, factor * width, width, heads)
    for argument, bias, columns in (("key_bias", key_bias, depth), ("value_bias", value_bias, width)):
        if bias is not None:
            check_shape(name, argument, bias, 1, columns, heads)
    key = _compressed(key, key_weight, key_bias, factor)
    value = _compressed(value, value_weight, value_bias, factor)
    inside = None if padding is None else ~_empty_blocks(padding, factor).unsqueeze(-2)  # (..., 1, 1, S / factor)
    if not causal:
        return F.scaled_dot_product_attention(query, key, value, inside, dropout_p, scale=scale)
    # Queries factor - 1 + a factor + r, for all r, attend to blocks 0 ... a: for each r plain causal attention.
    blocks = query.shape[-2] // factor
    late = query[..., factor - 1 :, :]
    rows = F.pad(late, (0, 0, 0, blocks * factor - late.shape[-2])).unflatten(-2, (blocks, factor)).transpose(-2, -3)
    key, value = (x[..., :blocks, :].unsqueeze(-3).expand(*rows.shape[:-2], -1, -1) for x in (key, value))
    if inside is not None:
        inside = inside[..., :blocks].unsqueeze(-3) & _core.ones(blocks, blocks, dtype=_core.bool).tril()
    y = F.scaled_dot_product_attention(rows, key, value, inside, dropout_p, is_causal=inside is None, scale=scale)
    y = y.transpose(-2, -3).flatten(-3, -2)[..., : late.shape[-2], :]
    return F.pad(y, (0, 0, query.shape[-2] - y.shape[-2], 0))


def _compressed(x: Tensor, weight: Tensor, bias: Tensor | None, factor: int) -> Tensor:
    """Blocks of factor tokens, each as one row, times weight."""
    x = F.pad(x, (0, 0, 0, -x.shape[-2] % factor))
    y = x.unflatten(-2, (-1, factor)).flatten(-2) @ weight
    return y if bias is None else y + bias


def _empty_blocks(padding: Tensor, factor: int) -> Tensor:
    """Which blocks of factor tokens are padding alone, (..., S) to (..., S / factor)."""
    return F.pad(padding, (0, -padding.shape[-1] % factor), value=True).unflatten(-1, (-1, factor)).all(-1)


class LinformerAttention(Module):
    """`linformer_attention` with its projections: called with query, key, value, of as many or fewer heads, and
    key_padding_mask.

    Args:
        length: the most keys; of fewer, the projections' first columns are taken.
        rank: sums, R.
        num_heads: heads with projections of their own; 1: all heads share them. Default: 1.
        shared: values take the keys' projection. Default: False.
        scale: Default: 1 / sqrt(D).
        dropout: probability with which a weight is zeroed while training. Default: 0.
        device, dtype: those of the parameters.

    Attributes:
        key_projection: (num_heads, rank, length), U(-a, a) with a = sqrt(6 / (rank + length)).
        value_projection: the same, or None where shared.
    """

    def __init__(
        self,
        length: int,
        rank: int,
        num_heads: int = 1,
        shared: bool = False,
        scale: float | None = None,
        dropout: float = 0.0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        for argument, count in (("length", length), ("rank", rank), ("num_heads", num_heads)):
            check_count("LinformerAttention", argument, count)
        check_scale("LinformerAttention", scale, 1)
        check_dropout("LinformerAttention", dropout)
        self.length, self.rank, self.num_heads, self.scale, self.dropout = length, rank, num_heads, scale, dropout

        def projection():
            return Parameter(_core.empty(num_heads, rank, length, device=device, dtype=dtype))

        self.key_projection = projection()
        self.value_projection = None if shared else projection()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the projections anew."""
        bound = (6 / (self.rank + self.length)) ** 0.5
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | KeyPadding | None = None
    ) -> Tensor:
        key, value, _ = prepared("LinformerAttention", query, key, value, key_padding_mask, True, dims=3)
        keys = key.shape[-2]
        if keys > self.length:
            raise RuntimeError(f"LinformerAttention: key must have at most {self.length} tokens; got {keys}")
        e, f = (w if w is None else w[..., :keys] for w in (self.key_projection, self.value_projection))
        dropout = self.dropout if self.training else 0.0
        return linformer_attention(query, key, value, e, f, scale=self.scale, dropout_p=dropout)

    def extra_repr(self) -> str:
        shared = self.value_projection is None
        return f"{self.length}, {self.rank}, num_heads={self.num_heads}, shared={shared}"


class MemoryCompressedAttention(Module):
    """`memory_compressed_attention` with its convolutions: called as `LinformerAttention`.

    Args:
        num_heads: each has convolutions of its own.
        head_dim: features of queries, keys and values, D.
        factor: tokens to a block. Default: 3.
        causal: query i attends to blocks that end at i or before. Default: False.
        bias: whether the convolutions have one. Default: True.
        scale: Default: 1 / sqrt(D).
        dropout: probability with which a weight is zeroed while training. Default: 0.
        device, dtype: those of the parameters.

    Attributes:
        key_weight, value_weight: (num_heads, factor head_dim, head_dim), U(-a, a) with a = 1 / sqrt(factor head_dim).
        key_bias, value_bias: (num_heads, 1, head_dim), the same, or None.
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int,
        factor: int = 3,
        causal: bool = False,
        bias: bool = True,
        scale: float | None = None,
        dropout: float = 0.0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        for argument, count in (("num_heads", num_heads), ("head_dim", head_dim), ("factor", factor)):
            check_count("MemoryCompressedAttention", argument, count)
        check_scale("MemoryCompressedAttention", scale, head_dim)
        check_dropout("MemoryCompressedAttention", dropout)
        self.num_heads, self.head_dim, self.factor, self.causal = num_heads, head_dim, factor, causal
        self.scale, self.dropout = scale, dropout

        def parameter(rows):
            return Parameter(_core.empty(num_heads, rows, head_dim, device=device, dtype=dtype))

        self.key_weight, self.value_weight = parameter(factor * head_dim), parameter(factor * head_dim)
        self.key_bias, self.value_bias = (parameter(1), parameter(1)) if bias else (None, None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases anew, as a convolution's."""
        bound = (self.factor * self.head_dim) ** -0.5
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | KeyPadding | None = None
    ) -> Tensor:
        return memory_compressed_attention(
            query,
            key,
            value,
            self.key_weight,
            self.value_weight,
            self.key_bias,
            self.value_bias,
            causal=self.causal,
            scale=self.scale,
            dropout_p=self.dropout if self.training else 0.0,
            key_padding_mask=key_padding_mask,
            enable_gqa=True,
        )

    def extra_repr(self) -> str:
        return f"{self.num_heads}, {self.head_dim}, factor={self.factor}, causal={self.causal}"
