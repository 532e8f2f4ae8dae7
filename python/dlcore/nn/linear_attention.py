"""Attention whose weights are products of features, so that time and memory grow linearly with the sequence.

    y_i = sum_j phi(q_i) . phi(k_j) v_j / sum_j phi(q_i) . phi(k_j)

The sums over j of phi(k_j) v_j^T and of phi(k_j) are the same for all i; in the causal form, j <= i, they run along the
sequence. `elu_features` gives a kernel of its own, `performer_attention` an estimate of softmax attention.

For L queries, S keys, F features (of elu: D) and values of E columns:

    time    O((L + S) F E), causal with chunks of c tokens O(S (F E + c (F + E)))
    memory  O((L + S) (F + E) + F E), causal O(S (F + E + c) + S F E / c), for backward
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import _core
from .._core import Tensor
from .._tensor import finfo
from . import init
from ._operands import check_count, check_scale, check_shape, prepared
from .attention import KeyPadding
from .module import Module
from .parameter import Buffer

MOST_FEATURES, MOST_COLUMNS = 65536, 4096  # more would take minutes to make orthogonal


def elu_features(x: Tensor) -> Tensor:
    """elu(x) + 1, that is exp(x) below 0, and 1 + x above; small values keep their relative precision."""
    return x.clamp(max=0).exp() + x.relu()


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    causal: bool = False,
    feature_map: Callable[[Tensor], Tensor] = elu_features,
    chunk: int = 64,
    key_padding_mask: Tensor | KeyPadding | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """y_i = sum_j a_ij v_j / sum_j a_ij with a_ij = phi(q_i) . phi(k_j); causal: j <= i.

    Equals the formula with the whole matrix a, up to rounding. A query whose a_ij are all 0 gives zeros (sums below the
    root of the dtype's smallest number, 1e-19 in float32, are taken as that). Cost: above.

    Args:
        causal: token i attends to tokens 0 ... i; the sums run from chunk to chunk.
        feature_map: phi, from (..., D) to (..., F), not negative. Default: elu(x) + 1.
        chunk: tokens that the causal form takes at once. Default: 64.
        key_padding_mask: True for keys that no query attends to, (..., S) without the heads of key, bool, or for
            (N, heads, S, D) `attention.KeyPadding`. Default: none.
        enable_gqa: key and value may have fewer heads than query, a divisor. Default: False.

    Shapes: query (..., L, D), key (..., S, D), value (..., S, E) to (..., L, E); causal: L = S.

    Raises:
        RuntimeError: if shapes or dtypes do not fit together, or feature_map gives features of another shape.
        ValueError: if chunk is not positive.

    Source: Katharopoulos, Vyas, Pappas, Fleuret: Transformers are RNNs, 2020.
    """
    key, value, padding = prepared("linear_attention", query, key, value, key_padding_mask, enable_gqa, same=causal)
    check_count("linear_attention", "chunk", chunk)
    if not callable(feature_map):
        raise TypeError(f"linear_attention: feature_map must be callable; got {type(feature_map).__name__}")
    q, k = feature_map(query), feature_map(key)
    if not isinstance(q, Tensor) or q.shape[:-1] != query.shape[:-1] or k.shape != (*key.shape[:-1], q.shape[-1]):
        got = tuple(q.shape) if isinstance(q, Tensor) else type(q).__name__
        raise RuntimeError(
            f"linear_attention: feature_map must change the last dimension only; expected {tuple(query.shape[:-1])} "
            f"and features but got {got}"
        )
    k = _without(k, padding)
    if not causal:
        return _whole(q, k, value)
    return _running(q, k, value, _core.zeros(key.shape[-2], dtype=key.dtype), chunk)


def orthogonal_features(
    features: int, head_dim: int, generator: _core.Generator | None = None, dtype: _core.dtype | None = None
) -> Tensor:
    """Random directions w_1 ... w_features, (features, head_dim), for `performer_attention`.

    Each by itself is N(0, 1) in every dimension; head_dim of them at a time are orthogonal to each other, which lowers
    the variance of the estimate. Source: Choromanski et al., as `performer_attention`.
    """
    check_count("orthogonal_features", "features", features, MOST_FEATURES)
    check_count("orthogonal_features", "head_dim", head_dim, MOST_COLUMNS)
    blocks = [
        init.orthogonal_(_core.empty(head_dim, head_dim, dtype=_core.float64), generator=generator)
        for _ in range(math.ceil(features / head_dim))
    ]
    # Rows of unit length take the lengths of Gaussian vectors.
    lengths = _core.empty(features, head_dim, dtype=_core.float64).normal_(generator=generator).norm(dim=-1)
    w = _core.cat(blocks)[:features] * lengths.unsqueeze(-1)
    return w.to(_core.get_default_dtype() if dtype is None else dtype)


def performer_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    projection: Tensor,
    *,
    causal: bool = False,
    scale: float | None = None,
    chunk: int = 64,
    key_padding_mask: Tensor | KeyPadding | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Linear attention with positive random features, an estimate of softmax(scale query key^T) value.

        phi(x)_f = exp(w_f . x - |x|^2 / 2) / sqrt(F)      of x = sqrt(scale) q and sqrt(scale) k

    phi(x) . phi(z) is exp(x . z) on average over w. Its relative variance is (exp(|x + z|^2) - 1) / F for independent
    w, and at most that for orthogonal ones: with r^2 its largest value for the pairs of a query, y_i is off by at most
    t r V / (1 - t r) with probability 1 - 2 / t^2, where V is the largest |v_j - y_i|. So F must grow like the
    exponential of the squared norms, but not with the sequence.

    The exponents are lowered by their maximum: of all features for a query; of all keys, or in the causal form of keys
    0 ... j, for key j. That changes nothing but the range of the numbers. Cost: as linear_attention, and
    O((L + S) F D).

    Args:
        projection: w, (F, D), as `orthogonal_features` draws it.
        causal, chunk, key_padding_mask, enable_gqa: as in linear_attention.
        scale: Default: 1 / sqrt(D).

    Shapes: query (..., L, D), key (..., S, D), value (..., S, E) to (..., L, E); causal: L = S.

    Raises:
        RuntimeError: if shapes or dtypes do not fit together.
        ValueError: if chunk or scale is not positive.

    Source: Choromanski et al.: Rethinking attention with Performers, 2021 (FAVOR+).
    """
    key, value, padding = prepared("performer_attention", query, key, value, key_padding_mask, enable_gqa, same=causal)
    check_count("performer_attention", "chunk", chunk)
    root = check_scale("performer_attention", scale, query.shape[-1]) ** 0.5
    check_shape("performer_attention", "projection", projection, None, query.shape[-1])
    q, k = _exponents(query * root, projection), _exponents(key * root, projection)
    k = _without(k, padding, finfo(k.dtype).min / 4)  # of no weight in the maximum
    q = (q - q.detach().amax(-1, keepdim=True)).exp()
    level = k.detach().amax(-1).cummax(-1).values
    level = level if causal else level[..., -1:]
    k = _without((k - level.unsqueeze(-1)).exp(), padding)
    return _running(q, k, value, level, chunk) if causal else _whole(q, k, value)


def _without(k: Tensor, padding: Tensor | None, value: float = 0.0) -> Tensor:
    """Features (..., S, F) of keys, `value` where these are padding."""
    return k if padding is None else k.masked_fill(padding.unsqueeze(-1), value)


def _exponents(x: Tensor, w: Tensor) -> Tensor:
    """w_f . x - |x|^2 / 2"""
    return x @ w.mT - x.square().sum(-1, keepdim=True) / 2


def _whole(q: Tensor, k: Tensor, value: Tensor) -> Tensor:
    """sum_j w_ij v_j / sum_j w_ij with w_ij = q_i . k_j."""
    return _ratio(q @ (k.mT @ _with_ones(value)))


def _with_ones(v: Tensor) -> Tensor:
    """A column that sums the weights."""
    return _core.cat([v, _core.ones(*v.shape[:-1], 1, dtype=v.dtype)], -1)


def _ratio(sums: Tensor) -> Tensor:
    """Weighted sums over the sums of the weights, of which the smallest are raised: their square must not vanish."""
    return sums[..., :-1] / sums[..., -1:].clamp(min=finfo(sums.dtype).tiny ** 0.5)


def _running(q: Tensor, k: Tensor, value: Tensor, level: Tensor, chunk: int) -> Tensor:
    """sum_{j <= i} w_ij v_j / sum_{j <= i} w_ij with w_ij = exp(level_j - level_i) q_i . k_j.

    level (..., S) never falls and has no gradient, so that each of the exponentials is at most 1.
    """
    if not q.shape[-2]:
        return _whole(q, k, value)
    chunk = min(chunk, q.shape[-2])
    parts = [x.split(chunk, -2) for x in (q, k, _with_ones(value), level.unsqueeze(-1))]
    state = _core.zeros(q.shape[-1], value.shape[-1] + 1, dtype=q.dtype)  # sum of exp(level_j - before) k_j v_j^T
    before, sums = level[..., :1], []
    for q, k, v, at in zip(*parts):
        inside = (q @ k.mT) * (at.mT - at).clamp(max=0).exp().tril()
        fall = (before.unsqueeze(-1) - at).exp()
        sums.append(inside @ v + (q @ state) * fall)
        state = state * fall[..., -1:, :] + (k * (at - at[..., -1:, :]).exp()).mT @ v
        before = at[..., -1, :]
    return _ratio(_core.cat(sums, -2))


class LinearAttention(Module):
    """`linear_attention` as a module: called with query, key, value, of as many or fewer heads, and key_padding_mask.

    Args:
        causal: token i attends to tokens 0 ... i. Default: False.
        feature_map: phi; a module is trained with this one. Default: elu(x) + 1.
        chunk: tokens that the causal form takes at once. Default: 64.
    """

    def __init__(
        self, causal: bool = False, feature_map: Callable[[Tensor], Tensor] = elu_features, chunk: int = 64
    ) -> None:
        super().__init__()
        check_count("LinearAttention", "chunk", chunk)
        if not callable(feature_map):
            raise TypeError(f"LinearAttention: feature_map must be callable; got {type(feature_map).__name__}")
        self.causal, self.feature_map, self.chunk = causal, feature_map, chunk

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | KeyPadding | None = None
    ) -> Tensor:
        return linear_attention(
            query,
            key,
            value,
            causal=self.causal,
            feature_map=self.feature_map,
            chunk=self.chunk,
            key_padding_mask=key_padding_mask,
            enable_gqa=True,
        )

    def extra_repr(self) -> str:
        return f"causal={self.causal}, chunk={self.chunk}"


class PerformerAttention(Module):
    """`performer_attention` with directions of its own: called as `LinearAttention`.

    Args:
        head_dim: features of a query, D.
        features: random features, F. Default: D log(D), rounded, at least 1.
        causal: token i attends to tokens 0 ... i. Default: False.
        scale: Default: 1 / sqrt(D).
        chunk: tokens that the causal form takes at once. Default: 64.
        generator: draws the directions. Default: the default one.
        device, dtype: those of the directions.

    Attributes:
        projection: the directions, (features, head_dim), a buffer. `redraw` draws others.
    """

    def __init__(
        self,
        head_dim: int,
        features: int | None = None,
        causal: bool = False,
        scale: float | None = None,
        chunk: int = 64,
        generator: _core.Generator | None = None,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        check_count("PerformerAttention", "head_dim", head_dim, MOST_COLUMNS)
        features = max(1, round(head_dim * math.log(head_dim))) if features is None else features
        check_count("PerformerAttention", "features", features, MOST_FEATURES)
        check_count("PerformerAttention", "chunk", chunk)
        check_scale("PerformerAttention", scale, head_dim)
        self.head_dim, self.features, self.causal, self.scale, self.chunk = head_dim, features, causal, scale, chunk
        self.projection = Buffer(_core.empty(features, head_dim, device=device, dtype=dtype))
        self.redraw(generator)

    def redraw(self, generator: _core.Generator | None = None) -> None:
        """Draw new directions."""
        self.projection.copy_(orthogonal_features(self.features, self.head_dim, generator, _core.float64))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | KeyPadding | None = None
    ) -> Tensor:
        return performer_attention(
            query,
            key,
            value,
            self.projection,
            causal=self.causal,
            scale=self.scale,
            chunk=self.chunk,
            key_padding_mask=key_padding_mask,
            enable_gqa=True,
        )

    def extra_repr(self) -> str:
        return f"{self.head_dim}, features={self.features}, causal={self.causal}"
