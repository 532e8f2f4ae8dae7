"""The command line: ``dlcore train lenet``, ``dlcore info``."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit status: 0, or 1 where it failed.

    Args:
        argv: the arguments; those of the process where it is None.
    """
    import argparse

    parser = argparse.ArgumentParser(prog="dlcore", description="A deep-learning core.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("info", help="print version, compiler, instruction sets, threads and memory")
    train = commands.add_parser("train", help="train a model")
    models = train.add_subparsers(dest="model", required=True, metavar="model")
    lenet = models.add_parser("lenet", help="LeNet on scikit-learn's handwritten digits")
    lenet.add_argument("--epochs", type=_positive, default=20, help="default: %(default)s")
    lenet.add_argument("--batch-size", type=_positive, default=32, help="default: %(default)s")
    lenet.add_argument("--lr", type=float, default=2e-3, help="learning rate; default: %(default)s")
    lenet.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    lenet.add_argument("--output", default="lenet.safetensors", help="file of the model; default: %(default)s")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "info":
            _info()
        else:
            from .train import train_lenet

            train_lenet(arguments.epochs, arguments.batch_size, arguments.lr, arguments.seed, arguments.output)
    except (ImportError, OSError, ValueError) as error:
        print(f"dlcore: {error}", file=sys.stderr)
        return 1
    return 0


def _positive(text: str) -> int:
    import argparse

    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, but got {text}")
    return int(text)


def _info() -> None:
    from . import _core

    for name, value in _core.build_info().items():
        if isinstance(value, (list, tuple)):
            value = ", ".join(map(str, value)) or "none"
        if isinstance(value, dict):
            value = ", ".join(f"{key} {each}" for key, each in value.items())
        print(f"{name + ':':<18}{value}")
