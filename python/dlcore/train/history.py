"""`History`: what was measured in the epochs of a training, as a table and as curves."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator


class History:
    """The records of a training, one for each epoch: ``{"epoch": 1, "lr": 0.001, "loss": 0.7, "val_loss": 0.8}``.

    ``history[i]`` is the record of an epoch, ``history["loss"]`` a column (NaN where an epoch has no such number).

    Args:
        records: to begin with. Default: none.
    """

    def __init__(self, records: Iterable[dict] = ()) -> None:
        self.records = [dict(record) for record in records]

    def append(self, record: dict) -> None:
        """Add the record of the next epoch."""
        self.records.append(record)

    def keys(self) -> list[str]:
        """The columns, in the order in which they came up."""
        return list(dict.fromkeys(key for record in self.records for key in record))

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[dict]:
        return iter(self.records)

    def __getitem__(self, key: int | slice | str) -> dict | list:
        if not isinstance(key, str):
            return self.records[key]
        if key not in self.keys():
            raise KeyError(f"History: there is no {key}; there are {', '.join(self.keys()) or 'no records'}")
        return [record.get(key, math.nan) for record in self.records]

    def best(self, monitor: str = "val_loss", mode: str = "min") -> dict:
        """The record with the lowest number (with the highest one where `mode` is "max"); the first of equal ones.

        Raises:
            KeyError: if no record has such a number.
            ValueError: for another mode, or if all are NaN.
        """
        sign = {"min": 1, "max": -1}.get(mode)
        if sign is None:
            raise ValueError(f"History.best: mode must be min or max, but got {mode}")
        known = [i for i, value in enumerate(self[monitor]) if not math.isnan(value)]
        if not known:
            raise ValueError(f"History.best: monitor must have numbers, but every {monitor} is NaN")
        return self.records[min(known, key=lambda i: sign * self.records[i][monitor])]

    def __str__(self) -> str:
        """A table to print."""
        keys = self.keys()
        rows = [keys, *([_shown(record.get(key)) for key in keys] for record in self.records)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows)

    def __repr__(self) -> str:
        return f"History({len(self)} epochs: {', '.join(self.keys())})"

    # --- files

    def to_csv(self, path) -> None:
        """Write a table with a head; what a record lacks is an empty cell."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.records)

    @classmethod
    def from_csv(cls, path) -> History:
        """Read what `to_csv` wrote.

        Raises:
            ValueError: naming the line and the column that holds no number.
        """
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            return cls(_numbers(row, f"{path}, line {reader.line_num}") for row in reader)

    def to_jsonl(self, path) -> None:
        """Write a JSON object a line; NaN and infinities, which JSON lacks, become null."""
        with open(path, "w", encoding="utf-8") as file:
            for record in self.records:
                values = {
                    key: None if isinstance(value, float) and not math.isfinite(value) else value
                    for key, value in record.items()
                }
                file.write(json.dumps(values, allow_nan=False) + "\n")

    @classmethod
    def from_jsonl(cls, path) -> History:
        """Read what `to_jsonl` wrote; null becomes NaN.

        Raises:
            ValueError: naming the line that is no JSON object of numbers.
        """
        records = []
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"History: {path}, line {number}: {error}") from None
                if not isinstance(record, dict) or not all(
                    isinstance(x, (int, float, type(None))) for x in record.values()
                ):
                    raise ValueError(
                        f"History: {path}, line {number}: must be an object of numbers, but got {line:.80}"
                    )
                records.append({key: math.nan if value is None else value for key, value in record.items()})
        return cls(records)

    # --- curves

    def plot(self, path=None):
        """Draw the curves: a panel for each quantity, training against validation, with the epoch of the lowest
        validation loss marked. Behind that line a validation loss that rises while the training loss falls is
        overfitting; two curves that stay high together are underfitting (`dlcore.diagnostics.diagnose` says which).

        Args:
            path: a file to save the picture in, if there is one.

        Returns:
            matplotlib's Figure.

        Raises:
            ImportError: if matplotlib is missing.
            ValueError: if there are no records.
        """
        Figure = import_figure("History.plot")
        names = [key for key in self.keys() if key not in ("epoch", "seconds") and not key.startswith("val_")]
        names.sort(key=lambda name: name.startswith("lr"))  # behind what was measured
        if not names:
            raise ValueError("History.plot: there are no records")
        epochs = [record.get("epoch", i + 1) for i, record in enumerate(self.records)]
        figure = Figure(figsize=(4.5 * len(names), 3.5), layout="constrained")
        best = None
        if "val_loss" in self.keys() and not all(map(math.isnan, self["val_loss"])):
            best = epochs[self.records.index(self.best())]
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
            axes.plot(epochs, self[name], marker=".", label="training")
            if f"val_{name}" in self.keys():
                axes.plot(epochs, self[f"val_{name}"], marker=".", label="validation")
                if best is not None:
                    axes.axvline(best, linestyle=":", color="gray", label="lowest validation loss")
                axes.legend()
            axes.set(title=name, xlabel="epoch")
            axes.grid(alpha=0.3)
        if path is not None:
            figure.savefig(path)
        return figure


def import_figure(what: str):
    """matplotlib's Figure, which draws without a window.

    Raises:
        ImportError: if matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"{what} needs matplotlib; install it with pip install 'dlcore[examples]'") from error
    return Figure


def _shown(value) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _numbers(row: dict, place: str) -> dict:
    """The cells of a row that are not empty, as numbers."""
    record = {}
    for key, text in row.items():
        if key is None or text is None:
            raise ValueError(f"History: {place}: there must be as many cells as the head has, but there are others")
        if text:
            try:
                record[key] = int(text) if text.lstrip("-").isdecimal() else float(text)
            except ValueError:
                raise ValueError(f"History: {place}, column {key}: must be a number, but got {text:.80}") from None
    return record
