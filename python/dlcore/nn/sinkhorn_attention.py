"""Attention of blocks of tokens to themselves and to one other block, in an order that is learned.

For S tokens of D columns and values of as many, blocks of c tokens, forward and backward:

    time    O(S c D + S^2 D / c + (S / c)^2 iterations)
    memory  O(S D + (S / c)^2 iterations), causal O(S c) bytes more for a mask

which is linear until S is beyond some c^2: each block is weighed by all others.
"""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from .._tensor import finfo
from . import functional as F
from . import init
from ._operands import check_count, check_dropout, check_scale, check_shape, prepared
from .attention import KeyPadding
from .module import Module
from .parameter import Parameter

MOST_ITERATIONS = 1000  # a count beyond is a mistake that would run for minutes


def sinkhorn(
    scores: Tensor,
    *,
    iterations: int = 8,
    temperature: float = 1.0,
    gumbel: bool = False,
    causal: bool = False,
    generator: _core.Generator | None = None,
    padding: Tensor | None = None,
) -> Tensor:
    """exp(scores / temperature), columns and rows divided in turn by their sums: nearly a doubly stochastic matrix.

        s_ij = s_ij - log sum_i exp(s_ij),   s_ij = s_ij - log sum_j exp(s_ij),   `iterations` times

    in logarithms; in the end rows add up to 1. As the temperature falls it turns into a permutation. Causal: pairs
    j < i are left, and the sum over i goes over rows 0 ... i only, so that row i depends on no later row; row 0 is 0.

    Args:
        iterations: of columns and rows. Default: 8.
        temperature: Default: 1.
        gumbel: add noise -log(-log(u)), u from U(0, 1), to the scores. Default: False.
        generator: draws the noise. Default: the default one.
        padding: True for blocks that are ordered apart from the others, (..., B), bool. Default: none.

    Shapes: (..., B, B) to the same. Cost: O(B^2 iterations) in time, and in memory for backward.

    Raises:
        RuntimeError: if scores are no square matrices of a floating point dtype.
        ValueError: if iterations or temperature is not positive.

    Source: Tay, Bahri, Yang, Metzler, Juan: Sparse Sinkhorn attention, 2020.
    """
    if not isinstance(scores, Tensor):
        raise TypeError(f"sinkhorn: scores must be a Tensor, but got {type(scores).__name__}")
    if not scores.is_floating_point() or scores.dim() < 2 or scores.shape[-1] != scores.shape[-2]:
        raise RuntimeError(
            f"sinkhorn: scores must be square matrices of a floating point dtype; got {tuple(scores.shape)} of "
            f"{scores.dtype}"
        )
    check_count("sinkhorn", "iterations", iterations, MOST_ITERATIONS)
    if padding is not None and not (
        isinstance(padding, Tensor) and padding.dtype == _core.bool and padding.shape[-1:] == scores.shape[-1:]
    ):
        raise RuntimeError(f"sinkhorn: padding must be bool, with {scores.shape[-1]} blocks in its last dimension")
    if not isinstance(temperature, (int, float)) or not 0 < temperature < float("inf"):
        raise ValueError(f"sinkhorn: temperature must be positive and finite; got {temperature!r}")
    if gumbel:  # -log(-log(u)), for -log(u) is from the exponential distribution
        scores = scores - _core.empty(scores.shape, dtype=scores.dtype).exponential_(generator=generator).log()
    s, never = scores / temperature, finfo(scores.dtype).min / 4
    apart = None if padding is None else padding.unsqueeze(-1) != padding.unsqueeze(-2)
    if not causal:
        s = s if apart is None else s.masked_fill(apart, never)
        for _ in range(iterations):
            s = s.log_softmax(-2).log_softmax(-1)
        return s.exp()
    excluded = _core.ones(*scores.shape[-2:], dtype=_core.bool).triu()
    excluded = excluded if apart is None else excluded | apart
    s = s.masked_fill(excluded, never)
    for _ in range(iterations):
        s = (s - s.logcumsumexp(-2)).masked_fill(excluded, never)
        s = s.log_softmax(-1).masked_fill(excluded, never)
    return s.exp()


def sinkhorn_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    order: Tensor,
    *,
    causal: bool = False,
    scale: float | None = None,
    dropout_p: float = 0.0,
    key_padding_mask: Tensor | KeyPadding | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention of each block of tokens to itself and to one more, sum_t order_st block t.

        y_s = softmax(scale q_s [sum_t order_st k_t; k_s]^T) [sum_t order_st v_t; v_s]      of blocks s and t

    With a permutation as order, that is attention to blocks s and t(s). Causal: order_st counts where t < s, of block s
    itself tokens attend to those at themselves or before, and those of block 0 to nothing else. Cost: above.

    Args:
        order: (B, B), or (..., heads, B, B), as `sinkhorn` gives it; blocks are of S / B tokens.
        causal, scale, dropout_p, key_padding_mask, enable_gqa: as in routing_attention. Keys that are padding are zeros
            in the sums over blocks, and a place of which the sum has nothing but padding is masked.

    Shapes: query (..., heads, S, D), key (..., heads, S, D), value (..., heads, S, E) to (..., heads, S, E).

    Raises:
        RuntimeError: if shapes or dtypes do not fit together, or B does not divide S.
        ValueError: if scale is not positive, or dropout_p not in [0, 1).

    Source: as `sinkhorn`.
    """
    name = "sinkhorn_attention"
    key, value, padding = prepared(name, query, key, value, key_padding_mask, enable_gqa, dims=3, same=True)
    check_dropout(name, dropout_p)
    scale = check_scale(name, scale, query.shape[-1])
    length = query.shape[-2]
    if (
        not isinstance(order, Tensor)
        or order.dtype != query.dtype
        or order.dim() < 2
        or order.shape[-1] != order.shape[-2]
        or not order.shape[-1]
        or length % order.shape[-1]
        or (order.dim() > 2 and order.shape[:-2] != query.shape[:-2])
    ):
        got = f"{tuple(order.shape)} of {order.dtype}" if isinstance(order, Tensor) else type(order).__name__
        raise RuntimeError(
            f"{name}: order must have shape (B, B) or {(*query.shape[:-2], 'B', 'B')}, where B divides {length}, and "
            f"query's dtype; got {got}"
        )
    blocks = order.shape[-1]
    size, mask = length // blocks, None
    if causal:
        order = order.tril(-1)
        other = (_core.arange(blocks) > 0).view(blocks, 1, 1).expand(blocks, size, size)
        mask = _core.cat([other, _core.ones(size, size, dtype=_core.bool).tril().expand(blocks, size, size)], -1)

    def cut(x):
        return x.unflatten(-2, (blocks, size))

    def with_sorted(x):
        x = cut(x)
        return _core.cat([(order @ x.flatten(-2)).unflatten(-1, x.shape[-2:]), x], -2)

    if padding is not None:
        own = (~padding).unflatten(-1, (blocks, size))
        other = order @ own.to(order.dtype) > 0
        inside = _core.cat([other, own.expand(other.shape)], -1).unsqueeze(-2)
        mask = inside if mask is None else mask & inside
    y = F.scaled_dot_product_attention(
        cut(query), with_sorted(key), with_sorted(value), attn_mask=mask, dropout_p=dropout_p, scale=scale
    )
    return y.flatten(-3, -2)


class SinkhornAttention(Module):
    """`sinkhorn_attention` with a learned order: called with query, key, value, of as many or fewer heads, and
    key_padding_mask.

        order = sinkhorn(scores),   scores_st = a_s^T W b_t / sqrt(D)

    where b_t is the mean of block t of the keys, and a_s that of block s of the queries, or in the causal form of
    query 0 up to the first one of block s, of those that are no padding. Blocks of padding are ordered apart. (The
    paper's network has one output for each of a fixed number of blocks; W fits any number.)

    Args:
        num_heads, head_dim: of queries and keys.
        block: tokens to a block; it must divide the length.
        causal: token i attends to tokens 0 ... i. Default: False.
        iterations, temperature: of `sinkhorn`. Default: 8 and 0.75.
        gumbel: add noise to the scores while training. Default: True.
        scale: Default: 1 / sqrt(D).
        dropout: probability with which a weight is zeroed while training. Default: 0.
        device, dtype: those of the parameters.

    Attributes:
        weight: W, (num_heads, head_dim, head_dim), U(-a, a) with a = sqrt(3 / head_dim).
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int,
        block: int,
        causal: bool = False,
        iterations: int = 8,
        temperature: float = 0.75,
        gumbel: bool = True,
        scale: float | None = None,
        dropout: float = 0.0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        name = "SinkhornAttention"
        for argument, count in {"num_heads": num_heads, "head_dim": head_dim, "block": block}.items():
            check_count(name, argument, count)
        check_count(name, "iterations", iterations, MOST_ITERATIONS)
        check_scale(name, scale, head_dim)
        check_dropout(name, dropout)
        if not isinstance(temperature, (int, float)) or not 0 < temperature < float("inf"):
            raise ValueError(f"{name}: temperature must be positive and finite; got {temperature!r}")
        self.block, self.causal, self.scale, self.dropout = block, causal, scale, dropout
        self.iterations, self.temperature, self.gumbel = iterations, temperature, gumbel
        self.weight = Parameter(_core.empty(num_heads, head_dim, head_dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw W anew."""
        bound = (3 / self.weight.shape[-1]) ** 0.5
        init.uniform_(self.weight, -bound, bound)

    def order(self, query: Tensor, key: Tensor, padding: Tensor | None = None) -> Tensor:
        """(..., heads, S / block, S / block); padding (..., 1, S)."""
        heads, depth = self.weight.shape[:2]
        if query.shape[-2] % self.block:
            raise RuntimeError(
                f"SinkhornAttention: query must have a multiple of {self.block} tokens; got {query.shape[-2]}"
            )
        check_shape("SinkhornAttention", "weight", self.weight, query.shape[-1], query.shape[-1], query.shape[-3])
        inside = _core.ones(query.shape[-2], 1, dtype=query.dtype)
        if padding is not None:
            inside = inside.masked_fill(padding.unsqueeze(-1), 0.0)

        def mean(x):
            x, count = ((t * inside).unflatten(-2, (-1, self.block)).sum(-2) for t in (x, inside))
            return x / count.clamp(min=1)

        if self.causal:
            a, count = ((t * inside).cumsum(-2)[..., :: self.block, :] for t in (query, inside))
            a = a / count.clamp(min=1)
        else:
            a = mean(query)
        b = mean(key)
        return sinkhorn(
            (a @ self.weight) @ b.mT * depth**-0.5,
            iterations=self.iterations,
            temperature=self.temperature,
            gumbel=self.gumbel and self.training,
            causal=self.causal,
            padding=None if padding is None else padding.unflatten(-1, (-1, self.block)).all(-1),
        )

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | KeyPadding | None = None
    ) -> Tensor:
        key, value, padding = prepared(
            "SinkhornAttention", query, key, value, key_padding_mask, True, dims=3, same=True
        )
        return sinkhorn_attention(
            query,
            key,
            value,
            self.order(query, key, padding),
            causal=self.causal,
            scale=self.scale,
            dropout_p=self.dropout if self.training else 0.0,
            key_padding_mask=key_padding_mask,
        )

    def extra_repr(self) -> str:
        heads, depth, _ = self.weight.shape
        return f"{heads}, {depth}, block={self.block}, causal={self.causal}, iterations={self.iterations}"
