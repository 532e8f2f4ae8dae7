"""Results that are written past the caches are the same bits as others, whatever their place in memory."""

import os
import subprocess
import sys

import pytest

import dlcore as d
from dlcore.nn import functional as F

NEVER = 2**62


@pytest.fixture(autouse=True)
def restored():
    threads = d.get_num_threads()
    yield
    d._core._set_stream_bytes(-1)
    d.set_num_threads(threads)


def drawn(*shape, dtype=d.float32, shift=0):
    """A leaf whose first element lies `shift` elements behind the beginning of its memory."""
    size = 1
    for n in shape:
        size *= n
    return d.randn(size + shift, dtype=dtype)[shift:].reshape(shape).requires_grad_()


def with_gradients(y, *leaves):
    d.manual_seed(5)
    return [y, *d.autograd.grad(y, leaves, d.randn_like(y))]


def elementwise(n, dtype, shift):
    x, y = drawn(n, dtype=dtype, shift=shift), drawn(n, dtype=dtype)
    return [*with_gradients(x * y + x.exp(), x, y), x > y, d.where(x > y, x, y), x.detach().clone(), x.double()]


def broadcast(n, dtype, shift):
    x, row, column = drawn(5, n, dtype=dtype, shift=shift), drawn(n, dtype=dtype), drawn(5, 1, dtype=dtype)
    return with_gradients((x + row) * column, x, row, column)


def moved(n, dtype, shift):
    x = drawn(3, n, dtype=dtype, shift=shift).detach()
    wide = d.zeros(3, n + 7, dtype=dtype)
    wide[:, 5 : n + 5] = x
    joined = [d.cat([x, x[:, 1:]], 1), d.cat([x, x]), d.full((n,), 2.5, dtype=dtype)]
    return [*joined, x.flip(0), x.roll(1, 0), x[:, 3:].contiguous(), x.t().contiguous(), wide]


def rows(n, dtype, shift):
    x, w = drawn(3, n, dtype=dtype, shift=shift), drawn(n, dtype=dtype)
    results = [F.layer_norm(x, (n,), w, w), F.rms_norm(x, (n,), w), F.layer_norm(x, (n,))]
    results = [part for y in results for part in with_gradients(y, x)]
    return [*results, *with_gradients(x.softmax(1), x), *with_gradients(x.log_softmax(1), x)]


def images(n, dtype, shift):
    results = []
    for order in (d.contiguous_format, d.channels_last):
        x = drawn(2, n % 64 + 1, 4, 8, dtype=dtype, shift=shift)
        w = drawn(x.shape[1], dtype=dtype)
        for activation, residual in (("none", None), ("relu6", None), ("relu", x)):
            y = F.batch_norm_act(
                x.contiguous(memory_format=order), None, None, w, w, True, residual=residual, activation=activation
            )
            results += with_gradients(y, x, w)
        results += with_gradients(F.group_norm(x.contiguous(memory_format=order), 1), x)
    return results


def convolutions(n, dtype, shift):
    results = []
    sizes = (3, 32, 1, 3), (16, 64, 1, 1), (16, 40, 1, 3), (32, 32, 32, 3), (6, 10, 1, 3), (32, 64, 2, 1)
    for c_in, c_out, groups, size in sizes:
        x = drawn(2, c_in, 9, n % 32 + 4, dtype=dtype, shift=shift)
        w = drawn(c_out, c_in // groups, size, size, dtype=dtype)
        for order in (d.contiguous_format, d.channels_last):
            for stride in (1, 2):
                y = F.conv2d(x.contiguous(memory_format=order), w, None, stride, size // 2, 1, groups)
                results += with_gradients(y, x, w)
    return results


def pooled(n, dtype, shift):
    results = []
    for channels, width in ((n % 48 + 1, 7), (16, 4 * (n % 32 + 1)), (32, 16)):
        x = drawn(3, channels, 8, width, dtype=dtype, shift=shift)
        for order in (d.contiguous_format, d.channels_last):
            image = x.contiguous(memory_format=order)
            results += with_gradients(F.max_pool2d(image, 3, 2, 1), x) + with_gradients(F.avg_pool2d(image, 3, 1, 1), x)
            results += with_gradients(F.max_pool2d(image, 2), x) + with_gradients(F.avg_pool2d(image, 2, 3), x)
    return results


@pytest.mark.parametrize("dtype", [d.float32, d.float64])
@pytest.mark.parametrize("shift", [0, 1, 5])
@pytest.mark.parametrize("n", [1, 40, 64, 1000, 1031, 4096])
@pytest.mark.parametrize("f", [elementwise, broadcast, moved, rows, images, convolutions, pooled])
def test_streamed_results_are_the_same_bits(f, n, shift, dtype):
    d._core._set_stream_bytes(NEVER)
    d.manual_seed(3)
    expected = f(n, dtype, shift)
    d._core._set_stream_bytes(0)
    for threads in (1, 3):
        d.set_num_threads(threads)
        d.manual_seed(3)
        for got, plain in zip(f(n, dtype, shift), expected):
            assert d.equal(got, plain)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_blocks_narrower_than_a_vector(threads):
    # windows so large that gradients of planes are made in columns of 9; what they'd write beyond is another thread's
    def gradient():
        d.manual_seed(3)
        x = drawn(1, 3, 64, 33)
        return with_gradients(F.avg_pool2d(x, (33, 17), 1, (16, 8)), x)[1]

    d._core._set_stream_bytes(NEVER)
    expected = gradient()
    d._core._set_stream_bytes(0)
    d.set_num_threads(threads)
    assert d.equal(gradient(), expected)


def test_large_results_are_streamed_by_themselves():
    x = d.randn(1 << 23)
    d._core._set_stream_bytes(NEVER)
    expected = [x + 1, x.clone(), x.softmax(0), F.layer_norm(x.reshape(-1, 512), (512,))]
    d._core._set_stream_bytes(-1)
    for got, plain in zip([x + 1, x.clone(), x.softmax(0), F.layer_norm(x.reshape(-1, 512), (512,))], expected):
        assert d.equal(got, plain)


@pytest.mark.parametrize("value", ["many", "-1", "1k"])
def test_a_variable_that_is_no_number(value):
    program = "import dlcore; dlcore.ones(2) + 1"
    run = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "DLCORE_STREAM": value}, capture_output=True, text=True
    )
    assert run.returncode == 1 and f"DLCORE_STREAM: expected a number of bytes, got {value}" in run.stderr
