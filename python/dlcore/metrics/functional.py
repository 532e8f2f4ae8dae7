"""The metrics as functions of all predictions and targets at once."""

from __future__ import annotations

from .._core import Tensor
from . import classification, regression

__all__ = [
    "accuracy",
    "confusion_matrix",
    "f1_score",
    "mean_absolute_error",
    "mean_squared_error",
    "perplexity",
    "precision",
    "r2_score",
    "recall",
    "top_k_accuracy",
]


def _function(metric: type, name: str):
    """``f(preds, target, ...)``: the metric of one batch."""

    def function(preds: Tensor, target: Tensor, *args, **kwargs) -> Tensor:
        counted = metric(*args, **kwargs)
        counted.update(preds, target)
        return counted.compute()

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{metric.__name__}` of one batch; the arguments after `target` are those of the class."
    return function


accuracy = _function(classification.Accuracy, "accuracy")
precision = _function(classification.Precision, "precision")
recall = _function(classification.Recall, "recall")
f1_score = _function(classification.F1Score, "f1_score")
top_k_accuracy = _function(classification.TopKAccuracy, "top_k_accuracy")
confusion_matrix = _function(classification.ConfusionMatrix, "confusion_matrix")
mean_squared_error = _function(regression.MeanSquaredError, "mean_squared_error")
mean_absolute_error = _function(regression.MeanAbsoluteError, "mean_absolute_error")
r2_score = _function(regression.R2Score, "r2_score")
perplexity = _function(regression.Perplexity, "perplexity")
