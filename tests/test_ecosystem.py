"""Names that PyTorch programs call and that are trivially true here: the same results, clear refusals."""

import numpy as np
import pytest

import dlcore
from dlcore import jit, nn


def model():
    dlcore.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))


def test_compile():
    m, x = model(), dlcore.randn(3, 4)
    assert dlcore.compile(m) is m
    assert dlcore.equal(dlcore.compile(m, mode="max-autotune", fullgraph=True, dynamic=False)(x), m(x))

    @dlcore.compile
    def f(x):
        return x * 2

    @dlcore.compile(mode="default", backend="eager")
    def g(x):
        return x * 3

    assert f(dlcore.ones(1)).item() == 2 and g(dlcore.ones(1)).item() == 3
    for error, call in (
        (TypeError, lambda: dlcore.compile(3)),
        (TypeError, lambda: dlcore.compile(mode="default")(3)),
        (RuntimeError, lambda: dlcore.compile(m, mode="fast")),
        (RuntimeError, lambda: dlcore.compile(m, mode="default", options={})),
        (ValueError, lambda: dlcore.compile(m, backend="mine")),
    ):
        with pytest.raises(error, match="compile"):
            call()


def test_jit():
    m, x = model(), dlcore.randn(3, 4)
    assert jit.script(m) is m and jit.trace(m, x) is m and jit.trace(m, (x,)) is m
    calls = []

    def f(a, b=1):
        calls.append(b)
        return a * b

    assert jit.trace(f, (x, 3)) is f and jit.trace(f, x, example_kwarg_inputs={"b": 5}) is f and calls == [3, 5]

    class Mine(nn.Module):
        @jit.ignore
        def first(self):
            return 1

        @jit.ignore(drop=True)
        def second(self):
            return 2

        @jit.unused
        def third(self):
            return 3

        @jit.export
        def fourth(self):
            return 4

    mine = jit.script(Mine())
    assert (mine.first(), mine.second(), mine.third(), mine.fourth()) == (1, 2, 3, 4)
    assert not jit.is_scripting() and not jit.is_tracing()
    assert jit.script_if_tracing(f) is f
    for call in (lambda: jit.script(3), lambda: jit.trace(3, x), lambda: jit.trace(f), lambda: jit.trace(f, 3)):
        with pytest.raises(TypeError, match="jit"):
            call()
    with pytest.raises((RuntimeError, ValueError)):
        jit.trace(m, dlcore.randn(3, 9))  # what the call raises


def test_data_parallel():
    m, x = model(), dlcore.randn(3, 4)
    p = nn.DataParallel(m, device_ids=[0])
    assert dlcore.equal(p(x), m(x)) and p.module is m and nn.parallel.DataParallel is nn.DataParallel
    assert list(p.state_dict()) == ["module." + key for key in m.state_dict()]
    p(x).sum().backward()
    assert all(q.grad is not None for q in m.parameters())
    with pytest.raises(TypeError, match="module must be a Module"):
        nn.DataParallel(lambda x: x)


def test_cuda_of_a_cpu_build():
    cuda = dlcore.cuda
    assert not cuda.is_available() and cuda.device_count() == 0 and not cuda.is_initialized()
    assert not cuda.is_bf16_supported()
    state = dlcore.get_rng_state()
    for call in (cuda.synchronize, cuda.empty_cache, lambda: cuda.manual_seed(1), lambda: cuda.manual_seed_all(1)):
        assert call() is None
    assert dlcore.equal(state, dlcore.get_rng_state())  # the CPU's stream goes on
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == cuda.memory_reserved() == 0
    for call in (cuda.current_device, lambda: cuda.set_device(0), cuda.get_device_name, cuda.get_device_properties,
                 cuda.get_device_capability):  # fmt: skip
        with pytest.raises(RuntimeError, match="no CUDA"):
            call()


def test_precision_and_autocast():
    x = dlcore.randn(20, 20)
    exact = x @ x
    assert dlcore.get_float32_matmul_precision() == "highest"
    try:
        dlcore.set_float32_matmul_precision("medium")
        assert dlcore.get_float32_matmul_precision() == "medium"
        assert np.array_equal((x @ x).numpy(), exact.numpy())
    finally:
        dlcore.set_float32_matmul_precision("highest")
    with pytest.raises(ValueError, match="set_float32_matmul_precision"):
        dlcore.set_float32_matmul_precision("low")
    with dlcore.autocast("cpu", enabled=False):
        assert (x @ x).dtype == dlcore.float32
    with pytest.raises(NotImplementedError, match="autocast"):
        dlcore.autocast("cpu")
    with pytest.raises(NotImplementedError, match="autocast"):
        dlcore.autocast("cuda", dtype=dlcore.float16)
    with pytest.raises(RuntimeError, match="device_type"):
        dlcore.autocast("toaster", enabled=False)
