"""`diagnose`: what the curves of a training say of it."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..train.history import History


class Diagnosis(NamedTuple):
    """What `diagnose` found.

    Attributes:
        verdict: "diverged", "underfitting", "overfitting", "still improving" or "good fit".
        best_epoch: that of the lowest validation loss.
        gap: validation loss - training loss after the last epoch.
        rise: how far the validation loss is above its lowest.
        message: a sentence, with what to do.
    """

    verdict: str
    best_epoch: int
    gap: float
    rise: float
    message: str


def diagnose(history: History, monitor: str = "loss", target: float | None = None) -> Diagnosis:
    """Whether a model overfits or underfits, from its training losses t and its validation losses v. With
    g = t_1 - t_n, what n epochs of training gained,

        diverged: a loss is not finite, or g < 0;
        underfitting: g is less than a tenth of |t_1|: the model hardly learns; or t_n is above `target`;
        overfitting: v has risen by more than g / 10 since its lowest, while t has fallen; or v - t is more than half of
            max(t_1, v_1) - t_n: most of what was gained is good for the training data only;
        still improving: in the last quarter of the epochs the lowest v has fallen by more than g / 20;
        good fit: none of these.

    These are rules of thumb: look at ``history.plot()`` too.

    Args:
        history: of a `Trainer` that had a validation loader.
        monitor: the column of a loss; "val_" and it is that of validation. Default: "loss".
        target: a training loss that a model that is large enough should reach, if that is known.

    Raises:
        KeyError: if one of the two columns is missing.
        ValueError: if there are fewer than 3 epochs.
    """
    if not isinstance(history, History):
        raise TypeError(f"diagnose: history must be a History, but got {type(history).__name__}")
    if len(history) < 3:
        raise ValueError(f"diagnose: history must have at least 3 epochs, but got {len(history)}")
    train, validation = history[monitor], history[f"val_{monitor}"]
    first, last = train[0], train[-1]
    gain, gap = first - last, validation[-1] - last
    if not all(map(math.isfinite, (*train, *validation))) or gain < 0:
        advice = "The training loss has not fallen: lower the learning rate, or clip gradients."
        return Diagnosis("diverged", 0, gap, math.nan, advice)
    lowest = min(validation)
    best, rise = validation.index(lowest), validation[-1] - lowest
    late = max(1, len(validation) // 4)
    fallen = min(validation[:-late]) - lowest

    def found(verdict: str, message: str) -> Diagnosis:
        return Diagnosis(verdict, history[best].get("epoch", best + 1), gap, rise, message)

    if gain < 0.1 * abs(first):
        return found("underfitting", f"The training loss has hardly fallen, from {first:.4g} to {last:.4g}: take a "
                     "larger model, another learning rate, less regularization, or better features.")  # fmt: skip
    if (rise > 0.1 * gain and last < train[best]) or gap > 0.5 * (max(first, validation[0]) - last):
        return found("overfitting", f"The training loss is {last:.4g} and the validation loss {validation[-1]:.4g}, "
                     f"{rise:.4g} above its lowest, of epoch {best + 1}: take more data, augmentation, more "
                     "regularization, a smaller model, or stop early.")  # fmt: skip
    if fallen > 0.05 * gain:
        return found("still improving", f"The validation loss still falls, to {lowest:.4g}: train for more epochs.")
    if target is not None and last > target:
        return found("underfitting", f"The training loss stays at {last:.4g}, above {target:.4g}: take a larger model, "
                     "or less regularization.")  # fmt: skip
    return found("good fit", f"Training loss {last:.4g} and validation loss {validation[-1]:.4g} are low together.")
