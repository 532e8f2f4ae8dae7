"""Metrics over many batches: ``update`` counts a batch, ``compute`` gives the value of all, ``reset`` forgets. As
functions of one batch they are in `dlcore.metrics.functional`.

Names and meanings are those of the library torchmetrics, where it has them.
"""

from . import functional
from .classification import Accuracy, ConfusionMatrix, F1Score, Precision, Recall, TopKAccuracy
from .metric import Mean, Metric, RunningMean
from .regression import MeanAbsoluteError, MeanSquaredError, Perplexity, R2Score

MeanMetric = Mean

__all__ = [
    "Accuracy",
    "ConfusionMatrix",
    "F1Score",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetric",
    "MeanSquaredError",
    "Metric",
    "Perplexity",
    "Precision",
    "R2Score",
    "Recall",
    "RunningMean",
    "TopKAccuracy",
    "functional",
]
