"""Tables of learned rows."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from ..autograd import no_grad
from . import functional as F
from . import init
from .functional.embedding import padding_row
from .module import Module
from .parameter import Parameter


class _Table(Module):
    """What Embedding and EmbeddingBag have in common."""

    def _set_table(self, num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse):
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_row(type(self).__name__, padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse

    def _set_weight(self, weight: Tensor | None, frozen: bool, device, dtype) -> None:
        shape = (self.num_embeddings, self.embedding_dim)
        if weight is None:
            self.weight = Parameter(_core.empty(shape, device=device, dtype=dtype), requires_grad=not frozen)
            self.reset_parameters()
        elif tuple(weight.shape) != shape:
            raise ValueError(f"{type(self).__name__}: weight must have shape {shape}, but got {tuple(weight.shape)}")
        else:
            self.weight = Parameter(weight, requires_grad=not frozen)

    def reset_parameters(self) -> None:
        """Draw the table anew, from N(0, 1), and fill the row of the padding with zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)


def _table(kind: str, embeddings: Tensor) -> dict:
    if embeddings.dim() != 2:
        raise ValueError(f"{kind}: embeddings must have two dimensions, but got shape {tuple(embeddings.shape)}")
    return {"num_embeddings": embeddings.shape[0], "embedding_dim": embeddings.shape[1], "_weight": embeddings}


class Embedding(_Table):
    """y_i = weight_{x_i}.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: features of a row.
        padding_idx: a row without gradient, initially zeros; negative: from the end.
        max_norm: rows that are read are scaled in place to at most this norm.
        norm_type: the p of this p-norm. Default: 2.
        scale_grad_by_freq: divide the gradient of a row by how often it is read. Default: False.
        sparse: the table's gradient is a tensor of the rows that were read, for large tables; see
            `functional.embedding`. Default: False.
        device, dtype: those of the table.

    Attributes:
        weight: (num_embeddings, embedding_dim), from N(0, 1).

    Shapes: (*), of int64 or int32, to (*, embedding_dim).

    Raises:
        ValueError: if padding_idx is no row.
        IndexError: for an index outside the table.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self._set_table(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        self._set_weight(_weight, _freeze, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """With `embeddings`, (num_embeddings, embedding_dim), as the table, by default without gradient."""
        return cls(
            **_table("Embedding", embeddings),
            _freeze=freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        if self.sparse is not False:
            text += ", sparse=True"
        return text


class EmbeddingBag(_Table):
    """y_b: sum, mean or maximum of the rows of bag b.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: features of a row.
        max_norm, norm_type, scale_grad_by_freq, sparse: those of Embedding; the last two for sum and mean.
        mode: "sum", "mean" or "max". Default: "mean". A bag without rows gives zeros.
        include_last_offset: offsets ends with where the last bag does. Default: False.
        padding_idx: a row that is in no bag, initially zeros; negative: from the end.
        device, dtype: those of the table.

    Attributes:
        weight: (num_embeddings, embedding_dim), from N(0, 1).

    Shapes: (bags, length), or (n) with offsets (bags) at which each bag begins, to (bags, embedding_dim).
        per_sample_weights, for mode "sum": that of the input.

    Raises:
        ValueError, RuntimeError, IndexError, NotImplementedError: see `functional.embedding_bag`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self._set_table(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        self._set_weight(_weight, False, device, dtype)
        self.mode = mode
        self.include_last_offset = include_last_offset

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """With `embeddings`, (num_embeddings, embedding_dim), as the table, by default without gradient."""
        bag = cls(
            **_table("EmbeddingBag", embeddings),
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        bag.weight.requires_grad = not freeze
        return bag

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        text += f", mode={self.mode!r}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        return text
