"""Metrics of classification: accuracy, precision, recall, F scores, the confusion matrix.

What is classified, by `task`:

    "multiclass": one of C classes. preds: scores (N, C, ...), of which the highest counts, or labels (N, ...);
        target: labels (N, ...).
    "binary": yes or no. preds: scores, which say yes above the threshold, or labels 0 and 1; target: 0 and 1; both of
        the same shape, (N, ...).
    "multilabel": yes or no for each of L labels. As "binary", with both of shape (N, L, ...).

Scores are compared with the threshold as they are: probabilities with the default 0.5, logits with 0.
"""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from .metric import MOST, Metric, check_count, result

TASKS = ("binary", "multiclass", "multilabel")
AVERAGES = ("micro", "macro", "weighted", "none", None)


class _Classification(Metric):
    """What metrics of classification have in common: the arguments, and labels made of scores."""

    def __init__(
        self, task: str, threshold: float, num_classes: int | None, num_labels: int | None, ignore_index: int | None
    ) -> None:
        super().__init__()
        self._check(task in TASKS, "task", f"be one of {', '.join(TASKS)}", task)
        self.task = task
        self.threshold = float(threshold)
        self.num_classes = None if num_classes is None else check_count(self, "num_classes", num_classes, MOST)
        self.num_labels = None if num_labels is None else check_count(self, "num_labels", num_labels, MOST)
        self.ignore_index = ignore_index

    def _check_labels(self, preds: Tensor, target: Tensor) -> None:
        self._check_tensors(preds=preds, target=target)
        self._check(not target.is_floating_point(), "target", "hold whole numbers", target.dtype)

    def _multiclass(self, preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor, int]:
        """Predicted and true labels, (M,) each, and the number of classes (as far as it is known)."""
        self._check_labels(preds, target)
        classes = self.num_classes
        if preds.dim() == target.dim() + 1:
            shape = (*target.shape[:1], classes or "C", *target.shape[1:])
            fits = (*preds.shape[:1], *preds.shape[2:]) == tuple(target.shape) and preds.dim() > 1
            fits = fits and 0 < preds.shape[1] <= MOST and classes in (None, preds.shape[1])
            self._check(fits, "preds", f"have the shape {shape}", tuple(preds.shape))
            classes, preds = preds.shape[1], preds.argmax(1) if preds.numel() else target
        self._check_same_shape(preds, target)
        self._check(not preds.is_floating_point(), "labels in preds", "be whole numbers", preds.dtype)
        preds, target = preds.reshape(-1).long(), target.reshape(-1).long()
        if self.ignore_index is not None:
            kept = target != self.ignore_index
            preds, target = preds[kept], target[kept]
        highest = -1
        for labels in (preds, target) if target.numel() else ():
            low, high, most = labels.min().item(), labels.max().item(), (classes or MOST) - 1
            if low < 0 or high > most:
                self._check(False, "labels", f"be from 0 to {most}", f"{low} to {high}")
            highest = max(highest, high)
        return preds, target, classes or highest + 1

    def _answers(self, preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted and true answers, and which of them count, (M, labels) each; a binary task has one label."""
        self._check_labels(preds, target)
        self._check_same_shape(preds, target)
        if self.task == "multilabel":
            fits = target.dim() > 1 and self.num_labels in (None, target.shape[1])
            self._check(fits, "target", f"have the shape (N, {self.num_labels or 'L'}, ...)", tuple(target.shape))
            preds, target = (x.movedim(1, -1).reshape(-1, x.shape[1]) for x in (preds, target))
        else:
            preds, target = preds.reshape(-1, 1), target.reshape(-1, 1)
        counted = target == target if self.ignore_index is None else target != self.ignore_index
        known = ((target == 0) | (target == 1) | ~counted).all()
        self._check(known.item(), "target", "hold 0 and 1", "other numbers")
        if preds.is_floating_point():
            return preds > self.threshold, target == 1, counted
        self._check(((preds == 0) | (preds == 1)).all().item(), "labels in preds", "be 0 or 1", "other numbers")
        return preds == 1, target == 1, counted


def _plus(a: Tensor, b: Tensor) -> Tensor:
    """The sum of counts by class, of which one may know of more classes."""
    if a.shape != b.shape:
        size = max(a.shape[-1], b.shape[-1])
        a, b = (_core.pad(x, [0, size - x.shape[-1]] * x.dim()) for x in (a, b))
    return a + b


class _Counts(_Classification):
    """Counts, for each class or label c, of

        tp: true and predicted; fp: predicted, but not true; fn: true, but not predicted; tn: neither,

    and a value for each class, of which `average` makes one:

        "micro": the value of the counts' sums over all classes;
        "macro": the mean over the classes (for "multiclass", over those that are true or predicted anywhere);
        "weighted": the mean weighted by how often the class is true;
        "none" or None: the value of each class.

    Args:
        task: "multiclass" (the default), "binary" or "multilabel".
        threshold: above which a score says yes. Default: 0.5.
        num_classes: of a multiclass task; None (the default) takes as many as there are scores, or as were seen.
        num_labels: of a multilabel task; None (the default) takes as many as there are.
        average: see above. Default: "micro".
        ignore_index: a target that is not counted. Default: None.
        zero_division: the value of 0 / 0, for a class that the value is not defined for. NaN leaves the class out of
            means. Default: 0.

    Raises:
        ValueError: for an unknown task or average, and for labels and shapes that do not fit.
    """

    def __init__(
        self,
        task: str = "multiclass",
        threshold: float = 0.5,
        num_classes: int | None = None,
        num_labels: int | None = None,
        average: str | None = "micro",
        *,
        ignore_index: int | None = None,
        zero_division: float = 0.0,
    ) -> None:
        super().__init__(task, threshold, num_classes, num_labels, ignore_index)
        self._check(average in AVERAGES, "average", "be one of micro, macro, weighted, none", average)
        self.average = average
        self.zero_division = float(zero_division)
        size = {"binary": 1, "multiclass": num_classes or 0, "multilabel": num_labels or 0}[task]
        for name in ("tp", "predicted", "true", "total"):  # tp, tp + fp, tp + fn, all
            self.add_state(name, _core.zeros(size, dtype=_core.int64))

    def update(self, preds: Tensor, target: Tensor) -> None:
        if self.task == "multiclass":
            preds, target, size = self._multiclass(preds, target)
            tp, predicted, true = (x.bincount(minlength=size) for x in (target[preds == target], preds, target))
            total = None  # every label is one of each class, or none of it
        else:
            yes, true, counted = self._answers(preds, target)
            self._check(self.task == "binary" or self.tp.shape[0] in (0, true.shape[1]), "target",
                        f"have as many labels as before, {self.tp.shape[0]}", true.shape[1])  # fmt: skip
            kept = (yes & true & counted, yes & counted, true & counted, counted)
            tp, predicted, true, total = (answers.sum(0) for answers in kept)
        self.tp, self.predicted, self.true = (
            _plus(a, b) for a, b in ((self.tp, tp), (self.predicted, predicted), (self.true, true))
        )
        self.total = self.true.sum().expand(self.true.shape[0]) if total is None else _plus(self.total, total)

    def compute(self) -> Tensor:
        tp, predicted, true, total = (x.double() for x in (self.tp, self.predicted, self.true, self.total))
        if not total.sum().item():
            return result(math.nan)
        fp, fn = predicted - tp, true - tp
        counts = tp, fp, fn, total - tp - fp - fn
        if self.average == "micro" or self.task == "binary":
            return result(self._value(*(x.sum() for x in counts)))
        values = self._value(*counts)
        if self.average in ("none", None):
            return result(values)
        weights = tp + fn
        if self.average == "macro":
            weights = _core.ones_like(tp) if self.task == "multilabel" else (tp + fp + fn > 0).double()
        weights, values = weights * ~values.isnan(), values.nan_to_num()
        return result((weights * values).sum() / weights.sum())

    def _value(self, tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _value")

    def _ratio(self, part: Tensor, whole: Tensor) -> Tensor:
        return _core.where(whole == 0, self.zero_division, part / whole)


class Accuracy(_Counts):
    __doc__ = f"""The share of right predictions, (tp + tn) / (tp + fp + fn + tn); of a class in many, tp / (tp + fn).

    {_Counts.__doc__}"""

    def _value(self, tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
        if self.task == "multiclass":
            return self._ratio(tp, tp + fn)
        return self._ratio(tp + tn, tp + fp + fn + tn)


class Precision(_Counts):
    __doc__ = f"""The share of what was predicted that is true, tp / (tp + fp).

    {_Counts.__doc__}"""

    def _value(self, tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
        return self._ratio(tp, tp + fp)


class Recall(_Counts):
    __doc__ = f"""The share of what is true that was predicted, tp / (tp + fn).

    {_Counts.__doc__}"""

    def _value(self, tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
        return self._ratio(tp, tp + fn)


class F1Score(_Counts):
    __doc__ = f"""The harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn).

    {_Counts.__doc__}"""

    def _value(self, tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
        return self._ratio(2 * tp, 2 * tp + fp + fn)


class TopKAccuracy(Metric):
    """The share of samples whose class is among the k of the highest scores. Which of equal scores are taken is topk's
    choice.

    Args:
        k: how many. Default: 5.
        ignore_index: a target that is not counted. Default: None.

    Shapes: preds (N, C, ...) with C >= k, target (N, ...).
    """

    def __init__(self, k: int = 5, ignore_index: int | None = None) -> None:
        super().__init__()
        self.k = check_count(self, "k", k, MOST)
        self.ignore_index = ignore_index
        self.add_state("right", 0)
        self.add_state("total", 0)

    def update(self, preds: Tensor, target: Tensor) -> None:
        self._check_tensors(preds=preds, target=target)
        fits = preds.dim() > 1 and (*preds.shape[:1], *preds.shape[2:]) == tuple(target.shape)
        self._check(fits, "preds", f"have the shape (N, C, ...) for target's {tuple(target.shape)}", tuple(preds.shape))
        self._check(preds.shape[1] >= self.k, "preds", f"have at least k = {self.k} classes", preds.shape[1])
        hits = (preds.detach().topk(self.k, 1).indices == target.unsqueeze(1)).any(1)
        counted = target == target if self.ignore_index is None else target != self.ignore_index
        self.right += (hits & counted).sum().item()
        self.total += counted.sum().item()

    def compute(self) -> Tensor:
        return result(self.right / self.total if self.total else math.nan)


class ConfusionMatrix(_Classification):
    """How often class i (row) was predicted as class j (column).

    Args:
        task: "multiclass" (the default), "binary" (classes no and yes), or "multilabel" (one such matrix a label).
        threshold, num_classes, num_labels, ignore_index: see `Accuracy`.
        normalize: None (the default) counts; "true" divides by the row's sum, "pred" by the column's, "all" by the
            matrix's. 0 / 0 is 0.

    Shapes: (C, C); (2, 2); (L, 2, 2). Counts are int64.
    """

    def __init__(
        self,
        task: str = "multiclass",
        threshold: float = 0.5,
        num_classes: int | None = None,
        num_labels: int | None = None,
        normalize: str | None = None,
        *,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(task, threshold, num_classes, num_labels, ignore_index)
        self._check(normalize in (None, "none", "true", "pred", "all"), "normalize", "be one of true, pred, all, None",
                    normalize)  # fmt: skip
        self._check((num_classes or 0) <= MOST_CLASSES, "num_classes", f"be at most {MOST_CLASSES}", num_classes)
        self.normalize = normalize
        shape = {"binary": (2, 2), "multiclass": (num_classes or 0,) * 2, "multilabel": (num_labels or 0, 2, 2)}[task]
        self.add_state("matrix", _core.zeros(shape, dtype=_core.int64))

    def update(self, preds: Tensor, target: Tensor) -> None:
        if self.task == "multiclass":
            preds, target, size = self._multiclass(preds, target)
            self._check(size <= MOST_CLASSES, "labels", f"be less than {MOST_CLASSES}", size - 1)
            new = (target * size + preds).bincount(minlength=size**2).reshape(size, size)
            self.matrix = _plus(self.matrix, new)
            return
        yes, true, counted = self._answers(preds, target)
        new = _core.stack([(a & b & counted).sum(0) for a in (~true, true) for b in (~yes, yes)], 1).reshape(-1, 2, 2)
        if self.task == "binary":
            new = new[0]
        self._check(self.matrix.shape[0] in (0, new.shape[0]), "target",
                    f"have as many labels as before, {self.matrix.shape[0]}", new.shape[0])  # fmt: skip
        self.matrix = self.matrix + new if self.matrix.numel() else new

    def compute(self) -> Tensor:
        if self.normalize in (None, "none"):
            return self.matrix
        whole = self.matrix.double()
        dims = {"true": -1, "pred": -2, "all": (-2, -1)}[self.normalize]
        return result((whole / whole.sum(dims, keepdim=True)).nan_to_num())


MOST_CLASSES = 2**13  # of a confusion matrix: 512 MB
