"""How time and memory of the attentions grow with the sequence: forward with the gradients of query, key and value.

    python bench/linear_attention.py [--heads 4] [--depth 64] [--threads 1] [--lengths 1024 2048 4096 8192 16384]
    python bench/linear_attention.py --window          a window of 257 of 4096, and PyTorch's by a dense mask

Each figure comes from a process of its own. Time is that of the shortest of some calls; memory the process's largest
resident size, less what it had before the operands were made, so that these and their gradients count.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import resource
import subprocess
import sys
import time

SECONDS = 0.3  # of calls to a figure, after a first one that finds its memory


def attentions(d, heads: int, depth: int, tokens: int) -> dict:
    """Name and call of query, key and value."""
    from dlcore.nn.attention import SlidingWindow, attention
    from dlcore.nn.clustered_attention import lsh_attention
    from dlcore.nn.linear_attention import linear_attention

    nn = d.nn
    return {
        "linear": linear_attention,
        "linear, causal": lambda q, k, v: linear_attention(q, k, v, causal=True),
        "Performer, 256 features": nn.PerformerAttention(depth, 256),
        "Performer, 256 features, causal": nn.PerformerAttention(depth, 256, causal=True),
        "LSH, 2 rounds, 64 buckets, chunks of 64": lambda q, k, v: lsh_attention(q, None, v),
        "LSH, the same, causal": lambda q, k, v: lsh_attention(q, None, v, causal=True),
        "routing, S / 256 clusters of 256": nn.RoutingAttention(heads, depth, max(1, tokens // 256), 256),
        "Sinkhorn, blocks of 128": nn.SinkhornAttention(heads, depth, 128),
        "Linformer, 256 sums": nn.LinformerAttention(tokens, 256, shared=True),
        "window of 257": lambda q, k, v: attention(q, k, v, SlidingWindow(128, 128)),
        "dense": lambda q, k, v: attention(q, k, v),
    }


def torch_attentions(torch, heads: int, depth: int, tokens: int) -> dict:
    def dense(q, k, v, mask=None):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    @functools.cache  # made in the first call, for its memory counts
    def near():
        at = torch.arange(tokens)
        return (at[:, None] - at).abs() <= 128

    return {"PyTorch, window of 257 by a dense mask": lambda *x: dense(*x, near()), "PyTorch, dense": dense}


def measure(name: str, heads: int, depth: int, tokens: int, threads: int) -> tuple[float, float]:
    """Milliseconds and MiB."""
    library = "torch" if name.startswith("PyTorch") else "dlcore"
    d = importlib.import_module(library)
    importlib.import_module(f"{library}.nn")
    d.set_num_threads(threads)
    d.manual_seed(0)
    call = (torch_attentions if library == "torch" else attentions)(d, heads, depth, tokens)[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x = [d.randn(1, heads, tokens, depth) for _ in range(3)]
    x = [t.requires_grad_() for t in x]
    dy = d.randn(1, heads, tokens, depth)
    call(*x).backward(dy)
    times = []
    while len(times) < 2 or sum(times) < SECONDS:
        start = time.perf_counter()
        call(*x).backward(dy)
        times.append(time.perf_counter() - start)
    return min(times) * 1e3, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def in_a_process(name: str, tokens: int, args: argparse.Namespace) -> tuple[float, float]:
    sizes = [f"--heads={args.heads}", f"--depth={args.depth}", f"--threads={args.threads}", f"--lengths={tokens}"]
    command = [sys.executable, __file__, *sizes, "--only", name]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    milliseconds, mebibytes = map(float, result.stdout.split())
    return milliseconds, mebibytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=4, help="default: 4")
    parser.add_argument("--depth", type=int, default=64, help="columns of a head; default: 64")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 2048, 4096, 8192, 16384])
    parser.add_argument("--window", action="store_true", help="only windows and dense attention, PyTorch's too")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(*measure(args.only, args.heads, args.depth, args.lengths[0], args.threads))
        return
    import dlcore

    sizes = f"batch 1, {args.heads} heads of {args.depth}, float32, threads: {args.threads}"
    if args.window:
        print(f"{sizes}, 4096 tokens, forward and backward\n\n| attention | ms | MiB |\n|---|---|---|")
        for name in ("window of 257", "dense", *torch_attentions(None, 0, 0, 0)):
            milliseconds, mebibytes = in_a_process(name, 4096, args)
            print(f"| {name} | {milliseconds:.0f} | {mebibytes:.0f} |", flush=True)
        return
    print(f"{sizes}: ms / MiB, forward and backward\n")
    print("| attention |" + "".join(f" S = {s} |" for s in args.lengths))
    print("|---" * (len(args.lengths) + 1) + "|")
    for name in attentions(dlcore, args.heads, args.depth, args.lengths[0]):
        figures = [in_a_process(name, tokens, args) for tokens in args.lengths]
        print(f"| {name} |" + "".join(f" {t:.1f} / {m:.0f} |" for t, m in figures), flush=True)


if __name__ == "__main__":
    main()
