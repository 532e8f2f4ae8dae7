"""Attention of several heads, with its projections."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor, linear, scaled_dot_product_attention, softmax
from ..attention import Mask, attention
from .dropout import dropout

_INF = float("inf")


def _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads) -> bool:
    """Whether the input has batches."""
    batched = query.dim() == 3
    if query.dim() not in (2, 3):
        raise RuntimeError(
            f"multi_head_attention_forward: query must be 2-D or 3-D, but got shape {tuple(query.shape)}"
        )
    for name, x in (("key", key), ("value", value)):
        if x.dim() != query.dim():
            raise RuntimeError(
                f"multi_head_attention_forward: {name} must have query's {query.dim()} dimensions, but got shape "
                f"{tuple(x.shape)}"
            )
    if batched and (key.shape[1] != query.shape[1] or value.shape[1] != query.shape[1]):
        raise RuntimeError(
            f"multi_head_attention_forward: key and value must have query's batch size {query.shape[1]}, but got "
            f"{key.shape[1]} and {value.shape[1]}"
        )
    if key.shape[:-1] != value.shape[:-1]:
        raise RuntimeError(
            f"multi_head_attention_forward: value must be as long as key; expected {tuple(key.shape[:-1])} but got "
            f"{tuple(value.shape[:-1])}"
        )
    batch = query.shape[1] if batched else 1
    rows, keys = query.shape[0], key.shape[0]
    if key_padding_mask is not None:
        expected = (batch, keys) if batched else (keys,)
        if tuple(key_padding_mask.shape) != expected:
            raise RuntimeError(
                f"multi_head_attention_forward: key_padding_mask must have shape {expected}, but got "
                f"{tuple(key_padding_mask.shape)}"
            )
    if isinstance(attn_mask, Tensor) and tuple(attn_mask.shape) not in ((rows, keys), (batch * num_heads, rows, keys)):
        raise RuntimeError(
            f"multi_head_attention_forward: attn_mask must have shape {(rows, keys)} or "
            f"{(batch * num_heads, rows, keys)}, but got {tuple(attn_mask.shape)}"
        )
    return batched


def _added(mask: Tensor | None, dtype) -> Tensor | None:
    """A mask as numbers to add: -infinity where a bool mask excludes."""
    if mask is None:
        return None
    if mask.dtype != _core.bool:
        if not mask.is_floating_point():
            raise RuntimeError(
                f"multi_head_attention_forward: masks must be bool or floating point, but got {mask.dtype}"
            )
        return mask.to(dtype)
    return _core.zeros(mask.shape, dtype=dtype).masked_fill(mask, -_INF)


def _merged(attn_mask, key_padding_mask, batch, num_heads, extra, dtype) -> Tensor | None:
    """One mask for (batch, heads, queries, keys): bool, true where a pair takes part, or to be added; None: all do."""
    if attn_mask is not None and attn_mask.dim() == 3:
        attn_mask = attn_mask.reshape(batch, num_heads, *attn_mask.shape[1:])
    if key_padding_mask is not None:
        key_padding_mask = key_padding_mask.reshape(batch, 1, 1, -1)
    masks = [m for m in (attn_mask, key_padding_mask) if m is not None]
    if not masks:
        return None
    if all(m.dtype == _core.bool for m in masks):
        excluded = masks[0] if len(masks) == 1 else masks[0] | masks[1]
        merged = ~excluded
    else:
        masks = [_added(m, dtype) for m in masks]
        merged = masks[0] if len(masks) == 1 else masks[0] + masks[1]
    if extra == 0:
        return merged
    shape = (*merged.shape[:-1], extra)  # keys that were appended always take part
    appended = _core.ones(shape, dtype=merged.dtype) if merged.dtype == _core.bool else _core.zeros(shape, dtype=dtype)
    return _core.cat([merged, appended], -1)


def _excluded(mask: Mask, rows: int, keys: int, batch: int, num_heads: int) -> Tensor:
    """The pairs that a mask leaves out, bool, (rows, keys) or (batch num_heads, rows, keys)."""
    excluded = ~mask.dense(rows, keys, batch)
    return excluded if excluded.dim() == 2 else excluded.repeat_interleave(num_heads, 0)


def _weights(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(E)) under the mask; zeros for queries without keys."""
    s = (q * q.shape[-1] ** -0.5) @ k.mT
    if mask is None:
        return softmax(s, -1)
    s = s.masked_fill(~mask, -_INF) if mask.dtype == _core.bool else s + mask
    none = (s == -_INF).all(-1, keepdim=True)
    return softmax(s.masked_fill(none, 0.0), -1).masked_fill(none, 0.0)


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | Mask | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Projections of query, key and value, attention of each head, projection of all heads: nn.MultiheadAttention.

    Without ``need_weights`` attention runs in blocks and its weights never exist as a whole; an attn_mask may then be a
    `dlcore.nn.attention.Mask`, which costs what it lets through, where no keys are appended or padded besides.

    Shapes: query (L, N, E), key (S, N, E'), value (S, N, E''), or without N, to (L, N, E), and the weights (N, L, S),
    or (N, num_heads, L, S) unless ``average_attn_weights``.

    Raises:
        RuntimeError: if sizes do not fit together, or is_causal comes without attn_mask.
        NotImplementedError: for static_k and static_v.
    """
    if static_k is not None or static_v is not None:
        raise NotImplementedError("multi_head_attention_forward: static_k and static_v are not supported")
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError("multi_head_attention_forward: is_causal is a hint about attn_mask, which is missing")
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
    rows, batch, features = query.shape
    keys = len(key)
    if features != embed_dim_to_check or features % num_heads:
        raise RuntimeError(
            f"multi_head_attention_forward: query must have {embed_dim_to_check} features, a multiple of num_heads = "
            f"{num_heads}, but got {features}"
        )

    if not use_separate_proj_weight:
        q_proj_weight, k_proj_weight, v_proj_weight = in_proj_weight.chunk(3)
    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
    same = query is key and key is value
    by_batch = not query.is_contiguous() and query.transpose(0, 1).is_contiguous()  # in memory (N, L, E)
    if by_batch:
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
    if same and not use_separate_proj_weight:
        q, k, v = linear(query, in_proj_weight, in_proj_bias).chunk(3, -1)
    else:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, x, w in zip(("query", "key", "value"), (query, key, value), weights, strict=True):
            if x.shape[-1] != w.shape[-1]:
                raise RuntimeError(
                    f"multi_head_attention_forward: {name} must have {w.shape[-1]} features, but got {x.shape[-1]}"
                )
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))

    extra = 0
    time, one = (1, (batch, 1, features)) if by_batch else (0, (1, batch, features))
    if bias_k is not None and bias_v is not None:
        k, v = _core.cat([k, bias_k.expand(one)], time), _core.cat([v, bias_v.expand(one)], time)
        extra += 1
    if add_zero_attn:
        zero = _core.zeros(one, dtype=k.dtype)
        k, v = _core.cat([k, zero], time), _core.cat([v, zero], time)
        extra += 1
    plain = key_padding_mask is None and not need_weights and extra == 0
    structure = attn_mask if plain and isinstance(attn_mask, Mask) else None
    if isinstance(attn_mask, Mask):
        attn_mask = None if plain else _excluded(attn_mask, rows, keys, batch, num_heads)
    causal = is_causal and plain and structure is None
    mask = _merged(None if causal else attn_mask, key_padding_mask, batch, num_heads, extra, q.dtype)
    heads = (0, 2, 1, 3) if by_batch else (1, 2, 0, 3)
    q, k, v = (x.unflatten(-1, (num_heads, -1)).permute(heads) for x in (q, k, v))  # (N, heads, L, E / heads)

    p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        weights = _weights(q, k, mask)
        if p > 0:
            weights = dropout(weights, p)
        y = weights @ v
        weights = weights.mean(1) if average_attn_weights else weights
    elif structure is not None:
        y = attention(q, k, v, structure, p)
    else:
        y = scaled_dot_product_attention(q, k, v, mask, p, causal)
    y = y.permute((0, 2, 1, 3) if by_batch else (2, 0, 1, 3)).flatten(-2)
    y = linear(y, out_proj_weight, out_proj_bias)
    if by_batch:
        y = y.transpose(0, 1)
    if not batched:
        y = y.squeeze(1)
        weights = None if weights is None else weights.squeeze(0)
    return y, weights
