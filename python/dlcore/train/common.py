"""What all trainings have in common: options of the command line, the progress bar."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A type of argparse: a positive whole number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, but got {text}")
    return int(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every model has."""
    parser.add_argument("--epochs", type=positive, help="default: the model's own")
    parser.add_argument("--batch-size", type=positive, help="default: the model's own")
    parser.add_argument("--lr", type=float, help="learning rate; default: the model's own")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--output", help="file of the model; default: the model's name with .safetensors")


def progress_bar(total: int, name: str, shown: bool):
    """tqdm's bar over `total` batches.

    Raises:
        ImportError: if tqdm is missing.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(
            "dlcore train needs tqdm for its progress bar; install it with pip install 'dlcore[examples]'"
        ) from error
    return tqdm(total=total, desc=name, unit="batch", disable=not shown)
