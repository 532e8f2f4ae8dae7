"""Translation with a Transformer, one token after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ... import nn
from ..._core import Tensor
from ...autograd import no_grad
from ...nn.attention import Causal, KeyPadding, Mask
from ...nn.transformer import MOST_LAYERS
from ._model import SequenceModel, choose
from ._translator import Translator, check_probability, check_tokens, checked_lengths


class EncoderDecoder(SequenceModel):
    """Embeddings, positions, encoder, decoder and output of the translators that are Transformers; arguments are those
    of `TransformerTranslator`."""

    def __init__(
        self,
        source_size: int,
        target_size: int,
        d_model: int = 128,
        num_heads: int = 4,
        num_encoder_layers: int = 2,
        num_decoder_layers: int = 2,
        dim_feedforward: int = 256,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
        max_length: int = 512,
        memory_layers: Sequence[int] | None = None,
        pad: int = 0,
        **more,
    ) -> None:
        name = type(self).__name__
        super().__init__(
            source_size=source_size, target_size=target_size, d_model=d_model, num_heads=num_heads,
            num_encoder_layers=num_encoder_layers, num_decoder_layers=num_decoder_layers,
            dim_feedforward=dim_feedforward, dropout=dropout, activation=activation, norm_first=norm_first,
            max_length=max_length, memory_layers=memory_layers, pad=pad, **more,
        )  # fmt: skip
        choose(name, "activation", activation, ("relu", "gelu"))
        check_probability(name, dropout=dropout)
        for which, layers in (("num_encoder_layers", num_encoder_layers), ("num_decoder_layers", num_decoder_layers)):
            if layers > MOST_LAYERS:
                raise ValueError(f"{name}: {which} must be an int in [1, {MOST_LAYERS}], but got {layers}")
        chosen, all_layers = memory_layers, range(-num_encoder_layers, num_encoder_layers)
        if chosen is None:
            chosen = [-1] * num_decoder_layers
        if not isinstance(chosen, Sequence) or len(chosen) != num_decoder_layers or set(chosen) - set(all_layers):
            raise ValueError(
                f"{name}: memory_layers must be {num_decoder_layers} ints, one for each layer of the decoder, in "
                f"[{-num_encoder_layers}, {num_encoder_layers}), but got {chosen}"
            )
        self.memory_layers = [layer % num_encoder_layers for layer in chosen]
        self.pad, self.scale, self.max_length = pad, math.sqrt(d_model), max_length
        self.source_embedding = nn.Embedding(source_size, d_model, pad)
        self.target_embedding = nn.Embedding(target_size, d_model, pad)
        self.positions = nn.SinusoidalPositionalEncoding(d_model, max_length, dropout, batch_first=True)
        self.transformer = nn.Transformer(
            d_model, num_heads, num_encoder_layers, num_decoder_layers, dim_feedforward, dropout, activation,
            batch_first=True, norm_first=norm_first,
        )  # fmt: skip
        self.output = nn.Linear(d_model, target_size)
        with no_grad():
            for table in (self.source_embedding.weight, self.target_embedding.weight):
                table.div_(self.scale)  # so that what is multiplied by sqrt(d_model) has a variance of 1

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> dict:
        """The decoder's state before its first token.

        Args:
            source: (N, S).
            lengths: of the sources, (N), in [1, S]; None: all are S.
        """
        name = type(self).__name__
        check_tokens(name, "source", source)
        lengths = checked_lengths(name, "lengths", lengths, *source.shape)
        encoder, padding = self.transformer.encoder, KeyPadding(lengths)
        x, memories = self.positions(self.source_embedding(source) * self.scale), {}
        for i, layer in enumerate(encoder.layers):
            x = layer(x, padding)
            if i in self.memory_layers:
                memories[i] = encoder.norm(x)
        return {"memories": memories, "lengths": lengths}

    def _decode(self, x: Tensor, state: dict, mask: Mask | None, caches: Sequence | None = None) -> Tensor:
        """The logits of embedded targets: self-attention under the mask, or from the caches."""
        decoder, padding = self.transformer.decoder, KeyPadding(state["lengths"])
        for i, (layer, chosen) in enumerate(zip(decoder.layers, self.memory_layers)):
            cache = None if caches is None else caches[i]
            x = layer(x, state["memories"][chosen], tgt_mask=mask, memory_mask=padding, cache=cache)
        return self.output(decoder.norm(x))


class TransformerTranslator(EncoderDecoder, Translator):
    """p(y_t | y_1 ... y_{t-1}, x) = softmax(W_o d_t + b_o), with d the decoder's result for y_0 ... y_{t-1}.

    Embeddings are multiplied by sqrt(d_model), and positions are sinusoidal. Attention to sources runs under
    `KeyPadding`, that of the decoder to itself under `Causal`; padding behind the end of a source costs whole blocks of
    64 tokens nothing. Layers that memory_layers chooses go through the encoder's last normalization.

    Args:
        source_size, target_size: tokens of the two vocabularies.
        d_model: features; a multiple of num_heads. Default: 128.
        num_heads: of attention. Default: 4.
        num_encoder_layers, num_decoder_layers: Default: 2.
        dim_feedforward, dropout, activation, norm_first: those of the layers. Default: 256, 0.1, relu, False.
        max_length: most tokens of a source or target. Default: 512.
        memory_layers: which of the encoder's layers each of the decoder's attends to, negative: from the last one.
            Default: None, all to the last.
        pad: the padding's number. Default: 0.

    Shapes: source (N, S) and target (N, T), both int64, to logits (N, T, target_size): position t is given the target
        up to t.

    Raises:
        TypeError: if tokens or lengths are no integers.
        ValueError: for sizes that are not positive, memory_layers that are not there, lengths that are not in [1, S],
            or more than max_length tokens.

    Source: Vaswani et al.: Attention is all you need, 2017.
    """

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> dict:
        caches = [(nn.KeyValueCache(), nn.KeyValueCache()) for _ in self.memory_layers]
        return {**super().encode(source, lengths), "caches": caches}

    def forward(self, source: Tensor, target: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The logits (N, T, target_size).

        Args:
            source, lengths: those of `encode`.
            target: (N, T), the first tokens of which are `<bos>`.
        """
        state = self.encode(source, lengths)
        check_tokens("TransformerTranslator", "target", target, len(source))
        return self._decode(self.positions(self.target_embedding(target) * self.scale), state, Causal())

    def step(self, tokens: Tensor, state: dict) -> tuple[Tensor, dict]:
        """The logits (N, target_size) of what follows tokens (N,), and the state, which it changes; no gradients."""
        x = self.target_embedding(tokens.unsqueeze(1)) * self.scale
        x = self.positions(x, offset=len(state["caches"][0][0]))
        return self._decode(x, state, None, state["caches"]).squeeze(1), state
