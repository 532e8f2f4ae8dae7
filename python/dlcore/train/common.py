"""What all trainings have in common: options of the command line, the progress bar, the loop of sequence models."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable

from .. import nn
from .._core import Tensor
from ..autograd import no_grad
from ..models.sequence import save_model
from ..optim import AdamW
from ..optim.lr_scheduler import LambdaLR
from .callbacks import progress_bar


def positive(text: str) -> int:
    """A type of argparse: a positive whole number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, but got {text}")
    return int(text)


def add_options(parser: argparse.ArgumentParser, by_batches: bool = True) -> None:
    """The options that every model has, and those of a training by batches."""
    if by_batches:
        parser.add_argument("--epochs", type=positive, help="default: the model's own")
        parser.add_argument("--batch-size", type=positive, help="default: the model's own")
        parser.add_argument("--lr", type=float, help="learning rate; default: the model's own")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--output", help="file of the model; default: the model's name with .safetensors")


def fit(
    name: str,
    model: nn.Module,
    batches: Callable[[], Iterable],
    count: int,
    loss: Callable[..., Tensor],
    evaluate: Callable[[], dict[str, float]],
    epochs: int,
    lr: float,
    progress: bool = True,
    clip: float = 1.0,
    weight_decay: float = 0.01,
) -> tuple[dict[str, float], float]:
    """Train with AdamW; the learning rate rises over the first twentieth of the steps, and then falls as a cosine.

    Args:
        name: shown by the progress bar.
        batches: called for each epoch; gives its batches.
        count: batches of an epoch.
        loss: of a batch.
        evaluate: called after each epoch, in evaluation mode and without gradients; gives what is shown.
        clip: to which the norm of all gradients is limited. Default: 1.

    Returns:
        what `evaluate` gave last, and the seconds that it took.
    """
    total = epochs * count
    warm = 1 + total // 20
    optimizer = AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    schedule = LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * min(1, step / total)))
    )
    start, measured = time.perf_counter(), {}
    with progress_bar(total, name, progress) as bar:
        for epoch in range(epochs):
            model.train()
            for batch in batches():
                optimizer.zero_grad()
                value = loss(batch)
                value.backward()
                nn.utils.clip_grad_norm_(model.parameters(), clip)
                optimizer.step()
                schedule.step()
                bar.update()
            model.eval()
            with no_grad():
                measured = evaluate()
            shown = {key: f"{number:.4g}" for key, number in measured.items()}
            bar.set_postfix(epoch=epoch + 1, loss=f"{value.item():.4f}", **shown)
    return measured, time.perf_counter() - start


def save(model: nn.Module, output: str | None, **extra) -> None:
    """Save a model of sequences with what belongs to it, if there is a file to save it in, and say so."""
    if output is not None:
        save_model(model, output, **extra)
        print(f"saved {output}")


def check_name(name: str, names: Iterable[str]) -> None:
    """Raise ValueError if `name` is none of the names."""
    if name not in names:
        raise ValueError(f"train: name must be one of {', '.join(names)}, but got {name}")
