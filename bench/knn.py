"""The nearest neighbours: dlcore's time against scikit-learn's brute force, in turn.

    python bench/knn.py [--items 10000] [--features 64] [--queries 1000] [--k 5] [--threads 1 2] [--blocks]

Both find the same neighbours first; where distances agree to rounding, their order may differ. The figures are lower
quartiles of calls that alternate, each number of threads in a process of its own. With --blocks, dlcore alone with
several sizes of its blocks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

METRICS = {"l2": "euclidean", "l1": "manhattan"}


def quartiles(calls: dict[str, Callable], seconds: float) -> dict[str, float]:
    """Milliseconds of each call, the lower quartile, in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or len(next(iter(times.values()))) < 4:
        for name, call in calls.items():
            time.sleep(0.005)  # the other one's threads stop spinning
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: sorted(values)[len(values) // 4] * 1e3 for name, values in times.items()}


def measure(args: argparse.Namespace) -> None:
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    import dlcore
    from dlcore.models.classic import KNeighborsClassifier, neighbors

    dlcore.set_num_threads(args.threads[0])
    rng = np.random.default_rng(0)
    x, q = (rng.standard_normal((n, args.features)).astype("f4") for n in (args.items, args.queries))
    for metric, name in METRICS.items():
        theirs = NearestNeighbors(n_neighbors=args.k, algorithm="brute", metric=name).fit(x)
        ours = KNeighborsClassifier(args.k, metric)
        ours.fit(dlcore.from_numpy(x), dlcore.zeros(args.items, dtype=dlcore.int64))
        queries = dlcore.from_numpy(q)
        (d, i), (e, j) = ours.kneighbors(queries), theirs.kneighbors(q)
        np.testing.assert_allclose(d.numpy(), e, rtol=1e-5)
        assert (i.numpy() != j).mean() < 1e-3, "other neighbours"
        if args.blocks:
            for block in (2**18, 2**19, 2**20, 2**21, 2**22, 2**23):
                neighbors.BLOCK = block
                time_of = quartiles({"dlcore": partial(ours.kneighbors, queries)}, 0.5)
                print(f"| {args.threads[0]} | {metric} | {block} | {time_of['dlcore']:.1f} |", flush=True)
            continue
        calls = {"dlcore": partial(ours.kneighbors, queries), "theirs": partial(theirs.kneighbors, q)}
        time_of = quartiles(calls, 3.0)
        print(
            f"| {args.threads[0]} | {metric} | {time_of['dlcore']:.1f} | {time_of['theirs']:.1f} | "
            f"{time_of['theirs'] / time_of['dlcore']:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("items", 10_000), ("features", 64), ("queries", 1000), ("k", 5)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    parser.add_argument("--blocks", action="store_true", help="dlcore alone, by the size of its blocks")
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        measure(args)
        return
    print(f"{args.queries} queries of {args.items} x {args.features}, k = {args.k}, float32: ms\n")
    columns = ["threads", "metric", *(["block", "dlcore"] if args.blocks else ["dlcore", "scikit-learn", "ratio"])]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    sizes = [f"--{name}={getattr(args, name)}" for name in ("items", "features", "queries", "k")]
    for threads in args.threads:
        command = [sys.executable, __file__, *sizes, f"--threads={threads}", "--only", *["--blocks"] * args.blocks]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


if __name__ == "__main__":
    main()
