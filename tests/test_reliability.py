"""Threads, forks, interrupts and memory over time."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import dlcore as d


def run_python(code, timeout=120, **env):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **env},
    )


def test_fork_after_parallel_region():
    result = run_python("""
        import os, dlcore as d
        d.set_num_threads(2)
        x = d.rand(1024, 1024)
        want = (x @ x).sum().item()
        pid = os.fork()
        if pid == 0:
            got = (x @ x).sum().item()
            os._exit(0 if got == want else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert (x @ x).sum().item() == want
    """)
    assert result.returncode == 0, result.stderr


def test_many_host_threads():
    x = d.rand(256, 256)
    want = (x @ x).exp().sum().item()
    failures = []

    def work():
        for _ in range(20):
            y = x.clone().requires_grad_()
            z = (y @ y).exp().sum()
            z.backward()
            if z.item() != want or y.grad is None:
                failures.append(z.item())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_ctrl_c_stops_long_work():
    code = """
        import os, signal, threading, time, dlcore as d
        threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        x = d.rand(3000, 3000)
        start = time.time()
        try:
            while time.time() - start < 60:
                x @ x
        except KeyboardInterrupt:
            print("stopped", time.time() - start < 20)
    """
    result = run_python(code)
    assert result.stdout.strip() == "stopped True", result.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="needs signals")
def test_ctrl_c_stops_one_long_op():
    code = """
        import os, signal, threading, time, dlcore as d
        x = d.rand(14000, 14000)
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        start = time.time()
        try:
            for _ in range(100):
                x @ x
        except KeyboardInterrupt:
            print("stopped", time.time() - start < 10)
    """
    result = run_python(code)
    assert result.stdout.strip() == "stopped True", result.stderr


def test_bad_isa_is_a_clear_error():
    result = run_python("import dlcore", DLCORE_ISA="avx1024")
    assert result.returncode != 0 and "DLCORE_ISA" in result.stderr and "avx1024" in result.stderr


def test_memory_stays_flat():
    """100,000 steps of varying shapes: what is kept is bounded by what was needed."""
    rng = np.random.default_rng(0)
    shapes = rng.integers(1, 64, size=(100_000, 2))

    def step(n, m):
        x = d.ones(int(n), int(m), requires_grad=True)
        (x * 2 + 1).sum().backward()

    for n, m in shapes[:10_000]:
        step(n, m)
    before = d.memory_stats()
    resident = _resident()
    for n, m in shapes[10_000:]:
        step(n, m)
    after = d.memory_stats()
    assert after["allocated_bytes"] <= before["allocated_bytes"] + 4096
    assert after["cached_bytes"] <= before["cached_bytes"] + 1_000_000
    assert after["system_allocations"] - before["system_allocations"] < 2_000
    assert _resident() - resident < 8_000_000


def _resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_empty_cache():
    d.ones(1_000_000)
    d.empty_cache()
    assert d.memory_stats()["cached_bytes"] == 0


def test_thread_counts_are_checked():
    for bad in (0, -1, 10**6):
        with pytest.raises(ValueError, match="set_num_threads"):
            d.set_num_threads(bad)
    with pytest.raises(TypeError):
        d.set_num_threads("two")
