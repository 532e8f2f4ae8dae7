"""The pointer network, on points that are drawn: sorting numbers, or finding convex hulls."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .. import _core
from .._core import Tensor
from ..datasets import pad_batch
from ..models.sequence import PointerNetwork
from ..models.sequence.pointer import IGNORED
from . import common

NAMES = ("pointer",)
BATCHES = 100  # of an epoch
FEWEST = 5  # points of an input


def ascending(points: Sequence[Sequence[float]]) -> list[int]:
    """The positions of numbers, from the least to the greatest."""
    return sorted(range(len(points)), key=points.__getitem__)


def convex_hull(points: Sequence[Sequence[float]]) -> list[int]:
    """The positions of the corners of the convex hull of points (x, y), counterclockwise from the leftmost one.

    Source: Andrew: Another efficient algorithm for convex hulls in two dimensions, 1979.
    """

    def turns_left(a: int, b: int, c: int) -> bool:
        (ax, ay), (bx, by), (cx, cy) = points[a], points[b], points[c]
        return (bx - ax) * (cy - ay) > (by - ay) * (cx - ax)

    def chain(order: list[int]) -> list[int]:
        corners: list[int] = []
        for i in order:
            while len(corners) > 1 and not turns_left(*corners[-2:], i):
                corners.pop()
            corners.append(i)
        return corners[:-1]

    order = ascending(points)
    return chain(order) + chain(order[::-1]) if len(order) > 1 else order


@dataclass(frozen=True)
class Task:
    """What is learned: the answer to points of so many features, and whether the answer's length varies.

    Attributes:
        most: points of an input.
        hidden_size, epochs, batch_size, lr: of the model and the training.
    """

    features: int
    answer: Callable[[Sequence[Sequence[float]]], list[int]]
    end: bool
    most: int
    hidden_size: int
    epochs: int
    batch_size: int
    lr: float


TASKS = {
    "sort": Task(1, ascending, False, 10, 64, 20, 128, 5e-3),
    "hull": Task(2, convex_hull, True, 10, 128, 40, 128, 5e-3),
}


class Batch(NamedTuple):
    """Points (N, S, features), answers (N, T) and numbers of points (N)."""

    points: Tensor
    answers: Tensor
    lengths: Tensor


def draw(task: Task, count: int, most: int, generator) -> Batch:
    """So many inputs of FEWEST to `most` points in the unit interval or square, with their answers."""
    lengths = _core.randint(min(FEWEST, most), most + 1, (count,), generator=generator)
    points = _core.rand(count, most, task.features, generator=generator)
    answers = [task.answer(row[:length]) for row, length in zip(points.tolist(), lengths.tolist())]
    if task.end:
        answers = [[*answer, most] for answer in answers]
    return Batch(points, pad_batch(answers, IGNORED)[0], lengths)


def exact(model: PointerNetwork, batch: Batch) -> float:
    """The fraction of answers that are right from beginning to end."""
    model.eval()
    behind = (IGNORED, batch.points.shape[1] if model.end else IGNORED)
    right = [[i for i in row if i not in behind] for row in batch.answers.tolist()]
    found = model.point(batch.points, batch.lengths)
    return sum(a == b for a, b in zip(found, right, strict=True)) / len(right)


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    parser.description = "Train a pointer network on points that are drawn anew for each batch."
    common.add_options(parser)
    parser.add_argument("--task", choices=TASKS, default="sort", help="what to learn; default: %(default)s")
    parser.add_argument("--points", type=common.positive, help="most of an input; default: 10")


def run(name: str, **options) -> None:
    train(name, **options)


def train(
    name: str = "pointer",
    task: str = "sort",
    points: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    output: str | None = None,
    progress: bool = True,
) -> tuple[PointerNetwork, float]:
    """Train a pointer network, and print how many of 1000 other inputs it answers exactly.

    Args:
        name: "pointer".
        task: "sort" for numbers, "hull" for the corners of the convex hull of points in a square. Default: sort.
        points: most of an input, the least being 5; None takes the task's, like what follows.
        epochs: of 100 batches.
        batch_size, lr: of the training.
        seed: of the weights and the points; the same seed gives the same model. Default: 0.
        output: the file for the model, which `models.sequence.load_model` reads; None (the default) saves nothing.
        progress: show a progress bar. Default: True.

    Returns:
        the model, and the fraction of exact answers.

    Raises:
        ImportError: if tqdm is missing.
        ValueError: for unknown names.
    """
    common.check_name(name, NAMES)
    if task not in TASKS:
        raise ValueError(f"train: task must be one of {', '.join(TASKS)}, but got {task}")
    chosen = TASKS[task]
    epochs, batch_size, lr = epochs or chosen.epochs, batch_size or chosen.batch_size, lr or chosen.lr
    most = points or chosen.most
    _core.manual_seed(seed)
    model = PointerNetwork(chosen.features, chosen.hidden_size, chosen.end)
    generator = _core.Generator().manual_seed(seed)
    test = draw(chosen, 1000, most, _core.Generator().manual_seed(seed + 1))
    measured, seconds = common.fit(
        name,
        model,
        lambda: (draw(chosen, batch_size, most, generator) for _ in range(BATCHES)),
        BATCHES,
        lambda batch: model.loss(*batch),
        lambda: {"exact": exact(model, test)},
        epochs,
        lr,
        progress,
    )
    print(f"{epochs * BATCHES * batch_size} inputs of up to {most} points, {seconds:.1f} s: "
          f"{100 * measured['exact']:.1f}% of 1000 others are answered exactly")  # fmt: skip
    common.save(model, output, task=task)
    return model, measured["exact"]
