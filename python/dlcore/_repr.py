"""How tensors print: PyTorch's format, through numpy's formatting of the elements."""

from __future__ import annotations

from . import _core


class _Options:
    precision = 4
    threshold = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode = None


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """Sets how tensors print: digits, elements before summarizing, elements at each edge, width, scientific notation.

    `profile` is "default", "short" or "full".
    """
    if profile is not None:
        profiles = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, float("inf"), 3, 80)}
        if profile not in profiles:
            raise ValueError(f"set_printoptions: profile must be 'default', 'short' or 'full' but got {profile!r}")
        _Options.precision, _Options.threshold, _Options.edgeitems, _Options.linewidth = profiles[profile]
        _Options.sci_mode = None
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
        ("sci_mode", sci_mode),
    ):
        if value is not None:
            setattr(_Options, name, value)


def _formatter(values):
    """One format for all elements, so that columns line up; `values` are those that will be shown."""
    import numpy as np

    if values.dtype.kind == "b":
        width = max((len(str(bool(v))) for v in values), default=0)
        return lambda v: str(bool(v)).rjust(width)
    if values.dtype.kind != "f":
        width = max((len(str(v)) for v in values), default=0)
        return lambda v: str(v).rjust(width)
    finite = np.abs(values[np.isfinite(values) & (values != 0)].astype(np.float64))
    digits = _Options.precision
    whole = bool((finite == np.ceil(finite)).all())
    scientific = _Options.sci_mode
    if scientific is None and finite.size:
        low, high = finite.min(), finite.max()
        scientific = bool(high / low > 1000.0 or high > 1.0e8 or (not whole and low < 1.0e-4))
        if whole and high / low > 1000.0 and high <= 1.0e8:
            scientific = True

    def number(v):
        if not np.isfinite(v):
            return str(float(v))
        if scientific:
            return f"{v:.{digits}e}"
        return f"{v:.0f}." if whole else f"{v:.{digits}f}"

    width = max((len(number(v)) for v in values[np.isfinite(values)]), default=0)
    return lambda v: number(v).rjust(width)


def _shown(array):
    """Indices along each dimension that are printed: all, or the edges of a large tensor."""
    if array.size <= _Options.threshold:
        return [list(range(n)) for n in array.shape]
    e = _Options.edgeitems
    return [list(range(n)) if n <= 2 * e else [*range(e), None, *range(n - e, n)] for n in array.shape]


def _text(array, shown, number, indent):
    if not shown:
        return number(array[()])
    if len(shown) == 1:
        parts = [" ..." if i is None else number(array[i]) for i in shown[0]]
        lines, line = [], ""
        room = max(_Options.linewidth - indent - 1, 1)
        for part in parts:
            piece = (", " if line else "") + part
            if line and len(line) + len(piece) > room:
                lines.append(line + ",")
                line = part
            else:
                line += piece
        lines.append(line)
        return "[" + ("\n" + " " * (indent + 1)).join(lines) + "]"
    rows = ["..." if i is None else _text(array[i], shown[1:], number, indent + 1) for i in shown[0]]
    return "[" + ("," + "\n" * (len(shown) - 1) + " " * (indent + 1)).join(rows) + "]"


def _body(tensor, indent):
    import numpy as np

    array = (tensor.float() if tensor.dtype.name in ("bfloat16", "float16") else tensor).detach().numpy()
    shown = _shown(array)
    picked = array
    for axis, indices in enumerate(shown):
        if None in indices:
            picked = np.take(picked, [i for i in indices if i is not None], axis=axis)
    return _text(array, shown, _formatter(picked.reshape(-1)), indent)


def _sparse_repr(self):
    """tensor(indices=..., values=..., size=(4, 2), nnz=1, layout=sparse_coo): its other elements are not made."""
    names = {"indices": self._indices(), "values": self._values()}
    parts = [f"{name}={repr(part)}".replace("\n", "\n" + " " * len(f"tensor({name}=")) for name, part in names.items()]
    rest = f"size={tuple(self.shape)}, nnz={self._nnz()}, layout={self.layout}"
    return "tensor(" + (",\n" + " " * len("tensor(")).join([*parts, rest]) + ")"


def tensor_repr(self):
    """tensor([[1., 2.]], requires_grad=True)"""
    if self.is_sparse:
        return _sparse_repr(self)
    suffixes = []
    default = self.dtype is _core.get_default_dtype() or self.dtype.name in ("int64", "bool")
    if self.numel() == 0:
        body = "[]"
        if self.ndim != 1:
            suffixes.append(f"size={tuple(self.shape)}")
        if self.dtype is not _core.get_default_dtype():
            suffixes.append(f"dtype={self.dtype}")
    else:
        body = _body(self, len("tensor("))
        if not default:
            suffixes.append(f"dtype={self.dtype}")
    if self.grad_fn is not None:
        suffixes.append(f"grad_fn=<{self.grad_fn.name()}>")
    elif self.requires_grad:
        suffixes.append("requires_grad=True")
    return "tensor(" + ", ".join([body, *suffixes]) + ")"


_core._add_method("__repr__", tensor_repr)
