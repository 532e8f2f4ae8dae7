"""Attention of several heads as a module."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from .attention import Mask
from .linear import Linear
from .module import Module
from .parameter import Parameter


class MultiheadAttention(Module):
    """concat(head_1, ..., head_h) w_out^T + b_out, where head_i = attention(q w_q,i^T, k w_k,i^T, v w_v,i^T).

    Args:
        embed_dim: features of query and of the result; a multiple of num_heads.
        num_heads: of embed_dim / num_heads features each.
        dropout: probability with which a weight of attention is zeroed while training. Default: 0.
        bias: whether the projections have one. Default: True.
        add_bias_kv: append a learned key and value to those given.
        add_zero_attn: append a key and value of zeros.
        kdim, vdim: features of key and value. Default: embed_dim.
        batch_first: input is (N, L, E) rather than (L, N, E).
        device, dtype: those of the parameters.

    Attributes:
        in_proj_weight: (3 embed_dim, embed_dim), of query, key and value; or, where kdim or vdim differ,
            q_proj_weight, k_proj_weight and v_proj_weight. Xavier's uniform distribution.
        in_proj_bias: (3 embed_dim), zeros.
        out_proj: Linear(embed_dim, embed_dim), with a bias of zeros.
        bias_k, bias_v: (1, 1, embed_dim), Xavier's normal distribution, with add_bias_kv.

    Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim), or without N, to (L, N, E) and the weights.
    Source: Vaswani et al.: Attention is all you need, 2017.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"MultiheadAttention: embed_dim and num_heads must be positive, but got {embed_dim} and {num_heads}"
            )
        if embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: num_heads must divide embed_dim; expected a divisor of {embed_dim} but got "
                f"{num_heads}"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
        self.head_dim = embed_dim // num_heads

        def parameter(*shape):
            return Parameter(_core.empty(shape, device=device, dtype=dtype))

        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = parameter(embed_dim, embed_dim)
            self.k_proj_weight = parameter(embed_dim, self.kdim)
            self.v_proj_weight = parameter(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", parameter(3 * embed_dim) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self.bias_k = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = parameter(1, 1, embed_dim) if add_bias_kv else None
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | Mask | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result, and the weights if need_weights: without them attention runs in blocks, in linear memory.

        Args:
            key_padding_mask: (N, S): true where a key takes no part, or numbers to be added.
            attn_mask: (L, S) or (N num_heads, L, S), the same for pairs; or a `dlcore.nn.attention.Mask`.
            average_attn_weights: weights are (N, L, S), averaged over the heads, else (N, num_heads, L, S).
            is_causal: attn_mask is known to be the causal mask.
        """
        turned = self.batch_first and query.dim() == 3
        if turned:
            same = query is key and key is value
            query = query.transpose(0, 1)
            key, value = (query, query) if same else (key.transpose(0, 1), value.transpose(0, 1))
        y, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=self.in_proj_weight is None,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (y.transpose(0, 1) if turned else y), weights
