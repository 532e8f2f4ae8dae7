"""Peak memory of a training step of ResNet-18, dlcore's and PyTorch's, each in a process of its own.

    python bench/memory.py [--size 64] [--batch 16]

What is counted is the process's largest resident size, less what it had once the library was imported.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import subprocess
import sys

STEPS = 4


def peak() -> float:
    """MiB so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(library: str, batch: int, size: int, channels_last: bool) -> float:
    from cases.models import network_step

    d = importlib.import_module(library)
    importlib.import_module(f"{library}.nn")
    importlib.import_module(f"{library}.optim")
    d.set_num_threads(2)
    before = peak()
    step = network_step("resnet18", batch, size)(d, channels_last)
    for _ in range(STEPS):
        step()
    return peak() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="of the images; default: 64")
    parser.add_argument("--batch", type=int, default=16, help="images in a batch; default: 16")
    parser.add_argument("--only", choices=("dlcore", "torch"), help=argparse.SUPPRESS)
    parser.add_argument("--channels-last", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(measure(args.only, args.batch, args.size, args.channels_last))
        return
    sizes = ["--size", str(args.size), "--batch", str(args.batch)]
    print(f"ResNet-18, {args.batch} images of {args.size}x{args.size}, training step with Adam: MiB at the peak")
    for name, options in {
        "dlcore": ["--only", "dlcore"],
        "PyTorch": ["--only", "torch"],
        "PyTorch, channels last": ["--only", "torch", "--channels-last"],
    }.items():
        result = subprocess.run([sys.executable, __file__, *options, *sizes], stdout=subprocess.PIPE, check=True)
        print(f"{name}: {float(result.stdout):.0f}")


if __name__ == "__main__":
    main()
