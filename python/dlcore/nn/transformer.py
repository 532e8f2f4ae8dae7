"""Transformers and their layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from .attention import KeyPadding, Mask
from .cache import KeyValueCache
from .containers import ModuleList
from .dropout import Dropout
from .layer_norm import LayerNorm
from .linear import Linear
from .module import Module
from .multihead_attention import MultiheadAttention

MOST_LAYERS = 100_000  # a count beyond is a mistake that would fill the memory for minutes

Activation = str | Callable[[Tensor], Tensor]


def _square_subsequent_mask(size: int, device=None, dtype=None) -> Tensor:
    return _core.full((size, size), float("-inf"), device=device, dtype=dtype).triu(1)


def _is_causal(mask: Tensor | Mask | None, hint: bool | None) -> bool:
    """Whether the mask is the causal one: what the hint says, or what is found without one.

    A mask with a gradient is taken as it is: causal attention would leave it none.
    """
    if hint is not None or not isinstance(mask, Tensor) or mask.requires_grad or mask.dim() != 2:
        return bool(hint)
    if mask.shape[0] != mask.shape[1]:
        return False
    size = mask.shape[0]
    if mask.dtype == _core.bool:
        return bool((mask == _core.ones(size, size, dtype=mask.dtype).triu(1)).all())
    return mask.is_floating_point() and bool((mask == _square_subsequent_mask(size, dtype=mask.dtype)).all())


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return getattr(F, activation)


def _check_unmasked(*masks: Tensor | Mask | None) -> None:
    if any(mask is not None for mask in masks):
        raise ValueError("with a cache self-attention is causal, and takes no masks; nor does memory but of padding")


def _caches(caches: Sequence | None, layers: ModuleList) -> list[dict]:
    """The arguments that hand each layer its cache."""
    if caches is None:
        return [{}] * len(layers)
    if len(caches) != len(layers):
        raise ValueError(f"caches must be one for each of {len(layers)} layers, but got {len(caches)}")
    return [{"cache": cache} for cache in caches]


def _clones(layer: Module, count: int) -> ModuleList:
    if not isinstance(layer, Module):
        raise TypeError(f"the layer must be a Module, but got {type(layer).__name__}")
    if not isinstance(count, int) or not 0 <= count <= MOST_LAYERS:
        raise ValueError(f"num_layers must be an int in [0, {MOST_LAYERS}], but got {count!r}")
    return ModuleList(copy.deepcopy(layer) for _ in range(count))


def _self_attention(module: MultiheadAttention, x: Tensor, mask, padding, is_causal, cache) -> Tensor:
    if cache is not None:
        _check_unmasked(mask, padding)
        return cache.attend(module, x)
    return module(x, x, x, padding, need_weights=False, attn_mask=mask, is_causal=is_causal)[0]


class TransformerEncoderLayer(Module):
    """Self-attention, then two linear layers, each with dropout, a residual and layer normalization.

        x = norm1(x + dropout1(self_attn(x)))           x = x + dropout1(self_attn(norm1(x)))
        x = norm2(x + dropout2(ff(x)))                  x = x + dropout2(ff(norm2(x)))        with norm_first

    where ff(x) = linear2(dropout(activation(linear1(x)))).

    Args:
        d_model: features of input and output; a multiple of nhead.
        nhead: heads of attention.
        dim_feedforward: features of the activation. Default: 2048.
        dropout: probability with which weights of attention, activations and what joins a residual are zeroed while
            training. Default: 0.1.
        activation: "relu", "gelu", or a function or module. Default: relu.
        layer_norm_eps: added to variances. Default: 1e-5.
        batch_first: input is (N, S, E) rather than (S, N, E). Default: False.
        norm_first: normalize what enters a branch rather than its sum with the residual. Default: False.
        bias: whether linear layers, projections and normalizations have one. Default: True.
        device, dtype: those of the parameters.

    Shapes: (S, N, E), or (S, E), to the same.

    Raises:
        RuntimeError: if activation is another name.
        ValueError: if nhead does not divide d_model, or dropout is outside [0, 1].

    Source: Vaswani et al.: Attention is all you need, 2017; Xiong et al.: On layer normalization in the Transformer
    architecture, 2020 (norm_first).
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        placed = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **placed)
        self.linear1 = Linear(d_model, dim_feedforward, **placed)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **placed)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **placed)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **placed)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | Mask | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        *,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """The layer's output.

        Args:
            src_mask: (S, S) or (N nhead, S, S): true where a query does not attend to a key, or numbers to be added;
                or a `dlcore.nn.attention.Mask`.
            src_key_padding_mask: (N, S), the same for keys.
            is_causal: src_mask is known to be the causal mask: without padding it is not read.
            cache: of the tokens before src, to which it is added; then attention is causal, and masks are None.
        """
        masks = (src_mask, src_key_padding_mask, is_causal, cache)
        if self.norm_first:
            src = src + self._sa_block(self.norm1(src), *masks)
            return src + self._ff_block(self.norm2(src))
        src = self.norm1(src + self._sa_block(src, *masks))
        return self.norm2(src + self._ff_block(src))

    def _sa_block(
        self,
        x: Tensor,
        mask: Tensor | Mask | None,
        padding: Tensor | None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        return self.dropout1(_self_attention(self.self_attn, x, mask, padding, is_causal, cache))

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """Self-attention, attention to memory, then two linear layers, each with dropout, a residual and normalization.

        x = norm1(x + dropout1(self_attn(x)))                   x = x + dropout1(self_attn(norm1(x)))
        x = norm2(x + dropout2(multihead_attn(x, memory)))      x = x + dropout2(multihead_attn(norm2(x), memory))
        x = norm3(x + dropout3(ff(x)))                          x = x + dropout3(ff(norm3(x)))        with norm_first

    where ff(x) = linear2(dropout(activation(linear1(x)))). Arguments, errors and sources are those of
    TransformerEncoderLayer.

    Shapes: tgt (T, N, E) and memory (S, N, E), or both without N, to (T, N, E).
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        placed = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **placed)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **placed)
        self.linear1 = Linear(d_model, dim_feedforward, **placed)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **placed)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **placed)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **placed)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, **placed)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | Mask | None = None,
        memory_mask: Tensor | Mask | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        *,
        cache: tuple[KeyValueCache, KeyValueCache] | None = None,
    ) -> Tensor:
        """The layer's output.

        Args:
            tgt_mask: (T, T) or (N nhead, T, T): true where a query does not attend to a key, or numbers to be added;
                or a `dlcore.nn.attention.Mask`.
            memory_mask: (T, S) or (N nhead, T, S), the same for attention to memory.
            tgt_key_padding_mask: (N, T), the same for keys.
            memory_key_padding_mask: (N, S), the same for keys of memory.
            tgt_is_causal, memory_is_causal: the mask is known to be the causal mask: without padding it is not read.
            cache: of the tokens before tgt, to which it is added, and of memory; then attention to tgt is causal, and
                masks are None but memory's padding (memory_mask may be a KeyPadding).
        """
        own, kept = (None, None) if cache is None else cache
        masks = (tgt_mask, tgt_key_padding_mask, tgt_is_causal, own)
        memory_masks = (memory_mask, memory_key_padding_mask, memory_is_causal, kept)
        if self.norm_first:
            tgt = tgt + self._sa_block(self.norm1(tgt), *masks)
            tgt = tgt + self._mha_block(self.norm2(tgt), memory, *memory_masks)
            return tgt + self._ff_block(self.norm3(tgt))
        tgt = self.norm1(tgt + self._sa_block(tgt, *masks))
        tgt = self.norm2(tgt + self._mha_block(tgt, memory, *memory_masks))
        return self.norm3(tgt + self._ff_block(tgt))

    def _sa_block(
        self,
        x: Tensor,
        mask: Tensor | Mask | None,
        padding: Tensor | None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        return self.dropout1(_self_attention(self.self_attn, x, mask, padding, is_causal, cache))

    def _mha_block(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | Mask | None,
        padding: Tensor | None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        if cache is not None:
            if isinstance(mask, KeyPadding) and padding is None:
                mask, padding = None, mask
            _check_unmasked(mask)
            return self.dropout2(cache.attend_memory(self.multihead_attn, x, memory, padding))
        x, _ = self.multihead_attn(x, memory, memory, padding, need_weights=False, attn_mask=mask, is_causal=is_causal)
        return self.dropout2(x)

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """Layers one after the other, then a normalization.

    Args:
        encoder_layer: of which each layer is a deep copy, with the same initial parameters.
        num_layers: how many.
        norm: applied to the last layer's output. Default: None.
        enable_nested_tensor, mask_check: accepted, and change nothing: padded tokens are computed like all others, as
            PyTorch does while training (where it skips them, their output is zeros before `norm`).

    Shapes: those of the layer.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | Mask | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
        *,
        caches: Sequence[KeyValueCache] | None = None,
    ) -> Tensor:
        """The output of the last layer, normalized.

        Args:
            mask, src_key_padding_mask: masks of every layer.
            is_causal: whether mask is the causal mask; None: find out, to attend without reading it.
            caches: those of the layers.
        """
        is_causal = _is_causal(mask, is_causal)
        for layer, cache in zip(self.layers, _caches(caches, self.layers)):
            src = layer(src, src_mask=mask, is_causal=is_causal, src_key_padding_mask=src_key_padding_mask, **cache)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Layers one after the other, all of which attend to memory, then a normalization.

    Args:
        decoder_layer: of which each layer is a deep copy, with the same initial parameters.
        num_layers: how many.
        norm: applied to the last layer's output. Default: None.

    Shapes: those of the layer.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | Mask | None = None,
        memory_mask: Tensor | Mask | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
        *,
        caches: Sequence[tuple[KeyValueCache, KeyValueCache]] | None = None,
    ) -> Tensor:
        """The output of the last layer, normalized.

        Args:
            tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask: masks of every layer.
            tgt_is_causal: whether tgt_mask is the causal mask; None: find out, to attend without reading it.
            memory_is_causal: whether memory_mask is the causal mask.
            caches: those of the layers.
        """
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal)
        for layer, cache in zip(self.layers, _caches(caches, self.layers)):
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
                **cache,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """decoder(tgt, encoder(src)), both with a last normalization.

    Args:
        d_model: features of input and output; a multiple of nhead. Default: 512.
        nhead: heads of attention. Default: 8.
        num_encoder_layers, num_decoder_layers: Default: 6.
        dim_feedforward, dropout, activation: those of the layers. Default: 2048, 0.1, relu.
        custom_encoder, custom_decoder: modules to use in place of TransformerEncoder and TransformerDecoder.
        layer_norm_eps, batch_first, norm_first, bias: those of the layers. Default: 1e-5, False, False, True.
        device, dtype: those of the parameters.

    Parameters of two dimensions are drawn anew from Xavier's uniform distribution.

    Shapes: src (S, N, E) and tgt (T, N, E), or both without N, to (T, N, E).

    Raises:
        RuntimeError: if src and tgt differ in their batch, or their features are not d_model.

    Source: Vaswani et al.: Attention is all you need, 2017.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        placed = {"bias": bias, "device": device, "dtype": dtype}
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)

        def norm():
            return LayerNorm(d_model, layer_norm_eps, **placed)

        if custom_encoder is None:
            layer = TransformerEncoderLayer(*options, **placed)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*options, **placed)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm())
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | Mask | None = None,
        tgt_mask: Tensor | Mask | None = None,
        memory_mask: Tensor | Mask | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The decoder's output; masks and hints are those of TransformerEncoder and TransformerDecoder."""
        if src.dim() not in (2, 3) or src.dim() != tgt.dim():
            raise RuntimeError(
                f"Transformer: src and tgt must both be 2-D or 3-D, but got shapes {tuple(src.shape)} and "
                f"{tuple(tgt.shape)}"
            )
        batch = 0 if self.batch_first else 1
        if src.dim() == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"Transformer: the batch number of src and tgt must be equal, but got {src.shape[batch]} and "
                f"{tgt.shape[batch]}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"Transformer: the feature number of src and tgt must be equal to d_model = {self.d_model}, but got "
                f"{src.shape[-1]} and {tgt.shape[-1]}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device=None, dtype=None) -> Tensor:
        """The causal mask of sz tokens, to be added: -infinity above the diagonal, zeros elsewhere."""
        return _square_subsequent_mask(sz, device, dtype)
