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
    _add_train(commands.add_parser("train", help="train a model"))
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "info":
            _info()
        else:
            _train(**vars(arguments))
    except (ImportError, OSError, ValueError) as error:
        print(f"dlcore: {error}", file=sys.stderr)
        return 1
    return 0


def _add_train(parser) -> None:
    from .train import FAMILIES

    known = "; ".join(f"for {what}: {', '.join(family.NAMES)}" for what, family in FAMILIES.items())
    models = parser.add_subparsers(dest="model", required=True, metavar="model", help=f"one of those {known}")
    for family in FAMILIES.values():
        for name in family.NAMES:
            model = models.add_parser(name)
            family.add_options(model, name)
            model.set_defaults(run=family.run)


def _train(command, model, run, output, **options) -> None:
    run(model, output=output or f"{model}.safetensors", **options)


def _info() -> None:
    from . import _core

    for name, value in _core.build_info().items():
        if isinstance(value, (list, tuple)):
            value = ", ".join(map(str, value)) or "none"
        if isinstance(value, dict):
            value = ", ".join(f"{key} {each}" for key, each in value.items())
        print(f"{name + ':':<18}{value}")
