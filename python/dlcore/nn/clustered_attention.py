"""Attention inside groups of tokens that the tokens choose: buckets of a hash, clusters.

For S tokens of D columns and values of as many, chunks or windows of c tokens, forward and backward:

    LSH      time O(rounds S (c D + buckets D + rounds c + log S))   memory O(rounds S (c + D + buckets))
    routing  time O(clusters (S D + c^2 D))                          memory O(clusters (S + c D)); causal: as LSH

so LSH grows linearly with S where buckets and c stay what they are; routing too, but for O(clusters S D), where
clusters of c tokens grow in number so as to cover the sequence.
"""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from .._tensor import finfo
from ..autograd import no_grad
from . import functional as F
from ._operands import check_count, check_dropout, check_scale, check_shape, padding_of, prepared
from .attention import KeyPadding
from .module import Module
from .parameter import Buffer

MOST_ROUNDS = 64  # each is compared with each: a count beyond is a mistake that would run for long


def lsh_attention(
    query: Tensor,
    key: Tensor | None,
    value: Tensor,
    *,
    buckets: int = 64,
    chunk: int = 64,
    rounds: int = 2,
    causal: bool = False,
    scale: float | None = None,
    dropout_p: float = 0.0,
    generator: _core.Generator | None = None,
    key_padding_mask: Tensor | KeyPadding | None = None,
) -> Tensor:
    """Attention of each token to those that a random hash puts into its bucket, with queries that are the keys too.

        k_j = q_j / |q_j|,   hash(q) = argmax [q R; -q R],   R (D, buckets / 2) from N(0, 1), for each round
        y_i = sum_{j in P_i} exp(scale q_i . k_j) v_j / sum_{j in P_i} exp(scale q_i . k_j)

    Tokens are sorted by bucket, then by position, and cut into chunks. In a round token i meets the other tokens of its
    bucket that lie in its chunk or the one before; P_i is the union of all rounds. Rounds are computed one by one, and
    combined by their sums of exponentials, where a pair that n rounds share counts 1 / n in each. A token that meets no
    other in any round attends to itself.

    Causal: token i meets the last `chunk` tokens of its bucket before it. (Where a chunk begins depends on all tokens,
    so chunks alone would tell the past about the future.) Cost: above.

    Args:
        key: query, or None: they are the same.
        buckets: even, or 1.
        chunk: tokens to a chunk. Default: 64.
        rounds: hashes that are drawn, at most 64. Default: 2.
        scale: Default: 1 / sqrt(D).
        dropout_p: probability with which a weight is zeroed. Default: 0.
        generator: draws R. Default: the default one.
        key_padding_mask: True for tokens that only meet each other, (..., S) without query's heads, bool, or for
            (N, heads, S, D) `attention.KeyPadding`. Default: none.

    Shapes: query (..., S, D), value (..., S, E) to (..., S, E).

    Raises:
        RuntimeError: if shapes or dtypes do not fit together.
        ValueError: if key is another tensor than query, or a number is not as said.

    Source: Kitaev, Kaiser, Levskaya: Reformer: the efficient transformer, 2020.
    """
    name = "lsh_attention"
    if key is not None and key is not query:
        raise ValueError(f"{name}: key must be query itself, or None, for keys are queries of length 1; got another")
    query, value, padding = prepared(name, query, query, value, key_padding_mask)
    check_count(name, "buckets", buckets)
    check_count(name, "chunk", chunk)
    check_count(name, "rounds", rounds, MOST_ROUNDS)
    if buckets > 1 and buckets % 2:
        raise ValueError(f"{name}: buckets must be even or 1; got {buckets}")
    scale = check_scale(name, scale, query.shape[-1])
    check_dropout(name, dropout_p)
    with no_grad():
        if buckets == 1:
            groups = _core.zeros(rounds, *query.shape[:-1], dtype=_core.int64)
        else:
            directions = _core.randn(rounds, query.shape[-1], buckets // 2, dtype=_core.float64, generator=generator)
            turned = [query @ r for r in directions.to(query.dtype)]
            groups = _core.stack([_core.cat([x, -x], -1).argmax(-1) for x in turned])
        if padding is not None:
            groups = groups.masked_fill(padding, buckets)  # a bucket of its own, after all others
    key = _unit(query)
    return _attention_in_groups(query, key, value, groups, chunk, causal, False, scale, dropout_p)


def _attention_in_groups(query, key, value, groups, chunk, causal, own, scale, dropout_p) -> Tensor:
    """Attention of token i to the tokens that it meets in one of the rounds, and to itself if it meets none.

    groups (rounds, ..., S): those of the same number may meet. own: a token meets itself.
    """
    rounds = [_Round(g, min(chunk, max(g.shape[-1], 1)), causal, own) for g in groups]
    never = finfo(query.dtype).min / 2  # finite, so that rows of it have no NaN
    results, sums = [], []
    for r in rounds:
        q, k, v = r.chunks(query), r.windows(key), r.windows(value)
        s = scale * (q @ k.mT)
        meets = r.meets(r)
        if len(rounds) > 1:
            s = s - sum(r.meets(other).to(s.dtype) for other in rounds).clamp(min=1).log()
        s = s.masked_fill(~meets, never)
        lse = s.logsumexp(-1, keepdim=True)
        results.append(r.tokens(F.dropout((s - lse).exp(), dropout_p) @ v))
        sums.append(r.tokens(lse))
    lse = _core.stack(sums)
    y = (lse.softmax(0) * _core.stack(results)).sum(0)
    return _core.where((lse < never / 2).all(0), value, y)


class _Round:
    """Tokens sorted by group, then by position, in chunks; token i meets those at places first_i ... last_i - 1."""

    def __init__(self, groups: Tensor, chunk: int, causal: bool, own: bool) -> None:
        length = groups.shape[-1]
        self.chunk, self.own = chunk, own
        at = _core.arange(length)
        self.order = (groups * length + at).argsort(-1)
        self.place = self.order.argsort(-1)
        groups = groups.gather(-1, self.order)
        start = _core.searchsorted(groups, groups)
        if causal:
            first, last = at - (chunk - 1 if own else chunk), at + own
        else:
            end = _core.searchsorted(groups, groups, right=True)
            first, last = (at // chunk - 1) * chunk, end.minimum((at // chunk + 1) * chunk)
        self.first, self.last = (x.expand(groups.shape).gather(-1, self.place) for x in (start.maximum(first), last))

    def chunks(self, x: Tensor, padding: float = 0) -> Tensor:
        """(..., S, D) in the order of this round, as (..., chunks, chunk, D)."""
        x = _rows(x, self.order)
        return F.pad(x, (0, 0, 0, -x.shape[-2] % self.chunk), value=padding).unflatten(-2, (-1, self.chunk))

    def windows(self, x: Tensor, padding: float = 0) -> Tensor:
        """The chunk before and the chunk itself: (..., chunks, 2 chunk, D)."""
        x = self.chunks(x, padding)
        before = F.pad(x, (0, 0, 0, 0, 1, 0), value=padding)[..., : x.shape[-3], :, :]
        return _core.cat([before, x], -2)

    def tokens(self, x: Tensor) -> Tensor:
        """What chunks() makes of tokens, back in their order."""
        return _rows(x.flatten(-3, -2), self.place)

    def meets(self, other: _Round) -> Tensor:
        """Which pairs of chunks() and windows() meet in the other round, (..., chunks, chunk, 2 chunk)."""
        place, first, last = (x.unsqueeze(-1) for x in (other.place, other.first, other.last))
        keys = self.windows(place, -1).mT
        meets = (keys >= self.chunks(first)) & (keys < self.chunks(last))
        return meets if self.own else meets & (keys != self.chunks(place))


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """Rows index (..., T) of x (..., S, D), as (..., T, D)."""
    return x.gather(-2, index.unsqueeze(-1).expand(*index.shape, x.shape[-1]))


def _unit(x: Tensor) -> Tensor:
    """x / |x|; 0 for 0."""
    return x / x.norm(dim=-1, keepdim=True).clamp(min=finfo(x.dtype).tiny ** 0.5)


def routing_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    centroids: Tensor,
    *,
    window: int,
    causal: bool = False,
    scale: float | None = None,
    dropout_p: float = 0.0,
    key_padding_mask: Tensor | KeyPadding | None = None,
    query_padding_mask: Tensor | KeyPadding | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention inside clusters: the `window` queries nearest to a centroid attend to the `window` keys nearest to it.

        Q_c = the window tokens i of largest mu_c . q_i / |q_i|,   K_c = those j of largest mu_c . k_j / |k_j|
        y_i = mean over the clusters c with i in Q_c of sum_{j in K_c} softmax_j(scale q_i . k_j) v_j

    and zeros for a token that is in no Q_c. (The paper attends with queries and keys that are normalized already.)

    Causal: which tokens are nearest depends on all of them, so token i is of the cluster c_i of largest mu_c . q_i, and
    attends to itself and the last window - 1 tokens j before it with c_j = c_i. Cost: above.

    Args:
        centroids: mu, of length 1: (clusters, D) or (heads, clusters, D). They have no gradient.
        window: tokens to a cluster; all where the sequence is shorter.
        scale: Default: 1 / sqrt(D).
        dropout_p: probability with which a weight is zeroed. Default: 0.
        key_padding_mask: True for keys that no query attends to, (..., S) without the heads of key, bool, or for
            (N, heads, S, D) `attention.KeyPadding`. Default: none.
        query_padding_mask: the same of queries, (..., L): they give up their places in Q_c to others. Causal: None, for
            queries and keys are the same tokens, and those that are padding only meet each other.
        enable_gqa: key and value may have fewer heads than query, a divisor. Default: False.

    Shapes: query (..., heads, L, D), key (..., heads, S, D), value (..., heads, S, E) to (..., heads, L, E); L = S if
    causal.

    Raises:
        RuntimeError: if shapes or dtypes do not fit together.
        ValueError: if window or scale is not positive, or dropout_p not in [0, 1).

    Source: Roy, Saffar, Vaswani, Grangier: Efficient content-based sparse attention with Routing Transformers, 2021.
    """
    name = "routing_attention"
    key, value, padding = prepared(name, query, key, value, key_padding_mask, enable_gqa, dims=3, same=causal)
    if causal and query_padding_mask is not None:
        raise ValueError(f"{name}: query_padding_mask must be None where causal; key_padding_mask names the tokens")
    idle = padding_of(name, "query_padding_mask", query_padding_mask, query)
    check_shape(name, "centroids", centroids, None, query.shape[-1], query.shape[-3])
    check_count(name, "window", window)
    check_dropout(name, dropout_p)
    scale = check_scale(name, scale, query.shape[-1])
    with no_grad():
        near = [_unit(x) @ centroids.mT for x in (query, key)]  # (..., tokens, clusters)
        if causal:
            groups = near[0].argmax(-1).unsqueeze(0)
            groups = groups if padding is None else groups.masked_fill(padding, centroids.shape[-2])
        else:
            for i, last in enumerate((idle, padding)):
                if last is not None:
                    near[i] = near[i].masked_fill(last.unsqueeze(-1), float("-inf"))
            chosen = [x.topk(min(window, x.shape[-2]), dim=-2).indices.mT for x in near]  # (..., clusters, window)
    if causal:
        return _attention_in_groups(query, key, value, groups, window, True, True, scale, dropout_p)
    of, to = (x.flatten(-2) for x in chosen)
    q = _rows(query, of).unflatten(-2, chosen[0].shape[-2:])
    k, v = (_rows(x, to).unflatten(-2, chosen[1].shape[-2:]) for x in (key, value))
    inside = None
    if padding is not None:
        inside = ~padding.expand(key.shape[:-1]).gather(-1, to).unflatten(-1, chosen[1].shape[-2:]).unsqueeze(-2)
    y = F.scaled_dot_product_attention(q, k, v, inside, dropout_p, scale=scale).flatten(-3, -2)
    return _mean_at(y, of, query.shape[-2])


def _mean_at(y: Tensor, index: Tensor, length: int) -> Tensor:
    """(..., length, E): row t is the mean of the rows of y (..., T, E) whose index (..., T) is t, or zeros."""
    shape = (*index.shape[:-1], length)
    count = _core.zeros(shape, dtype=y.dtype).scatter_add(-1, index, _core.ones(index.shape, dtype=y.dtype))
    total = _core.zeros(*shape, y.shape[-1], dtype=y.dtype)
    total = total.scatter_add(-2, index.unsqueeze(-1).expand(y.shape), y)
    return total / count.clamp(min=1).unsqueeze(-1)


class RoutingAttention(Module):
    """`routing_attention` with centroids that follow the tokens: called with query, key, value, and the two masks.

    While training, after each call, with x_i the queries and keys of length 1 that are nearest to centroid c:

        mu_c = unit(decay mu_c + (1 - decay) unit(sum_i x_i))

    where unit(x) = x / |x|, and 0 for 0: a centroid to which none is nearest stays, and padding counts as 0. (Spherical
    k-means; causal clusters are those of queries alone, so their centroids follow queries.)

    Args:
        num_heads, head_dim: of queries and keys.
        clusters: centroids of each head.
        window: tokens to a cluster.
        causal: token i attends to tokens 0 ... i. Default: False.
        decay: of the moving average. Default: 0.999.
        scale: Default: 1 / sqrt(D).
        dropout: probability with which a weight is zeroed while training. Default: 0.
        generator: draws the first centroids. Default: the default one.
        device, dtype: those of the centroids.

    Attributes:
        centroids: (num_heads, clusters, head_dim), a buffer, first of random directions.
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int,
        clusters: int,
        window: int,
        causal: bool = False,
        decay: float = 0.999,
        scale: float | None = None,
        dropout: float = 0.0,
        generator: _core.Generator | None = None,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        name = "RoutingAttention"
        counts = {"num_heads": num_heads, "head_dim": head_dim, "clusters": clusters, "window": window}
        for argument, count in counts.items():
            check_count(name, argument, count)
        check_scale(name, scale, head_dim)
        check_dropout(name, dropout)
        if not isinstance(decay, (int, float)) or not 0 <= decay <= 1:
            raise ValueError(f"{name}: decay must be in [0, 1]; got {decay!r}")
        self.window, self.causal, self.decay, self.scale, self.dropout = window, causal, decay, scale, dropout
        directions = _core.empty(num_heads, clusters, head_dim, device=device, dtype=dtype).normal_(generator=generator)
        self.centroids = Buffer(_unit(directions))

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | KeyPadding | None = None,
        query_padding_mask: Tensor | KeyPadding | None = None,
    ) -> Tensor:
        name = "RoutingAttention"
        key, value, padding = prepared(name, query, key, value, key_padding_mask, True, dims=3, same=self.causal)
        y = routing_attention(
            query,
            key,
            value,
            self.centroids,
            window=self.window,
            causal=self.causal,
            scale=self.scale,
            dropout_p=self.dropout if self.training else 0.0,
            key_padding_mask=key_padding_mask,
            query_padding_mask=query_padding_mask,
        )
        if self.training:
            idle = padding if self.causal else padding_of(name, "query_padding_mask", query_padding_mask, query)
            query = query if idle is None else query.masked_fill(idle.unsqueeze(-1), 0.0)
            self._follow([query] if self.causal else [query, key])
        return y

    @no_grad()
    def _follow(self, tokens: list[Tensor]) -> None:
        heads, clusters, depth = self.centroids.shape
        x = _unit(_core.cat([t.detach().movedim(-3, 0).reshape(heads, -1, depth) for t in tokens], 1))
        nearest = (x @ self.centroids.mT).argmax(-1, keepdim=True) == _core.arange(clusters)
        sums = nearest.to(x.dtype).mT @ x
        self.centroids.copy_(_unit(self.decay * self.centroids + (1 - self.decay) * _unit(sums)))

    def extra_repr(self) -> str:
        heads, clusters, depth = self.centroids.shape
        return f"{heads}, {depth}, clusters={clusters}, window={self.window}, causal={self.causal}, decay={self.decay}"
