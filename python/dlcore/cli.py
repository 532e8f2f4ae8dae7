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
    _add_train(commands.add_parser("train", help="train a network for images"))
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "info":
            _info()
        else:
            _train(arguments)
    except (ImportError, OSError, ValueError) as error:
        print(f"dlcore: {error}", file=sys.stderr)
        return 1
    return 0


def _add_train(parser) -> None:
    from .train import AUGMENTATIONS, NETWORKS

    parser.description = "Train a network for images, on scikit-learn's handwritten digits or on files of one's own."
    parser.add_argument("network", choices=NETWORKS, metavar="network", help=f"one of {', '.join(NETWORKS)}")
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--mnist", metavar="FOLDER", help="train on the files of MNIST or Fashion-MNIST")
    data.add_argument("--cifar10", metavar="FOLDER", help="train on the files of CIFAR-10's binary version")
    data.add_argument("--folder", metavar="FOLDER", help="train on images in one folder a class")
    parser.add_argument("--size", type=_positive, default=64, help="of a folder's images; default: %(default)s")
    parser.add_argument("--epochs", type=_positive, help="default: the network's own")
    parser.add_argument("--batch-size", type=_positive, help="default: the network's own")
    parser.add_argument("--lr", type=float, help="learning rate; default: the network's own")
    parser.add_argument(
        "--augment",
        type=lambda text: [name for name in text.split(",") if name],
        metavar="NAME,...",
        help=f"of {', '.join(AUGMENTATIONS)}; default: the network's own",
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--output", help="file of the model; default: the network's name with .safetensors")


def _train(arguments) -> None:
    from .train import train

    options = vars(arguments)
    del options["command"]
    files = {name: options.pop(name) for name in ("mnist", "cifar10", "folder")}
    data, path = next(((name, path) for name, path in files.items() if path is not None), ("digits", None))
    options["output"] = options["output"] or f"{options['network']}.safetensors"
    train(data=data, path=path, **options)


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
