"""Rows of a table, each or in bags."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor
from ...autograd import Function, no_grad


class _ScaledGradient(Function):
    """x, whose gradient is multiplied by scale."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(scale)
        return x

    @staticmethod
    def backward(ctx, dy: Tensor):
        (scale,) = ctx.saved_tensors
        return dy * scale, None


def padding_row(op: str, padding_idx: int | None, rows: int) -> int | None:
    """padding_idx counted from the first row."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ValueError(f"{op}: padding_idx must be within the {rows} embeddings, but got {padding_idx}")
    return padding_idx % rows


def _renormalize_(op: str, weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale those of the rows that are longer than max_norm to this length."""
    if weight.dim() != 2:
        raise RuntimeError(f"{op}: weight must have two dimensions but got shape {tuple(weight.shape)}")
    with no_grad():
        rows = indices.reshape(-1).unique()
        picked = _core.index_select(weight, 0, rows)
        norms = picked.norm(norm_type, 1, keepdim=True)
        shortened = picked * (max_norm / (norms + 1e-7))
        weight.index_copy_(0, rows, _core.where(norms > max_norm, shortened, picked))


def _rows(weight: Tensor, indices: Tensor, padding: int | None, scale_grad_by_freq: bool, sparse: bool) -> Tensor:
    y = _core.embedding(weight, indices, -1 if padding is None else padding, sparse=sparse)
    if not scale_grad_by_freq:
        return y
    flat = indices.reshape(-1)
    counts = _core.bincount(flat, minlength=weight.shape[0]).index_select(0, flat)
    return _ScaledGradient.apply(y, (1 / counts.to(y.dtype)).reshape(*indices.shape, 1))


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """y_i = weight_{input_i}.

    Args:
        input: (*), of int64 or int32.
        weight: (rows, features).
        padding_idx: a row without gradient.
        max_norm: rows that are read are scaled in place to at most this norm.
        norm_type: the p of this p-norm. Default: 2.
        scale_grad_by_freq: divide the gradient of a row by how often it is read.
        sparse: weight's gradient is a tensor of the rows that were read (`Tensor.is_sparse`), in time and memory
            proportional to them. It is dense as soon as something other than the sum of gradients, the norm's clipping,
            `optim.SGD` without momentum and weight decay, `optim.Adagrad`, or `optim.SparseAdam` looks at its
            elements, and with create_graph=True.

    Returns:
        (*, features).

    Raises:
        IndexError: for an index outside the table.
        ValueError: for such a padding_idx.
    """
    padding = padding_row("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        _renormalize_("embedding", weight, input, max_norm, norm_type)
    return _rows(weight, input, padding, scale_grad_by_freq, sparse)


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Tensor, int]:
    """The bag of each index, of those that are in one, and the number of bags."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: offsets must be None for 2-D input, whose rows are the bags")
        bags, length = input.shape
        return _core.arange(bags).repeat_interleave(length), bags
    if input.dim() != 1:
        raise ValueError(f"embedding_bag: input must be 1-D or 2-D, but got shape {tuple(input.shape)}")
    if offsets is None or offsets.dim() != 1:
        got = None if offsets is None else f"shape {tuple(offsets.shape)}"
        raise ValueError(f"embedding_bag: offsets must be 1-D for 1-D input, but got {got}")
    if offsets.dtype not in (_core.int64, _core.int32):
        raise RuntimeError(f"embedding_bag: offsets must be of int64 or int32, but got {offsets.dtype}")
    borders = offsets.tolist()
    if include_last_offset and not borders:
        raise RuntimeError("embedding_bag: offsets must have at least one element with include_last_offset")
    if borders and borders[0] != 0:
        raise RuntimeError(f"embedding_bag: offsets[0] must be 0, but got {borders[0]}")
    if borders and borders[-1] > len(input):
        raise RuntimeError(
            f"embedding_bag: offsets[-1] must not be greater than input's length {len(input)}, but got {borders[-1]}"
        )
    if any(a > b for a, b in zip(borders, borders[1:])):
        raise RuntimeError("embedding_bag: offsets must not decrease")
    end = borders.pop() if include_last_offset else len(input) if borders else 0
    lengths = [b - a for a, b in zip(borders, [*borders[1:], end])]
    lengths = _core.tensor(lengths, dtype=_core.int64)
    return _core.arange(len(borders)).repeat_interleave(lengths), len(borders)


def _largest(rows: Tensor, bag: Tensor, bags: int) -> Tensor:
    """The largest elements of each bag: the first of equal ones, and of NaNs; zeros in a bag that is empty."""
    count, features = rows.shape
    values, place = rows.detach(), bag.unsqueeze(1).expand(count, features)
    lowest = _core.full((bags, features), float("-inf"), dtype=rows.dtype)
    largest = lowest.scatter_reduce(0, place, values, "amax").index_select(0, bag)
    hits = (values == largest) | values.isnan()
    order = _core.where(hits, _core.arange(count).unsqueeze(1), count)
    none = _core.full((bags, features), count, dtype=_core.int64)
    first = none.scatter_reduce(0, place, order, "amin")
    return _core.cat([rows, _core.zeros(1, features, dtype=rows.dtype)]).gather(0, first)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """y_b = sum_{i in bag b} per_sample_weights_i weight_{input_i}, or the mean or the maximum of the rows.

    Args:
        input: (bags, length), or (n) with offsets, of int64 or int32.
        weight: (rows, features).
        offsets: (bags), where each bag begins; the last one goes to the end.
        max_norm, norm_type, scale_grad_by_freq, sparse: see `embedding`. The last two are for sum and mean.
        mode: "sum", "mean" or "max". Default: "mean". A bag without rows gives zeros.
        per_sample_weights: of input's shape, for mode "sum". Default: ones.
        include_last_offset: offsets ends with where the last bag does.
        padding_idx: a row that is in no bag.

    Returns:
        (bags, features).

    Raises:
        ValueError: for other modes, and shapes and options that do not fit together.
        RuntimeError: for offsets that do not cut the input, or other dtypes.
        IndexError: for an index outside the table.
        NotImplementedError: for per_sample_weights in another mode.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode must be sum, mean or max, but got {mode!r}")
    if weight.dim() != 2:
        raise ValueError(f"embedding_bag: weight must have two dimensions but got shape {tuple(weight.shape)}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("embedding_bag: scale_grad_by_freq must be False for mode 'max'")
    if mode == "max" and sparse:
        raise ValueError("embedding_bag: sparse must be False for mode 'max'")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(f"embedding_bag: per_sample_weights are for mode 'sum', but got mode {mode!r}")
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                f"embedding_bag: per_sample_weights must have input's shape {tuple(input.shape)}, but got "
                f"{tuple(per_sample_weights.shape)}"
            )
        if per_sample_weights.dtype != weight.dtype:
            raise RuntimeError(
                f"embedding_bag: per_sample_weights must be of weight's dtype {weight.dtype}, but got "
                f"{per_sample_weights.dtype}"
            )
    padding = padding_row("embedding_bag", padding_idx, weight.shape[0])
    bag, bags = _bags(input, offsets, include_last_offset)
    indices = input.reshape(-1)[: len(bag)]
    scales = None if per_sample_weights is None else per_sample_weights.reshape(-1)[: len(bag)]
    if max_norm is not None:
        _renormalize_("embedding_bag", weight, indices, max_norm, norm_type)
    if padding is not None:
        kept = indices != padding
        indices, bag = indices[kept], bag[kept]
        scales = None if scales is None else scales[kept]

    rows = _rows(weight, indices, None, scale_grad_by_freq, sparse)
    if mode == "max":
        return _largest(rows, bag, bags)
    if scales is not None:
        rows = rows * scales.unsqueeze(1)
    y = _core.zeros(bags, rows.shape[1], dtype=rows.dtype).index_add(0, bag, rows)
    if mode == "sum":
        return y
    return y / _core.bincount(bag, minlength=bags).clamp(min=1).to(y.dtype).unsqueeze(1)
