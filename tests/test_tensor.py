"""The Python face of tensors: construction, conversion, printing, protocols, sharing memory with others."""

import ctypes
import gc

import numpy as np
import pytest

import dlcore as d

DTYPES = [d.float32, d.float64, d.float16, d.int8, d.int16, d.int32, d.int64, d.uint8, d.bool]


def test_inferred_dtypes():
    assert d.tensor(1).dtype is d.int64
    assert d.tensor(1.5).dtype is d.float32
    assert d.tensor(True).dtype is d.bool
    assert d.tensor([1, 2.5]).dtype is d.float32
    assert d.tensor([]).dtype is d.float32 and d.tensor([]).shape == (0,)
    assert d.tensor([[], []]).shape == (2, 0)
    assert d.tensor(np.float64(2)).dtype is d.float64 or d.tensor(np.float64(2)).dtype is d.float32
    assert d.tensor([d.tensor(1), d.tensor(2)]).tolist() == [1, 2]


@pytest.mark.parametrize("data", [[[1, 2], [3]], [1, [2]], [[1], 2], [[1, 2], 3]])
def test_ragged(data):
    with pytest.raises(ValueError, match="expected a sequence|ragged"):
        d.tensor(data)


@pytest.mark.parametrize("data", ["abc", None, object(), [None], ["a"], {1: 2}, [1, "x"], lambda: 0])
def test_impossible_data(data):
    with pytest.raises(TypeError):
        d.tensor(data)


def test_self_containing_list():
    loop = []
    loop.append(loop)
    with pytest.raises((ValueError, RecursionError)):
        d.tensor(loop)


def test_integers_keep_their_value():
    big = 2**62 + 3
    assert d.tensor(big).item() == big
    assert d.tensor([-(2**63), 2**63 - 1]).tolist() == [-(2**63), 2**63 - 1]
    with pytest.raises((OverflowError, RuntimeError)):
        d.tensor(2**63)


def test_constructor():
    assert d.Tensor(2, 3).shape == (2, 3)
    assert d.Tensor(np.arange(3.0)).dtype is d.float32
    assert d.Tensor([1, 2]).tolist() == [1.0, 2.0]
    assert d.Tensor().shape == (0,)


def test_shape_is_a_tuple():
    x = d.zeros(2, 3)
    assert x.shape == (2, 3) and isinstance(x.shape, tuple)
    assert (1, 1) + x.shape == (1, 1, 2, 3) and x.shape + (4,) == (2, 3, 4)
    assert isinstance(x.shape[1:], d.Size) and x.shape.numel() == 6
    assert repr(x.shape) == "dlcore.Size([2, 3])"
    assert d.ones(x.shape).shape == x.shape and d.zeros(*x.shape).shape == x.shape
    assert hash(x.shape) == hash((2, 3))


def test_protocols():
    a, b = d.tensor([1, 2])
    assert (int(a), float(b)) == (1, 2.0)
    assert len(d.zeros(4, 2)) == 4
    assert [x.item() for x in d.arange(3)] == [0, 1, 2]
    assert list(range(5))[d.tensor(2)] == 2
    assert "%d" % d.tensor(7) == "7" and f"{d.tensor(1.23456):.3f}" == "1.235"  # noqa: UP031
    assert bool(d.tensor(1.0)) and not bool(d.tensor([0]))
    assert 2 in d.tensor([1, 2]) and 5 not in d.tensor([1, 2])
    assert dict(zip(d.tensor([1, 2]).tolist(), d.tensor([3, 4]).tolist())) == {1: 3, 2: 4}
    assert len({d.tensor(1), d.tensor(1)}) == 2  # hashed by identity
    for bad in (len, iter):
        with pytest.raises(TypeError, match="0-d"):
            bad(d.tensor(1))
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(d.tensor([1, 2]))
    with pytest.raises(TypeError, match="integer"):
        [1, 2][d.tensor(1.0)]


def test_reflected_operators():
    x = d.tensor([1.0, 2.0])
    assert (1 - x).tolist() == [0.0, -1.0] and (2 / x).tolist() == [2.0, 1.0] and (2**x).tolist() == [2.0, 4.0]
    assert (3 // x).tolist() == [3.0, 1.0] and (3 % x).tolist() == [0.0, 1.0] and (1 + x).tolist() == [2.0, 3.0]
    assert (np.float32(2) * x).tolist() == [2.0, 4.0]
    assert (1 < x).tolist() == [False, True]
    with pytest.raises(TypeError):
        x + "a"
    with pytest.raises(TypeError):
        None + x
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True


def test_numpy_leaves_operators_to_the_tensor():
    """A numpy number or array on the left gives a Tensor, with its history."""
    x = d.ones(3, requires_grad=True)
    for y in (np.float64(2) * x, np.float32(1) + x, np.int64(2) - x, np.float64(1) / x):
        assert type(y) is d.Tensor and y.requires_grad and y.dtype == d.float32
    assert type(np.ones(3) * x.detach()) is d.Tensor and type(np.ones(3) == x.detach()) is d.Tensor
    assert type(np.sin(x.detach())) is d.Tensor


def test_formats_and_unpacking():
    x = d.tensor([[1.0, 2.0], [3.0, 4.0]])
    (a, b), c = x, x[0, 1]
    assert a.tolist() == [1, 2] and b.tolist() == [3, 4]
    assert f"{c:.3f}" == "2.000" and f"{c:5.1f}" == "  2.0"
    assert "%d" % c == "2" and "%.1f" % c == "2.0"  # noqa: UP031
    assert [r.tolist() for r in reversed(x)] == [[3, 4], [1, 2]] and d.tensor(1) in d.tensor([1, 2])
    assert [(p.item(), q.item()) for p, q in zip(a, b, strict=True)] == [(1, 3), (2, 4)]
    with pytest.raises(TypeError):
        f"{x:.3f}"


def test_data_takes_another_tensor():
    """x.data = y: new memory, shape and dtype; x stays the leaf that it is."""
    x, y = d.ones(2, requires_grad=True), d.zeros(3, 4)
    x.data = y
    assert x.shape == (3, 4) and x.is_leaf and x.requires_grad and x.data_ptr() == y.data_ptr()
    x.data[0] = 5
    assert y[0].tolist() == [5] * 4
    (x * 2).sum().backward()
    assert x.grad.shape == (3, 4)
    with pytest.raises(RuntimeError, match="floating point"):
        x.data = d.ones(2, dtype=d.int64)


def test_options_of_new_tensors():
    x = d.zeros(2, 3, dtype=d.float64)
    options = dict(device="cpu", requires_grad=True, pin_memory=False, layout=d.strided)
    for y in (x.new_zeros(2, **options), x.new_ones((2,), **options), x.new_full((2,), 3, **options),
              x.new_empty(2, **options), x.new_tensor([1, 2], **options), d.zeros_like(x, **options),
              d.rand_like(x, memory_format=d.preserve_format, **options)):  # fmt: skip
        assert y.requires_grad and y.dtype == d.float64
    assert x.new_zeros(2, dtype=d.int32).dtype == d.int32
    with pytest.raises(RuntimeError, match="floating point"):
        x.new_zeros(2, dtype=d.int32, requires_grad=True)
    for call in (lambda: x.sum(requires_grad=True), lambda: d.sum(x, device="cpu"), lambda: x.new_zeros(2, out=x)):
        with pytest.raises(TypeError, match="unexpected keyword"):
            call()


def test_broadcast_shapes():
    assert d.broadcast_shapes((2, 1), (3,), 1, ()) == (2, 3) and d.broadcast_shapes() == ()
    with pytest.raises(RuntimeError):
        d.broadcast_shapes((2,), (3,))


def test_one_object_for_one_tensor():
    x = d.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad is x.grad and x.requires_grad_() is x
    x.note = "kept"
    assert x.note == "kept"
    y = d.zeros(2)
    assert y.add_(1) is y


def test_subclass_and_cycle():
    class Mine(d.Tensor):
        pass

    m = Mine(d.ones(2))
    assert isinstance(m, d.Tensor) and m.tolist() == [1.0, 1.0]
    m.me = m
    import weakref

    alive = weakref.ref(m)
    del m
    gc.collect()
    assert alive() is None


def test_named_results():
    r = d.tensor([[1.0, 3.0], [4.0, 2.0]]).max(dim=1)
    assert r.values.tolist() == [3.0, 4.0] and r.indices.tolist() == [1, 0]
    values, indices = d.sort(d.tensor([3, 1, 2]))
    assert values.tolist() == [1, 2, 3] and indices.tolist() == [1, 2, 0]


def test_numpys_keywords():
    x = d.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert d.sum(x, axis=0).tolist() == [4.0, 6.0]
    assert x.mean(axis=1, keepdims=True).shape == (2, 1)
    out = d.empty(2, 2)
    assert d.add(x, x, out=out) is out and out.tolist() == [[2.0, 4.0], [6.0, 8.0]]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_numpy_round_trip_shares_memory(dtype):
    t = d.arange(6).to(dtype).reshape(2, 3)
    a = t.numpy()
    assert a.shape == (2, 3)
    a[0, 0] = 1
    assert t[0, 0].item() == 1
    back = d.from_numpy(a)
    assert back.dtype is dtype and back.data_ptr() == t.data_ptr()
    np.testing.assert_array_equal(np.asarray(t.T), a.T)


def test_numpy_strides_and_copies():
    a = np.arange(24.0).reshape(2, 3, 4)
    t = d.from_numpy(a.transpose(2, 0, 1)[::2])
    assert t.shape == (2, 2, 3) and t.stride() == (2, 12, 4)
    np.testing.assert_array_equal(t.numpy(), a.transpose(2, 0, 1)[::2])
    with pytest.raises(ValueError, match="negative strides"):
        d.from_numpy(a[::-1])
    np.testing.assert_array_equal(d.tensor(a[::-1]).numpy(), a[::-1])
    np.testing.assert_array_equal(d.as_tensor(a[:, ::-1]).numpy(), a[:, ::-1])
    assert d.as_tensor(a).data_ptr() == a.ctypes.data and d.tensor(a).data_ptr() != a.ctypes.data


def test_numpy_oddities():
    big = np.arange(3, dtype=">f4")
    assert d.tensor(big).tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="byte order"):
        d.from_numpy(big)
    with pytest.raises(TypeError, match="cannot hold"):
        d.tensor(np.array(["a"]))
    with pytest.raises(TypeError, match="cannot hold"):
        d.tensor(np.zeros(2, dtype=np.complex64))
    unaligned = np.frombuffer(b"\0" * 17, dtype=np.uint8)[1:].view(np.float32)
    assert d.tensor(unaligned).shape == (4,)
    assert d.from_numpy(np.zeros((0, 3))).shape == (0, 3)
    assert d.from_numpy(np.array(2.0)).shape == ()
    assert d.tensor(np.ma.array([1.0, 2.0]).data).tolist() == [1.0, 2.0]


def test_read_only_memory_is_not_written():
    a = np.arange(3.0)
    a.setflags(write=False)
    t = d.from_numpy(a)
    with pytest.raises(ValueError, match="read-only"):
        t.add_(1)
    with pytest.raises(ValueError, match="read-only"):
        t[0] = 1
    assert (t + 1).tolist() == [1.0, 2.0, 3.0]


def test_lifetimes():
    a = d.arange(1000.0).numpy()  # the tensor is gone, the array lives
    gc.collect()
    d.zeros(1000)
    assert a[999] == 999.0
    t = d.from_numpy(np.arange(1000.0))
    gc.collect()
    assert t[999].item() == 999.0
    view = memoryview(d.arange(10.0))
    gc.collect()
    assert view[9] == 9.0


def test_buffer_protocol():
    t = d.arange(6, dtype=d.int32).reshape(2, 3)
    m = memoryview(t)
    assert m.shape == (2, 3) and m.format == "i" and m.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert memoryview(t.T).strides == (4, 12)
    with pytest.raises((BufferError, TypeError, ValueError)):
        (ctypes.c_char * 24).from_buffer(t.T)
    with pytest.raises(BufferError):
        memoryview(d.ones(2, requires_grad=True))


def test_dlpack():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    t = d.from_dlpack(a)
    t[0, 0] = 5
    assert a[0, 0] == 5
    b = np.from_dlpack(d.arange(4.0)[1:])
    gc.collect()
    assert b.tolist() == [1.0, 2.0, 3.0]
    capsule = d.ones(2).__dlpack__()
    assert d.from_dlpack(capsule).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="unused"):
        d.from_dlpack(capsule)
    with pytest.raises(TypeError):
        d.from_dlpack(3)
    with pytest.raises(RuntimeError, match="requires grad"):
        d.ones(2, requires_grad=True).__dlpack__()
    d.ones(3).__dlpack__()  # a capsule that nobody takes frees its tensor
    gc.collect()


def test_repr():
    assert repr(d.tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert repr(d.tensor([1, 20])) == "tensor([ 1, 20])"
    assert repr(d.tensor(3.0)) == "tensor(3.)"
    assert repr(d.tensor([[1.0, 2.0], [3.0, 4.0]])) == "tensor([[1., 2.],\n        [3., 4.]])"
    assert repr(d.tensor([True, False])) == "tensor([ True, False])"
    assert repr(d.zeros(0)) == "tensor([])"
    assert repr(d.zeros(2, 0)) == "tensor([], size=(2, 0))"
    assert repr(d.tensor([1.0], dtype=d.float64)) == "tensor([1.], dtype=dlcore.float64)"
    assert repr(d.ones(1, requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert "grad_fn=" in repr(d.ones(1, requires_grad=True) * 2)
    assert repr(d.tensor([float("nan"), float("inf"), 1.0])) == "tensor([nan, inf, 1.])"
    assert "..." in repr(d.zeros(2000)) and len(repr(d.zeros(100, 100, 100))) < 5000
    assert repr(d.tensor([1e-8, 1.0])).startswith("tensor([1.0000e-08, 1.0000e+00])")
    d.set_printoptions(precision=2)
    try:
        assert repr(d.tensor([1.0, 2.5])) == "tensor([1.00, 2.50])"
    finally:
        d.set_printoptions(profile="default")


def test_limits():
    for name in ("float32", "float64", "float16"):
        mine, theirs = d.finfo(getattr(d, name)), np.finfo(name)
        assert mine.eps == float(theirs.eps) and mine.max == float(theirs.max) and mine.tiny == float(theirs.tiny)
    for name in ("int8", "int16", "int32", "int64", "uint8"):
        assert (d.iinfo(getattr(d, name)).min, d.iinfo(getattr(d, name)).max) == (
            np.iinfo(name).min,
            np.iinfo(name).max,
        )
    with pytest.raises(TypeError):
        d.finfo(d.int32)


def test_cuda_in_a_cpu_build():
    assert d.cuda.is_available() is False and d.cuda.device_count() == 0
    for call in (lambda: d.ones(1).cuda(), lambda: d.ones(1).to("cuda"), lambda: d.zeros(1, device="cuda:0")):
        with pytest.raises(RuntimeError, match="DLCORE_CUDA"):
            call()
    assert d.ones(1).to("cpu").device == d.device("cpu") and str(d.device("cpu")) == "cpu"
    for bad in ("tpu", "cuda:", "cuda:x", ""):
        with pytest.raises(RuntimeError, match="device"):
            d.device(bad)


def test_argument_errors_name_what_came():
    with pytest.raises(TypeError, match=r"numel\(\): argument 'input' must be Tensor, not int"):
        d.numel(3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'dimension'"):
        d.numel(d.ones(1), dimension=2)
    with pytest.raises(TypeError, match="missing required argument 'input'"):
        d.numel()
    with pytest.raises(TypeError, match="several values"):
        d.numel(d.ones(1), input=d.ones(1))
    with pytest.raises(TypeError, match="no signature fits"):
        d.ones(2, 3).size("x")


def test_no_pickle():
    import pickle

    with pytest.raises(TypeError, match="dlcore.save"):
        pickle.dumps(d.ones(1))


def test_huge_shapes():
    for shape in [(2**40, 2**40), (2**62,), (2**31, 2**31, 4)]:
        with pytest.raises((RuntimeError, MemoryError, ValueError)):
            d.empty(shape)
    with pytest.raises((RuntimeError, ValueError)):
        d.empty(-1)
    with pytest.raises((MemoryError, RuntimeError)):
        d.empty(2**45)
