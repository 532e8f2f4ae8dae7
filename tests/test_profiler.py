"""The profiler: what it counts against the ops' formulas, the trace's structure, threads, limits and refusals."""

import json
import os
import re
import threading

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.profiler import Averages, ProfilerActivity, profile, record_function

F = nn.functional


def profiled(f, **options):
    with profile(**options) as p:
        f()
    return p


def totals(p):
    """(name, backward): Average"""
    return {(a.name, a.backward): a for a in p.key_averages()}


def randn(*shape):
    return dlcore.randn(*shape, requires_grad=True)


def conv(groups=1, **options):
    x, w = randn(2, 8, 16, 16), randn(12, 8 // groups, 3, 3)
    F.conv2d(x, w, groups=groups, **options).sum().backward()


LSTM = nn.LSTM(16, 32)
GRU = nn.GRU(16, 32)
# name: call, {(op, backward): multiplications and additions}
COSTS = {
    "matmul": (
        lambda: (randn(100, 200) @ randn(200, 300)).sum().backward(),
        {("matmul", False): 2 * 100 * 200 * 300, ("matmul", True): 2 * 2 * 100 * 200 * 300},
    ),
    "batches": (lambda: randn(5, 1, 10, 20) @ randn(4, 20, 30), {("matmul", False): 5 * 4 * 2 * 10 * 20 * 30}),
    "linear": (lambda: F.linear(randn(7, 20), randn(30, 20)), {("linear", False): 2 * 7 * 20 * 30}),
    "conv2d": (
        lambda: conv(padding=1),
        {
            (name, backward): 2 * (2 * 12 * 16 * 16) * (8 * 9)
            for name, backward in (("conv2d", False), ("conv2d_backward_data", True), ("conv2d_backward_weight", True))
        },
    ),
    "conv2d_groups_stride": (
        lambda: conv(groups=4, stride=2),
        {("conv2d", False): 2 * (2 * 12 * 7 * 7) * (2 * 9), ("conv2d_backward_weight", True): 2 * 2 * 12 * 49 * 18},
    ),
    "attention": (
        lambda: (
            F.scaled_dot_product_attention(randn(2, 3, 40, 16), randn(2, 3, 50, 16), randn(2, 3, 50, 24))
            .sum()
            .backward()
        ),
        # q k^T and p v; backward makes the first again, and four products more
        {
            ("scaled_dot_product_attention", False): 2 * 6 * 40 * 50 * (16 + 24),
            ("scaled_dot_product_attention", True): 5 * 6 * 40 * 50 * (16 + 24),
        },
    ),
    "lstm": (
        lambda: LSTM(randn(10, 4, 16))[0].sum().backward(),
        {("lstm", False): 2 * 40 * 4 * 32 * (16 + 32), ("lstm", True): 2 * 2 * 40 * 4 * 32 * (16 + 32)},
    ),
    "gru": (lambda: GRU(randn(10, 4, 16)), {("gru", False): 2 * 40 * 3 * 32 * (16 + 32)}),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_those_of_the_formulas(name):
    call, expected = COSTS[name]
    found = totals(profiled(call))
    for key, flops in expected.items():
        assert found[key].flops == pytest.approx(flops, rel=0.02), key
        assert found[key].bytes > 0


def test_causal_attention_costs_half():
    def call(is_causal):
        q = dlcore.randn(1, 1, 2048, 8)
        return profiled(lambda: F.scaled_dot_product_attention(q, q, q, is_causal=is_causal))

    whole, half = (totals(call(c))["scaled_dot_product_attention", False].flops for c in (False, True))
    assert 0.5 <= half / whole < 0.6


def test_totals_and_events_agree():
    x = randn(64, 64)
    p = profiled(lambda: [(x * 2).exp().sum().backward() for _ in range(5)])
    events, found = p.events(), totals(p)
    assert found["exp", False].calls == found["exp", False].count == 5
    assert found["mul", False].calls == 5 and found["mul", True].calls == 10  # exp's backward multiplies, too
    for (name, backward), a in found.items():
        mine = [e for e in events if (e.name, e.backward, e.kind) == (name, backward, "kernel")]
        assert len(mine) == a.calls
        assert sum(e.time for e in mine) == pytest.approx(a.time)
        assert sum(e.allocated for e in mine) == a.allocated
        assert sum(e.bytes for e in mine) == a.bytes
        assert a.share == pytest.approx(a.time / p.wall_time)
        assert a.cpu_time_total == pytest.approx(1e6 * a.time) == a.self_cpu_time_total
    assert {e.name for e in events if e.kind == "node"} >= {"exp", "mul", "sum"}
    assert all(e.backward for e in events if e.kind == "node")
    ends = [e.start + e.time for e in events]
    assert all(e.start >= 0 and e.time >= 0 for e in events) and max(ends) <= p.wall_time
    assert p.dropped == 0


def test_kernels_of_backward_lie_inside_their_nodes():
    p = profiled(lambda: nn.Linear(8, 8)(randn(4, 8)).tanh().square().sum().backward())
    nodes = [(e.start, e.start + e.time) for e in p.events() if e.kind == "node"]
    for e in p.events():
        inside = any(a <= e.start and e.start + e.time <= b for a, b in nodes)
        if e.kind == "kernel" and e.name != "full":  # the first gradient, 1, is made before the first node
            assert inside == e.backward, e


def test_allocated_bytes():
    def call():
        a = dlcore.zeros(1 << 16)  # 256 KiB
        b = a + a
        dlcore.empty(1 << 18)  # no kernel: found at the next one
        b.exp()

    found = totals(profiled(call))
    kib = 1024
    assert found["add", False].allocated == 256 * kib
    assert found["exp", False].allocated == (1024 + 256) * kib
    first = profiled(lambda: dlcore.empty(1 << 20))
    assert not first.key_averages()
    # what was asked for in one profile does not appear in the next
    assert totals(profiled(lambda: dlcore.ones(16).exp()))["exp", False].allocated <= 128


def test_blocks():
    @record_function("decorated")
    def f(n):
        return f(n - 1) if n else dlcore.ones(3).exp()

    def call():
        for _ in range(3):
            with record_function("outer"), record_function("inner"):
                f(1)

    p = profiled(call)
    found = totals(p)
    assert found["outer", False].calls == found["inner", False].calls == 3 and found["decorated", False].calls == 6
    assert found["outer", False].kind == "block" and found["outer", False].time >= found["inner", False].time
    with record_function("outside"):
        pass  # nothing to be noted in
    assert ("outside", False) not in totals(profiled(lambda: None))
    with pytest.raises(ZeroDivisionError), profile() as failed, record_function("failing"):
        1 / 0  # noqa: B018
    assert totals(failed)["failing", False].calls == 1


def test_blocks_across_the_borders_are_left_out():
    with record_function("begun before"):
        p = profile()
        p.start()
    p.stop()
    assert not p.key_averages()


def test_trace(tmp_path):
    path = tmp_path / "trace.json"
    x = randn(16, 16)

    def call():
        with record_function('a "block"\n'):
            (x @ x).tanh().sum().backward()

    p = profiled(call)
    p.export_chrome_trace(path)
    trace = json.loads(path.read_text())
    assert trace["displayTimeUnit"] == "ms" and trace["otherData"]["dropped_events"] == 0
    complete = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    named = [e for e in trace["traceEvents"] if e["ph"] == "M"]
    assert len(complete) + len(named) == len(trace["traceEvents"]) and len(complete) == len(p.events())
    for e in complete:
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid"} <= e.keys()
        assert e["pid"] == os.getpid() and isinstance(e["tid"], int)
        assert 0 <= e["ts"] <= e["ts"] + e["dur"] <= 1e6 * p.wall_time + 1e-3  # microseconds
    assert {e["cat"] for e in complete} == {"kernel", "node", "block"}
    assert 'a "block"\n' in {e["name"] for e in complete}
    product = next(e for e in complete if e["name"] == "matmul" and not e["args"]["backward"])
    assert product["args"]["flops"] == 2 * 16**3
    assert {e["name"] for e in named} == {"process_name", "thread_name"}
    # what lies on one thread nests: viewers draw it as a stack
    for thread in {e["tid"] for e in complete}:
        open_until = []
        mine = [e for e in complete if e["tid"] == thread]
        for e in sorted(mine, key=lambda e: (e["ts"], -e["dur"])):
            while open_until and open_until[-1] <= e["ts"]:
                open_until.pop()
            assert not open_until or e["ts"] + e["dur"] <= open_until[-1] + 1e-3
            open_until.append(e["ts"] + e["dur"])


def test_threads():
    def work():
        x = dlcore.ones(100)
        for _ in range(50):
            x = x + 1

    def call():
        workers = [threading.Thread(target=work) for _ in range(4)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()

    p = profiled(call)
    adds = [e for e in p.events() if e.name == "add"]
    assert len(adds) == 200 == totals(p)["add", False].calls
    assert len({e.thread for e in adds}) == 4


def test_limit_of_events(tmp_path):
    def call():
        x = dlcore.ones(3)
        for _ in range(100):
            x = x * 2

    p = profiled(call, max_events=7)
    assert len(p.events()) == 7 and p.dropped == 94
    assert totals(p)["mul", False].calls == 100
    assert "94 events more than max_events=7" in p.table()
    p.export_chrome_trace(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["otherData"]["dropped_events"] == 94
    assert profiled(call, max_events=0).events() == []

    def many_names():
        for i in range(5000):
            with record_function(f"block {i}"):
                pass

    found = totals(profiled(many_names))
    assert len(found) == 4097 and found["(others)", False].calls == 5000 - 4096


def test_table():
    x = randn(64, 64)
    p = profiled(lambda: (x @ x).relu().sum().backward())
    lines = p.table().splitlines()
    assert lines[0].split() == "op pass calls time ms share mean us GFLOP/s GB/s allocated".split()
    assert re.fullmatch(r"\d+ kernels, [\d.]+ ms of [\d.]+ ms wall time \([\d.]+%\), [\d.]+ \w+ allocated", lines[-1])
    assert len({len(line) for line in lines[:-1]}) == 1  # columns
    by_name = [line.split()[0] for line in p.key_averages().table(sort_by="name").splitlines()[2:]]
    assert by_name == sorted(by_name)
    times = [a.time for a in p.key_averages()]
    table = p.key_averages().table(sort_by="cpu_time_total", row_limit=2)
    assert f"{1e3 * max(times):.3f}" in table.splitlines()[2]
    assert len(table.splitlines()) == 5 and table.endswith(f"... {len(times) - 2} more")
    assert len(p.table(rows=1).splitlines()) == 5 and str(p.key_averages()).startswith("op")
    assert Averages().table().startswith("op")
    with pytest.raises(ValueError, match="sort_by must be one of"):
        p.table("speed")


def test_refusals():
    p = profile()
    for read in (p.events, p.key_averages, p.table, lambda: p.wall_time, lambda: p.export_chrome_trace("x")):
        with pytest.raises(RuntimeError, match="before the block has ended"):
            read()
    with pytest.raises(RuntimeError, match="without start"):
        p.stop()
    with profile() as outer:
        with pytest.raises(RuntimeError, match="do not nest"), profile():
            pass
        dlcore.ones(3).exp()
    assert ("exp", False) in totals(outer)
    for option in ("record_shapes", "with_stack", "with_modules", "schedule"):
        with pytest.raises(NotImplementedError, match=option):
            profile(**{option: True})
    with pytest.raises(ValueError, match="activity"):
        profile(activities=[ProfilerActivity.CUDA])
    for n in (-1, 10**30):
        with pytest.raises(ValueError, match="max_events"):
            profile(max_events=n)
    with pytest.raises(TypeError):
        profile(on_trace_ready=3)
    with pytest.raises(TypeError, match="name must be a str"):
        record_function(3)


def test_options_that_are_accepted():
    seen = []
    options = {"profile_memory": True, "with_flops": True, "activities": [ProfilerActivity.CPU]}
    p = profiled(lambda: dlcore.ones(3).exp(), on_trace_ready=seen.append, **options)
    assert seen == [p]


def test_results_do_not_change():
    def run():
        dlcore.manual_seed(0)
        model = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 1))
        model(dlcore.randn(10, 20)).square().mean().backward()
        return [q.grad.numpy() for q in model.parameters()]

    plain, watched = run(), []
    profiled(lambda: watched.extend(run()))
    assert all(np.array_equal(a, b) for a, b in zip(plain, watched))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_takes_no_part():
    with profile() as p:
        dlcore.ones(3).exp()
        child = os.fork()
        if child == 0:
            dlcore.ones(3).exp()
            try:
                with profile() as mine:
                    dlcore.ones(3).exp()
                os._exit(totals(mine)["exp", False].calls != 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert totals(p)["exp", False].calls == 1
