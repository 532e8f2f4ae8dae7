"""Keys and values that are kept from token to token."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from ..autograd import no_grad
from .attention import KeyPadding, SlidingWindow, attention
from .functional.attention import _merged
from .multihead_attention import MultiheadAttention


class KeyValueCache:
    """Keys and values of the tokens so far, so that decoding projects and attends from the new ones only.

        caches = [KeyValueCache() for _ in encoder.layers]
        with no_grad():
            for token in tokens:  # each (1, N, E), or (N, 1, E) with batch_first; several at once for a prompt
                y = encoder(token, caches=caches)  # what encoder gives for this token under a causal mask

    Layers of a decoder take a pair: of their own tokens, and of memory, which is projected once. Token t costs
    O(t E + E^2) rather than the O(t^2 E + t E^2) of the whole sequence. Room is doubled when it is used up, which
    copies each token once or twice in all; with `capacity` tokens reserved nothing is copied up to these.

    Args:
        capacity: tokens that the first append makes room for. Default: 0, as many as it brings.

    Without gradients: appending what has one raises a RuntimeError.

    Raises:
        ValueError: if capacity is no int in [0, 2^31).
    """

    def __init__(self, capacity: int = 0) -> None:
        if not isinstance(capacity, int) or not 0 <= capacity < 2**31:
            raise ValueError(f"KeyValueCache: capacity must be an int in [0, {2**31 - 1}]; got {capacity!r}")
        self.capacity = capacity
        self.clear()

    def clear(self) -> None:
        """Forget all tokens."""
        self._length = 0
        self._rows: list[Tensor] | None = None  # keys and values, (N, heads, room, features)

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"KeyValueCache({self._length} tokens)"

    @property
    def keys(self) -> Tensor | None:
        """(N, heads, tokens, features), or None before the first ones."""
        return None if self._rows is None else self._rows[0][:, :, : self._length]

    @property
    def values(self) -> Tensor | None:
        """(N, heads, tokens, features), or None before the first ones."""
        return None if self._rows is None else self._rows[1][:, :, : self._length]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add new tokens, (N, heads, new tokens, features); returns those of all tokens."""
        new = (keys, values)
        if any(x.requires_grad for x in new):
            raise RuntimeError("KeyValueCache: keys and values must have no gradient; decode under no_grad()")
        if any(x.dim() != 4 for x in new) or keys.shape[:3] != values.shape[:3]:
            raise RuntimeError(
                f"KeyValueCache: keys and values must have shapes (N, heads, tokens, features), but got "
                f"{tuple(keys.shape)} and {tuple(values.shape)}"
            )
        for x, rows in zip(new, self._rows or ()):
            kept = (*rows.shape[:2], x.shape[2], rows.shape[3])
            if tuple(x.shape) != kept or x.dtype != rows.dtype:
                raise RuntimeError(
                    f"KeyValueCache: new tokens must be like those before, {kept} of {rows.dtype}, but got "
                    f"{tuple(x.shape)} of {x.dtype}"
                )
        end = self._length + keys.shape[2]
        with no_grad():
            if self._rows is None or end > self._rows[0].shape[2]:
                self._grow(new, max(end, 2 * self._length, self.capacity))
            for x, rows in zip(new, self._rows):
                rows[:, :, self._length : end].copy_(x)
        self._length = end
        return self.keys, self.values

    def _grow(self, like: tuple[Tensor, Tensor], room: int) -> None:
        grown = [_core.empty(*x.shape[:2], room, x.shape[3], dtype=x.dtype) for x in like]
        for rows, kept in zip(grown, (self.keys, self.values)):
            if kept is not None:
                rows[:, :, : self._length].copy_(kept)
        self._rows = grown

    def reorder(self, batch: Tensor) -> None:
        """Take sequence batch[i] as the i-th, for all i: beams that were chosen, and may be more or fewer."""
        if self._rows is not None:
            self._rows = [rows.index_select(0, batch) for rows in self._rows]

    def attend(self, module: MultiheadAttention, x: Tensor) -> Tensor:
        """Self-attention of new tokens to all tokens up to themselves, in module's layout of (L, N, E)."""
        _check(module, x)
        past = len(self)
        rows = _core.linear(_batched(module, x), module.in_proj_weight, module.in_proj_bias)
        q, k, v = (_heads(module, r) for r in rows.chunk(3, -1))
        k, v = self.append(k, v)
        # Query i is token past + i. A single one attends to all there are.
        mask = None if q.shape[2] == 1 else SlidingWindow(None, past)
        return _projected(module, attention(q, k, v, mask, module.dropout if module.training else 0.0), x)

    def attend_memory(
        self,
        module: MultiheadAttention,
        x: Tensor,
        memory: Tensor,
        key_padding_mask: Tensor | KeyPadding | None = None,
    ) -> Tensor:
        """Attention to memory, which the first call projects and the others only measure."""
        _check(module, x)
        kept, features = _batched(module, memory), module.embed_dim
        if len(self) not in (0, kept.shape[1]):
            raise ValueError(
                f"KeyValueCache: memory must be the one that is kept, of {len(self)} tokens, but got {kept.shape[1]}"
            )
        parts = [features, 2 * features]
        weights = module.in_proj_weight.split(parts)
        biases = (None, None) if module.in_proj_bias is None else module.in_proj_bias.split(parts)
        if not len(self):
            self.append(*(_heads(module, r) for r in _core.linear(kept, weights[1], biases[1]).chunk(2, -1)))
        q = _heads(module, _core.linear(_batched(module, x), weights[0], biases[0]))
        p = module.dropout if module.training else 0.0
        if isinstance(key_padding_mask, KeyPadding):
            return _projected(module, attention(q, self.keys, self.values, key_padding_mask, p), x)
        if key_padding_mask is not None and key_padding_mask.dim() == 1:
            key_padding_mask = key_padding_mask.unsqueeze(0)
        if key_padding_mask is not None and tuple(key_padding_mask.shape) != tuple(kept.shape[:2]):
            raise RuntimeError(
                f"KeyValueCache: key_padding_mask must have shape {tuple(kept.shape[:2])}, but got "
                f"{tuple(key_padding_mask.shape)}"
            )
        mask = _merged(None, key_padding_mask, len(q), module.num_heads, 0, q.dtype)
        return _projected(module, _core.scaled_dot_product_attention(q, self.keys, self.values, mask, p), x)


def _check(module: MultiheadAttention, x: Tensor) -> None:
    if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
        raise ValueError("KeyValueCache: kdim, vdim, add_bias_kv and add_zero_attn are not supported")
    if x.dim() not in (2, 3) or x.shape[-1] != module.embed_dim:
        raise RuntimeError(
            f"KeyValueCache: input must be 2-D or 3-D with {module.embed_dim} features, but got shape {tuple(x.shape)}"
        )


def _batched(module: MultiheadAttention, x: Tensor) -> Tensor:
    """(N, L, E)"""
    return x.unsqueeze(0) if x.dim() == 2 else x if module.batch_first else x.transpose(0, 1)


def _heads(module: MultiheadAttention, x: Tensor) -> Tensor:
    """(N, L, E) to (N, heads, L, E / heads)."""
    return x.unflatten(-1, (module.num_heads, -1)).transpose(1, 2)


def _projected(module: MultiheadAttention, y: Tensor, x: Tensor) -> Tensor:
    """The heads' results together, in the layout of x."""
    y = module.out_proj(y.transpose(1, 2).flatten(2))
    return y.squeeze(0) if x.dim() == 2 else y if module.batch_first else y.transpose(0, 1)
