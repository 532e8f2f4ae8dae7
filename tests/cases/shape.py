import numpy as np

from . import arr, bools, case, ints

# ---- views

for old, new in [((2, 6), (3, 4)), ((2, 6), (-1,)), ((12,), (2, -1, 3)), ((1, 12, 1), (12,)), ((1,), ()), ((), (1, 1))]:
    case("reshape", lambda d, x, new=new: d.reshape(x, new), [arr(*old)], lambda x, new=new: x.reshape(new))
case("reshape_method", lambda d, x: x.reshape(4, -1), [arr(2, 6)], lambda x: x.reshape(4, 3))
case("reshape_empty", lambda d, x: x.reshape(3, 0, 2), [arr(0, 5)], lambda x: x.reshape(3, 0, 2), grad=False)
case("reshape_transposed", lambda d, x: x.transpose(0, 1).reshape(6, 4), [arr(3, 2, 4)],
     lambda x: x.transpose(1, 0, 2).reshape(6, 4), gradgrad=True)  # fmt: skip
case("reshape_expanded", lambda d, x: x.expand(3, 2, 4).reshape(6, 4), [arr(2, 4)],
     lambda x: np.broadcast_to(x, (3, 2, 4)).reshape(6, 4), length=3)  # fmt: skip
case("reshape_as", lambda d, x, y: x.reshape_as(y), [arr(2, 6), arr(3, 4, grad=False)], lambda x, y: x.reshape(3, 4))
case("view", lambda d, x: x.contiguous().view(3, -1), [arr(2, 6)], lambda x: x.reshape(3, 4))
case(
    "view_as",
    lambda d, x, y: x.contiguous().view_as(y),
    [arr(2, 6), arr(4, 3, grad=False)],
    lambda x, y: x.reshape(4, 3),
)
for shape, first, last, new in [((2, 3, 4), 0, -1, (24,)), ((2, 3, 4), 1, 2, (2, 12)), ((2, 3, 4), 0, 1, (6, 4)),
                                ((), 0, -1, (1,)), ((5,), 0, 0, (5,))]:  # fmt: skip
    case("flatten", lambda d, x, a=first, b=last: d.flatten(x, a, b), [arr(*shape)], lambda x, new=new: x.reshape(new))
case("flatten_names", lambda d, x: x.flatten(start_dim=-2, end_dim=-1), [arr(2, 3, 4)], lambda x: x.reshape(2, 12))
case("ravel", lambda d, x: x.ravel(), [arr(2, 3)], np.ravel)
case("unflatten", lambda d, x: x.unflatten(1, (2, -1)), [arr(2, 6)], lambda x: x.reshape(2, 2, 3))
case("unflatten", lambda d, x: d.unflatten(x, dim=-1, sizes=(3, 2)), [arr(2, 6)], lambda x: x.reshape(2, 3, 2))
for dim, new in [
    (None, (3, 4)),
    (0, (3, 1, 4)),
    (-2, (1, 3, 4)),
    (1, (1, 3, 1, 4)),
    ((0, 2), (3, 4)),
    ((0, 1), (3, 1, 4)),
]:
    case("squeeze", lambda d, x, dim=dim: d.squeeze(x) if dim is None else d.squeeze(x, dim), [arr(1, 3, 1, 4)],
         lambda x, new=new: x.reshape(new))  # fmt: skip
for dim in (0, 1, 2, -1, -3):
    case("unsqueeze", lambda d, x, dim=dim: x.unsqueeze(dim), [arr(2, 3)], lambda x, dim=dim: np.expand_dims(x, dim))
case("unsqueeze_0d", lambda d, x: x.unsqueeze(-1), [arr()], lambda x: x.reshape(1))
for a, b in [(0, 1), (0, -1), (1, 1), (-2, -3)]:
    case(
        "transpose",
        lambda d, x, a=a, b=b: d.transpose(x, a, b),
        [arr(2, 3, 4)],
        lambda x, a=a, b=b: np.swapaxes(x, a, b),
    )
case("swapaxes", lambda d, x: x.swapaxes(0, 2), [arr(2, 3, 4)], lambda x: x.swapaxes(0, 2))
case("swapdims", lambda d, x: d.swapdims(x, 0, 1), [arr(2, 3, 4)], lambda x: x.swapaxes(0, 1))
case("t", lambda d, x: x.t(), [arr(2, 3)], np.transpose)
case("t_vector", lambda d, x: d.t(x), [arr(3)], lambda x: x)
case("T", lambda d, x: x.T, [arr(2, 3)], np.transpose)
case("mT", lambda d, x: x.mT, [arr(2, 3, 4)], lambda x: x.swapaxes(1, 2))
case("adjoint", lambda d, x: x.adjoint(), [arr(2, 3, 4)], lambda x: x.swapaxes(1, 2))
for dims in [(2, 0, 1), (0, -1, 1), (0, 1, 2)]:
    case("permute", lambda d, x, dims=dims: x.permute(*dims), [arr(2, 3, 4)], lambda x, dims=dims: x.transpose(dims))
case(
    "permute_function",
    lambda d, x: d.permute(x, (1, 2, 0)),
    [arr(2, 3, 4)],
    lambda x: x.transpose(1, 2, 0),
    gradgrad=True,
)
for source, destination in [(0, 2), (-1, 0), ((0, 1), (2, 0)), ((2, 0), (0, 1))]:
    case("movedim", lambda d, x, s=source, t=destination: d.movedim(x, s, t), [arr(2, 3, 4)],
         lambda x, s=source, t=destination: np.moveaxis(x, s, t))  # fmt: skip
case("moveaxis", lambda d, x: x.moveaxis(1, 0), [arr(2, 3, 4)], lambda x: np.moveaxis(x, 1, 0))
for old, size, new in [
    ((3, 1), (3, 4), (3, 4)),
    ((3, 1), (2, -1, 4), (2, 3, 4)),
    ((), (2, 3), (2, 3)),
    ((1,), (1,), (1,)),
]:
    case("expand", lambda d, x, size=size: x.expand(*size), [arr(*old)], lambda x, new=new: np.broadcast_to(x, new),
         length=8)  # fmt: skip
case("expand_empty", lambda d, x: x.expand(0, 3), [arr(1, 3)], lambda x: np.broadcast_to(x, (0, 3)), grad=False)
case("expand_gradgrad", lambda d, x: x.expand(4, 3) * x, [arr(3)], lambda x: np.broadcast_to(x * x, (4, 3)), length=4,
     gradgrad=True)  # fmt: skip
case("expand_as", lambda d, x, y: x.expand_as(y), [arr(3, 1), arr(2, 3, 4, grad=False)],
     lambda x, y: np.broadcast_to(x, y.shape), length=8)  # fmt: skip
case("broadcast_to", lambda d, x: d.broadcast_to(x, (2, 3)), [arr(3)], lambda x: np.broadcast_to(x, (2, 3)), length=2)
case(
    "broadcast_tensors",
    lambda d, *x: d.broadcast_tensors(*x),
    [arr(3, 1), arr(4), arr()],
    np.broadcast_arrays,
    length=12,
)
for dim, index in [(0, 1), (1, -1), (-1, 0)]:
    case("select", lambda d, x, dim=dim, i=index: d.select(x, dim, i), [arr(2, 3, 4)],
         lambda x, dim=dim, i=index: np.take(x, i, dim), gradgrad=dim == 0)  # fmt: skip
case("narrow", lambda d, x: x.narrow(1, 1, 2), [arr(2, 5)], lambda x: x[:, 1:3])
case("narrow_negative", lambda d, x: d.narrow(x, -1, -3, 2), [arr(2, 5)], lambda x: x[:, 2:4])
case("narrow_empty", lambda d, x: x.narrow(1, 5, 0), [arr(2, 5)], lambda x: x[:, 5:], grad=False)
case("slice", lambda d, x: x[1:, ::2, 3:1000], [arr(3, 5, 7)], lambda x: x[1:, ::2, 3:], gradgrad=True)
for dim in (0, 1, -1):
    case(
        "unbind",
        lambda d, x, dim=dim: d.unbind(x, dim),
        [arr(2, 3, 4)],
        lambda x, dim=dim: list(np.moveaxis(x, dim, 0)),
    )
case("unbind_iterate", lambda d, x: [r * r for r in x], [arr(3, 2)], lambda x: [r * r for r in x], gradgrad=True)
case("unbind_one_used", lambda d, x: x.unbind(1)[1], [arr(2, 3)], lambda x: x[:, 1])
for size, dim in [(2, 0), (5, 0), (7, 0), ([1, 4], 0), ([0, 2, 1], 1), (1, -1)]:
    case("split", lambda d, x, size=size, dim=dim: d.split(x, size, dim), [arr(5, 3)],
         lambda x, size=size, dim=dim: np.split(x, np.cumsum(size)[:-1] if isinstance(size, list)
                                                else range(size, x.shape[dim], size), dim))  # fmt: skip
case("split_method", lambda d, x: x.split(2, dim=1), [arr(2, 4)], lambda x: np.split(x, 2, 1))
for shape, n, cuts in [((5,), 3, (2, 4)), ((6,), 4, (2, 4)), ((2,), 5, (1,)), ((4,), 1, ())]:
    case("chunk", lambda d, x, n=n: d.chunk(x, n), [arr(*shape)], lambda x, cuts=cuts: np.split(x, cuts))
case("chunk_dim", lambda d, x: x.chunk(2, dim=-1), [arr(2, 5)], lambda x: [x[:, :3], x[:, 3:]])
case("tensor_split", lambda d, x: d.tensor_split(x, 3), [arr(7, 2)], lambda x: np.array_split(x, 3))
case("tensor_split_at", lambda d, x: x.tensor_split((1, 3), dim=1), [arr(2, 5)], lambda x: np.split(x, (1, 3), 1))
case("hsplit", lambda d, x: d.hsplit(x, 2), [arr(3, 4)], lambda x: np.hsplit(x, 2))
case("vsplit", lambda d, x: d.vsplit(x, [1]), [arr(3, 4)], lambda x: np.vsplit(x, [1]))
for shape, args in [((3, 4), (0,)), ((3, 4), (2,)), ((3, 4), (-1,)), ((2, 3, 4), (1, -1, 0)), ((3, 3), (5,))]:
    case("diagonal", lambda d, x, a=args: d.diagonal(x, *a), [arr(*shape)], lambda x, a=args: np.diagonal(x, *a),
         grad=args != (5,), gradgrad=args == (2,))  # fmt: skip
case(
    "unfold", lambda d, x: x.unfold(0, 3, 2), [arr(8)], lambda x: np.stack([x[i : i + 3] for i in (0, 2, 4)]), length=2
)
case("as_strided_overlapping", lambda d, x: x.contiguous().as_strided((3, 3), (1, 1)), [arr(6)],
     lambda x: np.stack([x[i : i + 3] for i in range(3)]), length=3)  # fmt: skip
case("atleast", lambda d, x: [d.atleast_1d(x), d.atleast_2d(x), d.atleast_3d(x)], [arr(3)],
     lambda x: [np.atleast_1d(x), np.atleast_2d(x), np.atleast_3d(x)], length=3)  # fmt: skip

# ---- copies

for shape, counts in [((2, 3), (2, 1)), ((3,), (2, 2)), ((), (3,)), ((2, 1), (1, 4))]:
    case("repeat", lambda d, x, n=counts: x.repeat(*n), [arr(*shape)], lambda x, n=counts: np.tile(x, n), length=4)
case("repeat_zero", lambda d, x: x.repeat(0, 2), [arr(3)], lambda x: np.tile(x, (0, 2)), grad=False)
case("tile", lambda d, x: d.tile(x, (2,)), [arr(2, 3)], lambda x: np.tile(x, (2,)), length=2)
case("tile", lambda d, x: x.tile(2, 1, 2), [arr(3, 2)], lambda x: np.tile(x, (2, 1, 2)), length=4, gradgrad=True)
case("repeat_interleave", lambda d, x: d.repeat_interleave(x, 3), [arr(2, 2)], lambda x: np.repeat(x, 3), length=3)
case(
    "repeat_interleave", lambda d, x: x.repeat_interleave(2, dim=1), [arr(2, 3)], lambda x: np.repeat(x, 2, 1), length=2
)
case("repeat_interleave", lambda d, x, n: x.repeat_interleave(n, dim=0), [arr(3, 2), np.array([2, 0, 1])],
     lambda x, n: np.repeat(x, n, 0), length=2)  # fmt: skip
for dims in [(0,), (1,), (0, -1), (0, 1, 2)]:
    case("flip", lambda d, x, dims=dims: d.flip(x, dims), [arr(2, 3, 4)], lambda x, dims=dims: np.flip(x, dims))
case("fliplr", lambda d, x: d.fliplr(x), [arr(2, 3)], np.fliplr)
case("flipud", lambda d, x: d.flipud(x), [arr(2, 3)], np.flipud)
for shifts, dims in [(1, None), (-2, 0), (7, 1), ((1, -1), (0, 1)), (0, 0)]:
    case("roll", lambda d, x, s=shifts, dims=dims: d.roll(x, s) if dims is None else d.roll(x, s, dims), [arr(3, 4)],
         lambda x, s=shifts, dims=dims: np.roll(x, s, dims))  # fmt: skip
for k in (0, 1, 2, 3, -1):
    case("rot90", lambda d, x, k=k: d.rot90(x, k, [0, 1]), [arr(2, 3)], lambda x, k=k: np.rot90(x, k))
for name, ref in [("tril", np.tril), ("triu", np.triu)]:
    for k in (0, 1, -2):
        case(
            name, lambda d, x, k=k, name=name: getattr(d, name)(x, k), [arr(2, 3, 4)], lambda x, k=k, ref=ref: ref(x, k)
        )
    case(name, lambda d, x, name=name: getattr(x, name)(diagonal=-1), [arr(17, 33)], lambda x, ref=ref: ref(x, -1))
    case(
        name + "_outside",
        lambda d, x, name=name: getattr(x, name)(9),
        [arr(3, 2)],
        lambda x, ref=ref: ref(x, 9),
        grad=False,
    )
for k in (0, 1, -1):
    case("diag", lambda d, x, k=k: d.diag(x, k), [arr(3)], lambda x, k=k: np.diag(x, k))
    case("diag_of_matrix", lambda d, x, k=k: x.diag(k), [arr(3, 4)], lambda x, k=k: np.diag(x, k))
case("diagflat", lambda d, x: d.diagflat(x, 1), [arr(2, 2)], lambda x: np.diagflat(x, 1))
case("diag_embed", lambda d, x: d.diag_embed(x), [arr(2, 3)], lambda x: x[:, :, None] * np.eye(3))
case("clone", lambda d, x: x.clone() * x, [arr(3, 4)], lambda x: x * x, gradgrad=True)
case("contiguous", lambda d, x: x.transpose(0, 1).contiguous(), [arr(3, 4)], np.transpose)

# ---- joining

for shapes, dim in [
    ([(2, 3), (4, 3)], 0),
    ([(2, 3), (2, 1), (2, 2)], -1),
    ([(3,)], 0),
    ([(2, 0), (2, 3)], 1),
    ([(1, 17), (33, 17)], 0),
]:
    case("cat", lambda d, *x, dim=dim: d.cat(x, dim), [arr(*s) for s in shapes],
         lambda *x, dim=dim: np.concatenate(x, dim))  # fmt: skip
case("cat_with_itself", lambda d, x: d.cat([x, x * x, x], dim=1), [arr(2, 3)],
     lambda x: np.concatenate([x, x * x, x], 1),
     length=3, gradgrad=True)  # fmt: skip
case("cat_empty_vector", lambda d, x: d.cat([d.zeros(0, dtype=x.dtype), x], 1), [arr(2, 3)], lambda x: x)
case("cat_transposed", lambda d, x, y: d.cat([x.T, y]), [arr(3, 2), arr(4, 3)], lambda x, y: np.concatenate([x.T, y]))
case("cat_promotes", lambda d, x, i: d.cat([x, i]), [arr(3), ints(2)], lambda x, i: np.concatenate([x, i]))
for dim in (0, 1, -1):
    case("stack", lambda d, *x, dim=dim: d.stack(x, dim), [arr(2, 3), arr(2, 3)], lambda *x, dim=dim: np.stack(x, dim))
case("stack_0d", lambda d, *x: d.stack(x), [arr(), arr(), arr()], lambda *x: np.stack(x))
case("hstack", lambda d, *x: d.hstack(x), [arr(2, 3), arr(2, 2)], lambda *x: np.hstack(x))
case("hstack_vectors", lambda d, *x: d.hstack(x), [arr(3), arr(2)], lambda *x: np.hstack(x))
case("vstack", lambda d, *x: d.vstack(x), [arr(3), arr(2, 3)], lambda *x: np.vstack(x))
case("dstack", lambda d, *x: d.dstack(x), [arr(2, 3), arr(2, 3)], lambda *x: np.dstack(x))
case("column_stack", lambda d, *x: d.column_stack(x), [arr(3), arr(3, 2)], lambda *x: np.column_stack(x))
case("meshgrid", lambda d, *x: d.meshgrid(*x, indexing="ij"), [arr(2), arr(3)],
     lambda *x: np.meshgrid(*x, indexing="ij"),
     length=3)  # fmt: skip
case("meshgrid_xy", lambda d, *x: d.meshgrid(*x, indexing="xy"), [arr(2), arr(3), arr(2)],
     lambda *x: np.meshgrid(*x, indexing="xy"), length=6)  # fmt: skip

# ---- other dtypes go through the same bytes

for name, fn, ref in [
    ("flip", lambda d, x: x.flip(0), lambda x: np.flip(x, 0)),
    ("roll", lambda d, x: x.roll(1, 1), lambda x: np.roll(x, 1, 1)),
    ("tril", lambda d, x: x.tril(), np.tril),
    ("cat", lambda d, x: d.cat([x, x.flip(0)]), lambda x: np.concatenate([x, np.flip(x, 0)])),
    ("transposed_copy", lambda d, x: x.T.contiguous(), lambda x: x.T),
    ("diagonal", lambda d, x: x.diagonal(1), lambda x: np.diagonal(x, 1)),
]:
    case(name + "_int64", fn, [ints(5, 7)], ref, grad=False)
    case(name + "_bool", fn, [bools(5, 7)], ref, grad=False)
    for dtype in ("int8", "int16", "int32", "uint8", "float16", "bfloat16"):
        case(f"{name}_{dtype}", lambda d, x, fn=fn, dtype=dtype: fn(d, x.to(getattr(d, dtype))).to(d.int64),
             [ints(5, 7)],
             ref, grad=False)  # fmt: skip

# ---- writes through views

case("write_row", lambda d, x, y: write(x, lambda z: z[1].mul_(y)), [arr(3, 4), arr(4)],
     lambda x, y: np.stack([x[0], x[1] * y, x[2]]))  # fmt: skip
case("write_diagonal", lambda d, x, y: write(x, lambda z: z.diagonal().copy_(y)), [arr(3, 3), arr(3)],
     lambda x, y: x * (1 - np.eye(3)) + np.diag(y))  # fmt: skip
case("write_unbound", lambda d, x, y: write(x, lambda z: z.T[1].add_(y)), [arr(3, 4), arr(3)],
     lambda x, y: x + y[:, None] * np.eye(4)[1])  # fmt: skip
case(
    "write_zero", lambda d, x: write(x, lambda z: z[:, ::2].zero_()), [arr(3, 4)], lambda x: x * np.array([0, 1, 0, 1])
)
case("write_fill", lambda d, x: write(x, lambda z: z[1:].fill_(3)), [arr(2, 4)],
     lambda x: np.stack([x[0], np.full(4, 3.0)]))  # fmt: skip
case("tril_", lambda d, x: write(x, lambda z: z.tril_(1)), [arr(3, 4)], lambda x: np.tril(x, 1))
case("triu_", lambda d, x: write(x, lambda z: z.triu_(-1)), [arr(3, 4)], lambda x: np.triu(x, -1))


def write(x, change):
    """A copy of x after change(copy)."""
    y = x.clone()
    change(y)
    return y
