"""dlcore.export, and what the C interface of libdlcore makes of it, through ctypes."""

import ctypes
import json
import threading
from pathlib import Path

import pytest

import dlcore
from dlcore import nn

OK, RUNTIME, VALUE, TYPE, INDEX, NOT_IMPLEMENTED, MEMORY = range(7)
FLOAT32, INT64 = 0, 7


class Library:
    """libdlcore through its C interface; a call that fails raises its status and message."""

    class Error(Exception):
        pass

    def __init__(self):
        installed = Path(dlcore.__file__).parent / "lib" / "libdlcore.so"
        self.c = ctypes.CDLL(str(installed) if installed.exists() else "libdlcore.so")  # which dlcore has loaded
        self.c.dlcore_last_error.restype = ctypes.c_char_p
        self.c.dlcore_version.restype = ctypes.c_char_p
        for release in (self.c.dlcore_tensor_release, self.c.dlcore_model_release):
            release.argtypes, release.restype = [ctypes.c_void_p], None

    def call(self, name, *arguments):
        status = getattr(self.c, name)(*arguments)
        if status != OK:
            raise self.Error(status, self.c.dlcore_last_error().decode())

    def made(self, name, *arguments):
        """The handle that a function returns."""
        out = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(out))
        assert out.value
        return out

    def tensor(self, x):
        shape = (ctypes.c_int64 * x.dim())(*x.shape)
        dtype = {dlcore.float32: FLOAT32, dlcore.int64: INT64}[x.dtype]
        x = x.contiguous()
        return self.made("dlcore_tensor_create", dtype, x.dim(), shape, ctypes.c_void_p(x.data_ptr()))

    def value(self, handle):
        """What a tensor of float32 holds."""
        ndim, size, dtype = ctypes.c_int32(), ctypes.c_size_t(), ctypes.c_int32()
        self.call("dlcore_tensor_dtype", handle, ctypes.byref(dtype))
        assert dtype.value == FLOAT32
        self.call("dlcore_tensor_ndim", handle, ctypes.byref(ndim))
        shape = (ctypes.c_int64 * ndim.value)()
        self.call("dlcore_tensor_shape", handle, ndim, shape)
        self.call("dlcore_tensor_bytes", handle, ctypes.byref(size))
        result = dlcore.empty(tuple(shape))
        self.call("dlcore_tensor_read", handle, ctypes.c_void_p(result.data_ptr()), size)
        return result

    def load(self, path):
        return self.made("dlcore_model_load", str(path).encode())

    def run(self, model, x):
        given = self.tensor(x)
        result = self.made("dlcore_model_run", model, given)
        value = self.value(result)
        self.c.dlcore_tensor_release(given)
        self.c.dlcore_tensor_release(result)
        return value


@pytest.fixture(scope="module")
def library():
    return Library()


def first(result):
    """The output of a model that ends with a recurrent layer, without its states."""
    return result[0] if isinstance(result, tuple) else result


IMAGE, WORDS = (2, 4, 9, 8), (3, 5)
MODELS = {
    "linear": (lambda: nn.Sequential(nn.Linear(8, 3, bias=False)), IMAGE),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), groups=2), nn.BatchNorm2d(6, 1e-3), nn.ReLU(),
            nn.Conv2d(6, 8, 3, padding="same"), nn.Conv2d(8, 8, (2, 4), padding="same", dilation=(3, 1)),
            nn.Conv2d(8, 8, 1, padding="valid", bias=False),
            nn.BatchNorm2d(8, affine=False), nn.Tanh(), nn.Flatten(), nn.Dropout(0.5), nn.LazyLinear(5), nn.Softmax(1),
        ),
        IMAGE,
    ),
    "pooling": (
        lambda: nn.Sequential(
            nn.MaxPool2d((3, 2), 2, (1, 0), ceil_mode=True), nn.AvgPool2d(2, 1, 1, count_include_pad=False),
            nn.AvgPool2d(2, divisor_override=3), nn.MaxPool2d(2, dilation=1), nn.Sigmoid(),
        ),
        (2, 4, 19, 18),
    ),
    "normalization": (
        lambda: nn.Sequential(
            nn.LayerNorm((9, 8), bias=False), nn.LayerNorm(8, 1e-4, elementwise_affine=False),
            nn.BatchNorm2d(4, track_running_stats=False), nn.GELU(), nn.GELU("tanh"),
        ),
        IMAGE,
    ),
    "words": (
        lambda: nn.Sequential(
            nn.Embedding(7, 6, padding_idx=-1), nn.Sequential(nn.BatchNorm1d(5), nn.ReLU(inplace=True)),
            nn.LSTM(6, 4, 2, batch_first=True, bidirectional=True, proj_size=3),
        ),
        WORDS,
    ),
    "gru": (lambda: nn.Sequential(nn.Flatten(1, 2), nn.GRU(8, 4, bias=False)), IMAGE),
    "nothing": (lambda: nn.Sequential(), IMAGE),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_c_runs_what_python_exports(name, library, tmp_path):
    make, shape = MODELS[name]
    model = make()
    x = dlcore.randint(0, 7, shape) if shape == WORDS else dlcore.randn(shape)
    model(x)  # running statistics other than those at the start
    model.eval()
    dlcore.export(model, tmp_path / "model")
    handle = library.load(tmp_path / "model")
    with dlcore.no_grad():
        want = first(model(x))
    for _ in range(2):
        assert dlcore.equal(library.run(handle, x), want)  # the same kernels in the same order: the same bits
    library.c.dlcore_model_release(handle)
    model.load_state_dict(dlcore.load(tmp_path / "model"))  # the same file is a state_dict


def test_a_model_runs_in_many_threads(library, tmp_path):
    model = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4))
    dlcore.export(model, tmp_path / "model")
    handle = library.load(tmp_path / "model")
    inputs = [dlcore.randn(8, 16) for _ in range(4)]
    with dlcore.no_grad():
        wants = [model(x) for x in inputs]
    right = []

    def work(x, want):
        right.append(all(dlcore.equal(library.run(handle, x), want) for _ in range(20)))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, wants, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 4
    library.c.dlcore_model_release(handle)


def test_errors_are_codes_with_messages(library, tmp_path):
    path = tmp_path / "model"
    dlcore.export(nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 2)), path)
    model = library.load(path)
    for x, status, message in [
        (dlcore.tensor([5]), INDEX, "5"),
        (dlcore.tensor([0.5]), None, "embedding"),
        (dlcore.tensor([1]), OK, ""),
    ]:
        if status == OK:
            assert library.run(model, x).shape == (1, 2)  # it goes on after errors
            continue
        with pytest.raises(Library.Error) as caught:
            library.run(model, x)
        code, text = caught.value.args
        assert (code == status or status is None) and message in text
    library.c.dlcore_model_release(model)
    dlcore.save({"a": dlcore.ones(1)}, tmp_path / "tensors")
    (tmp_path / "cut").write_bytes(path.read_bytes()[:-1])
    for file, status, message in [
        ("tensors", VALUE, "holds tensors, but no program"),
        ("cut", VALUE, "is not a complete safetensors file"),
        ("missing", RUNTIME, "cannot open"),
        ("é" * 3000, RUNTIME, "cannot open"),  # the message is cut, not in the middle of a character
    ]:
        with pytest.raises(Library.Error) as caught:
            library.load(tmp_path / file)
        assert caught.value.args[0] == status and message in caught.value.args[1]
    said = []
    thread = threading.Thread(target=lambda: said.append(library.c.dlcore_last_error()))
    thread.start()
    thread.join()
    assert said == [b""] and library.c.dlcore_last_error()  # each thread has its own
    assert library.c.dlcore_version().decode() == dlcore.__version__


class Mine(nn.ReLU):
    pass


def hooked():
    layer = nn.ReLU()
    layer.register_forward_hook(lambda module, args, output: output + 1)
    return nn.Sequential(layer)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lambda: nn.Linear(2, 2), TypeError, "model must be an nn.Sequential, but got Linear"),
        (
            lambda: nn.Sequential(nn.ReLU(), nn.Sequential(Mine())),
            ValueError,
            r"model\[1\]\[0\] is a Mine; the layers that",
        ),
        (lambda: nn.Sequential(nn.Conv3d(1, 1, 1)), ValueError, r"model\[0\] is a Conv3d"),
        (lambda: nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")), ValueError, "other than zeros"),
        (lambda: nn.Sequential(nn.Conv2d(1, 1, 3, padding="same", padding_mode="circular")), ValueError, "than zeros"),
        (lambda: nn.Sequential(nn.MaxPool2d(2, return_indices=True)), ValueError, "return_indices=True; only False"),
        (lambda: nn.Sequential(nn.Embedding(2, 2, max_norm=1.0)), ValueError, "max_norm=1.0; only None"),
        (lambda: nn.Sequential(nn.BatchNorm1d(2, momentum=None)), ValueError, "momentum=None"),
        (lambda: nn.Sequential(nn.Softmax()), ValueError, "must say its dim"),
        (lambda: nn.Sequential(nn.LazyLinear(2)), ValueError, "0.weight has no values yet; run the model once"),
        (lambda: nn.Sequential(dlcore.nn.Sequential().append(nn.ReLU()), nn.Identity()), ValueError, "is a Identity"),
        (hooked, ValueError, "has hooks"),
    ],
)
def test_what_cannot_be_exported_is_named(model, error, message, tmp_path):
    with pytest.raises(error, match=message):
        dlcore.export(model(), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_the_program_is_readable(tmp_path):
    dlcore.export(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["dlcore.program"]) == {
        "version": 1,
        "layers": [{"type": "Linear", "in_features": 2, "out_features": 3, "bias": True}, {"type": "ReLU"}],
    }
