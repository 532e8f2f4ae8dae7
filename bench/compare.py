"""dlcore and PyTorch side by side, in one process and in turn, the same code through both.

    python bench/compare.py                        all groups, with 2 threads and with 1
    python bench/compare.py --group matmul --threads 1 --quick

Every row first checks that both give the same result. Then blocks of calls alternate, with a pause before each so that
the other library's idle threads have stopped spinning, and a warm-up. A row's figure is the ratio of the lower
quartiles, PyTorch's time over dlcore's: above 1, dlcore is faster. The tables go to the terminal and to bench/results/.
"""

from __future__ import annotations

import argparse
import gc
import math
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from cases import load

import dlcore
import dlcore.nn
import dlcore.optim

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
# group: (what it is, bar for the geometric mean, bar for each row); None where there is no bar
BARS = {
    "matmul": ("matmul", 1.0, 0.85),
    "large": ("elementwise, broadcast, reduction, softmax, copy, cat, index; 1M..4M elements", 1.3, 0.9),
    "small": ("one op on 64 elements", 1.8, None),
    "mlp step": ("MLP 8-64-64-4 batch 32, training step with Adam", 6.0, None),
    "lenet step": ("LeNet batch 64, training step with Adam", 3.0, None),
    "resnet step": ("ResNet-18 on 32x32 and 64x64, training step with Adam", 1.4, None),
    "vgg step": ("VGG-11 on 64x64, training step with Adam", 1.3, None),
    "mobilenet step": ("MobileNet on 64x64, training step with Adam", 1.4, None),
    "mlp inference": ("MLP 8-64-64-4 batch 1, inference", 4.0, None),
    "lenet inference": ("LeNet batch 1, inference", 3.0, None),
    "resnet inference": ("ResNet-18 on 224x224 batch 1, inference", 1.3, None),
    "conv 3x3": ("convolution 3x3, stride 1, 32 channels or more, forward and with backward", 1.4, 1.0),
    "conv stem": ("convolution of 1 to 4 channels", 2.5, 1.5),
    "conv other": ("convolution 1x1, 5x5, strided, dilated, grouped", 1.05, 0.9),
    "conv depthwise": ("depthwise convolution", 1.5, 1.1),
    "norm": ("normalization, forward and with backward", 1.6, 1.0),
    "loss": ("losses, forward with backward", None, None),
    "lstm": ("LSTM, steps 20..100, batch 1..64, hidden 64..512, inference and with backward", 1.25, 0.95),
    "gru and rnn": ("GRU and RNN, the same", 2.4, 1.3),
    "recurrent, other": ("recurrent layers on packed sequences, with projections, in float64", 4.0, 2.0),
    "attention": ("attention, dense and causal, 50..4096 rows, 32..128 columns, forward and with backward", 1.25, 1.0),
    "attention, other": ("attention with dropout, in 3 dimensions, with values of another size, the same", 2.5, 1.3),
    "attention, window": (
        "attention in a window of 257 of 4096, PyTorch's by a dense mask, with backward",
        10,
        None,
    ),
    "sequence layers": (
        "layer and RMS norm, softmax, gelu, silu, dropout, embedding, forward with backward",
        1.5,
        1.0,
    ),
    "lstm model step": ("LSTM language model, training step with Adam", 1.5, None),
    "gru model step": ("GRU language model, training step with Adam", 2.8, None),
    "gpt step": ("GPT of 4 layers of 256, training step with Adam", 1.3, None),
    "encoder step": ("encoder of 4 layers of 256 with dropout 0.1, training step with Adam", 1.6, None),
    "decode": ("GPT of 4 layers of 256, one token with cache", 2.0, None),
    "pooling": ("pooling, forward and with backward", 3.0, 1.2),
    "image": ("padding, resampling, sampling at points, unfolding, forward and with backward", 1.0, None),
    "optimizer step": ("optimizers on the 161 parameters of ResNet-50, against fused ones where there are", 1.2, None),
    "optimizer step, tiny": ("optimizers on 1,000 tensors of 16 elements, against the same", 3.0, None),
}


def arrays(result) -> list[np.ndarray]:
    items = result if isinstance(result, (tuple, list)) else [result]
    return [np.asarray(item.detach().numpy()) for item in items]


def check_equal(row, mine, theirs) -> None:
    """|dlcore - PyTorch| <= 8 eps sqrt(length) max|PyTorch|; integers and bools are the same."""
    mine, theirs = arrays(mine), arrays(theirs)
    assert len(mine) == len(theirs), f"{len(mine)} results, PyTorch has {len(theirs)}"
    for a, b in zip(mine, theirs):
        assert a.shape == b.shape and a.dtype == b.dtype, f"{a.dtype}{a.shape}, PyTorch has {b.dtype}{b.shape}"
        if row.random:
            continue
        if a.dtype.kind != "f":
            assert np.array_equal(a, b), "results differ"
        elif a.size:
            # independent roundings add up like their square root; a wrong result is off by far more than 8 times that
            bound = 8 * EPS[row.dtype] * max(math.sqrt(row.length), 1) * max(np.abs(b).max(), 1.0)
            error = np.abs(a.astype(np.float64) - b).max()
            assert error <= bound, f"results differ by {error:.3g}, more than {bound:.3g}"


class Timer:
    """Times blocks of calls of one function."""

    def __init__(self, call, block_s: float):
        self.call, self.times = call, []
        self.warm_up_s = block_s / 4
        start, n = time.perf_counter(), 0
        while time.perf_counter() - start < block_s:  # also wakes everything up for the first time
            call()
            n += 1
        self.calls = max(1, round(n * block_s / (time.perf_counter() - start)))

    def block(self) -> None:
        call, clock = self.call, time.perf_counter
        until = clock() + self.warm_up_s
        call()
        while clock() < until:
            call()
        start = clock()
        for _ in range(self.calls):
            call()
        self.times.append((clock() - start) / self.calls)

    @property
    def seconds(self) -> float:
        """The lower quartile: what else runs on the machine, and in its shared cache, only ever adds time."""
        return sorted(self.times)[len(self.times) // 4]


def same_result(row, calls) -> None:
    results = []
    for call in calls:
        for _ in range(row.calls):
            result = call()
        results.append(result)
    for other in results[1:]:
        check_equal(row, results[0], other)


def installed(others: dict) -> dict:
    """The calls of those other libraries that are there."""
    calls = {}
    for name, make in others.items():
        try:
            calls[name] = make(torch)
        except ImportError:
            print(f"{name} is not installed", file=sys.stderr)
    return calls


def run(mine, theirs, rounds: int, block_s: float, pause_s: float) -> tuple[float, float, dict[str, float]]:
    """Seconds a call takes in dlcore, in PyTorch (its best layout), and in other libraries."""
    calls = [mine.make(dlcore, **mine.layout)] + [theirs.make(torch, **layout) for layout in theirs.torch_layouts]
    same_result(mine, calls)  # in a function of its own: results that stay alive change what a call costs
    others = installed(theirs.others)
    timers = [Timer(call, block_s) for call in [*calls, *others.values()]]
    gc.collect()
    gc.disable()
    try:
        for i in range(rounds):
            for timer in timers if i % 2 == 0 else reversed(timers):
                time.sleep(pause_s)
                timer.block()
    finally:
        gc.enable()
    seconds = [timer.seconds for timer in timers]
    return seconds[0], min(seconds[1 : len(calls)]), dict(zip(others, seconds[len(calls) :]))


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def verdict(group: str, ratios: list[float]) -> str:
    """A line of the summary: geometric mean and minimum against the bars."""
    what, mean_bar, row_bar = BARS[group]
    mean, low = math.exp(statistics.fmean(map(math.log, ratios))), min(ratios)
    if mean_bar is None:
        return f"| {what} | {len(ratios)} | {mean:.2f} | {low:.2f} | | |"
    passed = mean >= mean_bar and (row_bar is None or low >= row_bar)
    bar = f"{mean_bar:g}" + (f" ({row_bar:g})" if row_bar else "")
    return f"| {what} | {len(ratios)} | {mean:.2f} | {low:.2f} | {bar} | {'yes' if passed else '**no**'} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", action="append", choices=list(BARS), help="only this group (may be repeated)")
    parser.add_argument("--row", default="", help="only rows whose name contains this")
    parser.add_argument("--threads", type=int, action="append", help="thread count (may be repeated); default: 2 and 1")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter blocks: for a first look")
    default = Path(__file__).parent / "results" / "compare.md"
    parser.add_argument(
        "--output", type=Path, help="where the tables go; default: bench/results/compare.md for a full run"
    )
    args = parser.parse_args()
    rows = [
        (mine, theirs)
        for mine, theirs in zip(load(), load())
        if (not args.group or mine.group in args.group) and args.row in mine.name
    ]
    full = not (args.group or args.row or args.threads or args.quick)
    output = args.output or (default if full else None)
    rounds, block_s, pause_s = (5, 0.005, 0.01) if args.quick else (11, 0.02, 0.015)

    info = dlcore._core.build_info()
    out = [
        "# dlcore and PyTorch side by side",
        "",
        f"{cpu_name()}; dlcore {dlcore.__version__} (tier {info['tier']}), PyTorch {torch.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}; {time.strftime('%Y-%m-%d')}; "
        f"`python bench/compare.py{''.join(' ' + a for a in sys.argv[1:])}`. Ratio: PyTorch's time / dlcore's.",
    ]
    print("\n".join(out), flush=True)
    failed = []
    for threads in args.threads or (2, 1):
        dlcore.set_num_threads(threads)
        torch.set_num_threads(threads)
        ratios: dict[str, list[float]] = {}
        table = ["", f"## {threads} thread{'s' * (threads > 1)}", "", "| group | case | dlcore | PyTorch | ratio |",
                 "|---|---|--:|--:|--:|"]  # fmt: skip
        print("\n".join(table), flush=True)
        for row, theirs in rows:
            try:
                ours_s, torch_s, others = run(row, theirs, rounds, block_s, pause_s)
                ratios.setdefault(row.group, []).append(torch_s / ours_s)
                peers = "".join([duration(torch_s), *(f" ({name} {duration(s)})" for name, s in others.items())])
                line = f"| {row.group} | {row.name} | {duration(ours_s)} | {peers} | {torch_s / ours_s:.2f} |"
            except Exception as error:  # a row that cannot be measured is reported, and fails the run
                failed.append(row.name)
                line = f"| {row.group} | {row.name} | {type(error).__name__}: {str(error).splitlines()[0]} | | |"
            table.append(line)
            print(line, flush=True)
        summary = ["", "| group | rows | geometric mean | lowest | bar | met |", "|---|--:|--:|--:|--:|---|",
                   *(verdict(g, r) for g, r in ratios.items())]  # fmt: skip
        print("\n".join(summary), flush=True)
        out += table + summary
    if output:
        output.parent.mkdir(exist_ok=True)
        output.write_text("\n".join(out) + "\n")
        print(f"\nwritten to {output}")
    if failed:
        print(f"\nnot measured: {', '.join(sorted(set(failed)))}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
