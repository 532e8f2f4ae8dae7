"""What the models of sequences have in common."""

from __future__ import annotations

from ... import _core, nn
from ..._core import Tensor
from ...nn.attention import SlidingWindow, attention
from ...nn.transformer import MOST_LAYERS

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class SequenceModel(nn.Module):
    """A model that knows how it was built.

    Attributes:
        options: the arguments that build another one of the same shape.
    """

    def __init__(self, **options) -> None:
        super().__init__()
        self.options = options
        for name, value in options.items():
            if name.endswith(("_size", "_dim", "_length", "_model", "_segments")) or name.startswith("num_"):
                most = MOST_LAYERS if name == "num_layers" else 2**31
                if not isinstance(value, int) or not 1 <= value <= most:
                    raise ValueError(f"{type(self).__name__}: {name} must be an int in [1, {most}], but got {value!r}")

    def check_tokens(self, tokens: Tensor) -> None:
        if tokens.dim() != 2 or tokens.dtype not in (_core.int64, _core.int32):
            raise ValueError(
                f"{type(self).__name__}: tokens must have shape (N, T) and be int64, but got {tuple(tokens.shape)} of "
                f"{tokens.dtype}"
            )


def choose(kind: str, name: str, value: str, choices) -> None:
    """Raise ValueError if value is none of the choices."""
    if value not in choices:
        raise ValueError(f"{kind}: {name} must be one of {', '.join(choices)}, but got {value!r}")


def recurrent(cell: str, inputs: int, hidden: int, layers: int, dropout: float, bidirectional=False) -> nn.Module:
    """Layers of RNN, GRU or LSTM, with the batch first; dropout is between them."""
    between = dropout if layers > 1 else 0.0
    return CELLS[cell](inputs, hidden, layers, batch_first=True, dropout=between, bidirectional=bidirectional)


class RotaryLayer(nn.TransformerEncoderLayer):
    """A layer for (N, S, E) in which `rotary` turns queries and keys by their positions; attention is causal."""

    rotary: nn.RotaryEmbedding

    def _sa_block(self, x: Tensor, mask, padding, is_causal=False, cache: nn.KeyValueCache | None = None) -> Tensor:
        module, past = self.self_attn, 0 if cache is None else len(cache)
        rows = _core.linear(x, module.in_proj_weight, module.in_proj_bias)
        q, k, v = (part.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for part in rows.chunk(3, -1))
        q, k = self.rotary(q, k, past)
        if cache is not None:
            k, v = cache.append(k, v)
        # Query i is token past + i. A single one attends to all there are.
        mask = None if q.shape[2] == 1 else SlidingWindow(None, past)
        y = attention(q, k, v, mask, module.dropout if self.training else 0.0)
        return self.dropout1(module.out_proj(y.transpose(1, 2).flatten(2)))


def transformer(
    d_model: int, num_heads: int, num_layers: int, dropout: float, pre_norm: bool, rotary: bool = False
) -> nn.TransformerEncoder:
    """Layers with GELU and 4 d_model features in between, as GPT and BERT have them, and their initial parameters.

    Weights are drawn from N(0, 0.02^2), with pre-norm those that join a residual from N(0, 0.02^2 / (2 num_layers));
    biases are zeros.
    """
    kind = RotaryLayer if rotary else nn.TransformerEncoderLayer
    layer = kind(d_model, num_heads, 4 * d_model, dropout, "gelu", batch_first=True, norm_first=pre_norm)
    encoder = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(d_model) if pre_norm else None)
    if rotary:
        turn = nn.RotaryEmbedding(d_model // num_heads)
        for layer in encoder.layers:
            layer.rotary = turn
    for name, parameter in encoder.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.dim() > 1:
            joins = pre_norm and name.endswith(("out_proj.weight", "linear2.weight"))
            nn.init.normal_(parameter, std=0.02 / ((2 * num_layers) ** 0.5 if joins else 1))
    return encoder
