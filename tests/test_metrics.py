"""Metrics against numpy's formulas and scikit-learn; batch by batch equals the whole."""

import math

import numpy as np
import pytest

import dlcore
from dlcore import metrics
from dlcore.metrics import functional as MF

EPS = 2.0**-23  # results are float32, computed in float64


def close(got, want):
    np.testing.assert_allclose(got.numpy(), want, rtol=2 * EPS, atol=2 * EPS)


def labels(seed=0, count=200, classes=6):
    """Predicted and true labels; class 4 is never true, class 5 is neither."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes - 1, count), rng.integers(0, classes - 2, count)


def answers(seed=0, shape=(150, 4)):
    rng = np.random.default_rng(seed)
    scores, target = rng.random(shape, dtype=np.float32), rng.integers(0, 2, shape)
    target[:, 3:] = 0
    return scores, target


def parts(*arrays, sizes=(1, 7, 0, 50)):
    """Batches of different sizes, and what is left."""
    cuts = np.cumsum(sizes)
    return zip(*(map(dlcore.tensor, np.split(array, cuts)) for array in arrays))


def streamed(metric, *arrays):
    for part in parts(*arrays):
        metric.update(*part)
    return metric.compute()


def by_hand(name, preds, target, classes, zero_division=0.0):
    """The values of each class, and how often each is true and is seen."""
    tp, predicted, true = (
        np.array([np.sum(x == c) for c in range(classes)]) for x in (target[preds == target], preds, target)
    )
    part, whole = {
        "Precision": (tp, predicted),
        "Recall": (tp, true),
        "Accuracy": (tp, true),
        "F1Score": (2 * tp, predicted + true),
    }[name]
    values = np.array([p / w if w else zero_division for p, w in zip(part, whole)])
    return values, true, (predicted + true) > 0, part.sum() / whole.sum()


@pytest.mark.parametrize("name", ["Accuracy", "Precision", "Recall", "F1Score"])
@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "none"])
@pytest.mark.parametrize("classes", [None, 6])
def test_multiclass(name, average, classes):
    preds, target = labels()
    values, true, seen, micro = by_hand(name, preds, target, 6 if classes else 5)
    want = {
        "micro": micro,
        "macro": values[seen].mean(),
        "weighted": (values * true).sum() / true.sum(),
        "none": values,
    }[average]
    metric = getattr(metrics, name)(num_classes=classes, average=average)
    close(streamed(metric, preds, target), want)
    metric.reset()
    close(streamed(metric, preds, target), want)
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is an oracle; pip install scikit-learn")
    score = {"Precision": sklearn.precision_score, "F1Score": sklearn.f1_score}.get(name, sklearn.recall_score)
    if average == "none":
        close(metric.compute(), score(target, preds, labels=range(len(values)), average=None, zero_division=0))
    else:
        close(metric.compute(), score(target, preds, average=average, zero_division=0))


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_yes_or_no(task):
    scores, target = answers()
    if task == "binary":
        scores, target = scores[:, 0], target[:, 0]
    yes = scores > 0.3
    columns = [(yes, target)] if task == "binary" else list(zip(yes.T, target.T))
    tp, fp, fn, tn = (
        np.array([np.sum((a == p) & (b == t)) for a, b in columns]) for p, t in ((1, 1), (1, 0), (0, 1), (0, 0))
    )
    none = "micro" if task == "binary" else "none"
    with np.errstate(invalid="ignore"):
        for name, part, whole in (
            ("Accuracy", tp + tn, tp + tn + fp + fn),
            ("Precision", tp, tp + fp),
            ("Recall", tp, tp + fn),
            ("F1Score", 2 * tp, 2 * tp + fp + fn),
        ):
            make = getattr(metrics, name)
            values = np.where(whole == 0, 1.0, part / whole)
            metric = make(task, threshold=0.3, average=none, zero_division=1.0)
            close(streamed(metric, scores, target).reshape(-1), values)
            close(streamed(make(task, threshold=0.3), scores, target), part.sum() / whole.sum())
            if task == "multilabel":
                metric = make(task, threshold=0.3, average="macro", zero_division=1.0)
                close(streamed(metric, scores, target), values.mean())
                metric = make(task, threshold=0.3, average="macro", zero_division=math.nan)
                close(streamed(metric, scores, target), np.nanmean(np.where(whole == 0, np.nan, values)))
            close(streamed(make(task), yes.astype(np.int64), target), part.sum() / whole.sum())
    matrix = streamed(metrics.ConfusionMatrix(task, threshold=0.3), scores, target).reshape(-1, 2, 2)
    np.testing.assert_array_equal(matrix.numpy(), np.stack([tn, fp, fn, tp], 1).reshape(-1, 2, 2))


def test_scores_and_places():
    """Scores (N, C, places) give the labels of their highest, and what is ignored counts nowhere."""
    rng = np.random.default_rng(0)
    scores, target = rng.standard_normal((30, 5, 4), dtype=np.float32), rng.integers(0, 5, (30, 4))
    target[rng.random((30, 4)) < 0.3] = -1
    kept = target >= 0
    guessed, true = scores.argmax(1)[kept], target[kept]
    close(streamed(metrics.Accuracy(ignore_index=-1), scores, target), (guessed == true).mean())
    matrix = streamed(metrics.ConfusionMatrix(ignore_index=-1), scores, target).numpy()
    np.testing.assert_array_equal(matrix, [[np.sum((true == i) & (guessed == j)) for j in range(5)] for i in range(5)])
    for k in (1, 2, 5):
        best = np.argsort(-scores, 1)[:, :k]
        want = (best == target[:, None]).any(1)[kept].mean()
        close(streamed(metrics.TopKAccuracy(k, ignore_index=-1), scores, target), want)
        close(MF.top_k_accuracy(dlcore.tensor(scores), dlcore.tensor(target), k, ignore_index=-1), want)
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is an oracle; pip install scikit-learn")
    for normalize in ("true", "pred", "all"):
        metric = metrics.ConfusionMatrix(num_classes=5, normalize=normalize, ignore_index=-1)
        close(streamed(metric, scores, target), sklearn.confusion_matrix(true, guessed, normalize=normalize))


def test_classes_that_show_up_later():
    metric = metrics.Accuracy(average=None)
    matrix = metrics.ConfusionMatrix()
    for one in (metric, matrix):
        one.update(dlcore.tensor([0, 0]), dlcore.tensor([0, 1]))
        one.update(dlcore.tensor([3]), dlcore.tensor([3]))
    close(metric.compute(), [1, 0, 0, 1])
    assert metric.true.tolist() == [1, 1, 0, 1] and metric.predicted.tolist() == [2, 0, 0, 1]
    assert matrix.compute().tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0] * 4, [0, 0, 0, 1]]


@pytest.mark.parametrize("outputs", [(), (3,)])
def test_regression(outputs):
    rng = np.random.default_rng(0)
    target = 1e6 + rng.standard_normal((120, *outputs))  # far from 0: no sums of squares may cancel
    preds = target + 0.3 * rng.standard_normal(target.shape)
    error = preds - target
    close(streamed(metrics.MeanSquaredError(), preds, target), (error**2).mean())
    close(streamed(metrics.MeanSquaredError(squared=False), preds, target), np.sqrt((error**2).mean()))
    close(streamed(metrics.MeanAbsoluteError(), preds, target), np.abs(error).mean())
    spread = ((target - target.mean(0)) ** 2).sum(0)
    scores = 1 - (error**2).sum(0) / spread
    close(streamed(metrics.R2Score(), preds, target), scores.mean())
    close(streamed(metrics.R2Score(multioutput="raw_values"), preds, target), scores)
    weighted = (scores * spread).sum() / spread.sum()
    close(streamed(metrics.R2Score(multioutput="variance_weighted"), preds, target), weighted)
    adjusted = 1 - (1 - scores.mean()) * 119 / 114
    close(MF.r2_score(dlcore.tensor(preds), dlcore.tensor(target), adjusted=5), adjusted)
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is an oracle; pip install scikit-learn")
    for how in ("raw_values", "variance_weighted"):
        want = sklearn.r2_score(target, preds, multioutput=how)
        close(streamed(metrics.R2Score(multioutput=how), preds, target).reshape(-1), np.reshape(want, -1))


def test_r2_without_variance():
    same = dlcore.ones(3)
    assert MF.r2_score(same, same).item() == 1
    assert MF.r2_score(same + 1, same).item() == 0
    assert MF.r2_score(same + 1, same, multioutput="variance_weighted").item() == 0
    assert math.isnan(MF.r2_score(same[:1], same[:1]).item())


def test_perplexity():
    rng = np.random.default_rng(0)
    scores, target = rng.standard_normal((60, 7, 5)), rng.integers(0, 5, (60, 7))
    target[rng.random((60, 7)) < 0.2] = -100
    logs = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logs, np.maximum(target, 0)[..., None], -1)[..., 0]
    want = np.exp(-chosen[target >= 0].mean())
    for preds in (scores, logs):
        close(streamed(metrics.Perplexity(ignore_index=-100), preds, target), want)
    close(MF.perplexity(dlcore.zeros(4, 9), dlcore.zeros(4, dtype=dlcore.int64)), 9)
    with pytest.raises(ValueError, match="target must be from 0 to 4, but got -100 to 4"):
        MF.perplexity(dlcore.tensor(scores), dlcore.tensor(target))


def test_averages():
    mean, running = metrics.Mean(), metrics.RunningMean(3)
    for i, weight in ((1.0, 1), (4.0, 3), (dlcore.tensor([2.0, 6.0]), 2)):
        mean.update(i, weight)
        running.update(i)
    close(mean.compute(), (1 + 12 + 4 + 12) / 8)
    close(running.compute(), 3)
    running.update(10)
    close(running.compute(), 6)
    mean.reset()
    mean.update(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), dlcore.tensor([1.0, 0.0]))
    close(mean.compute(), 2)
    assert metrics.MeanMetric is metrics.Mean


EVERY = [
    metrics.Accuracy, metrics.ConfusionMatrix, metrics.F1Score, metrics.Mean, metrics.MeanAbsoluteError,
    metrics.MeanSquaredError, metrics.Perplexity, metrics.Precision, metrics.R2Score, metrics.Recall,
    metrics.RunningMean, metrics.TopKAccuracy,
]  # fmt: skip


@pytest.mark.parametrize("make", EVERY)
def test_nothing_was_counted(make):
    value = make().compute()
    assert value.numel() == 0 if make is metrics.ConfusionMatrix else math.isnan(value.item())


@pytest.mark.parametrize("make", EVERY)
def test_state_and_call(make, tmp_path):
    """Saved half-way and loaded into another, counting goes on; calling gives the value of the batch alone."""
    rng = np.random.default_rng(0)
    kind = "numbers" if make in (metrics.Mean, metrics.RunningMean) else "scores"
    errors = ("MeanAbsoluteError", "MeanSquaredError", "R2Score")
    if make.__name__ in errors:
        batches = [tuple(dlcore.tensor(rng.standard_normal(9)) for _ in range(2)) for _ in range(2)]
    elif kind == "numbers":
        batches = [(3.0,), (5.0,)]
    else:
        batches = [(dlcore.tensor(rng.standard_normal((9, 6))), dlcore.tensor(rng.integers(0, 6, 9))) for _ in range(2)]
    whole, first, second = make(), make(), make()
    for batch in batches:
        whole.update(*batch)
    alone = first(*batches[0])
    dlcore.save(first.state_dict(), tmp_path / "metric.safetensors")
    second.load_state_dict(dlcore.load(tmp_path / "metric.safetensors"))
    value = second(*batches[1])
    assert dlcore.equal(second.compute(), whole.compute())
    for got, batch in ((alone, batches[0]), (value, batches[1])):
        fresh = make()
        fresh.update(*batch)
        assert dlcore.equal(got, fresh.compute())
    with pytest.raises(ValueError, match="state_dict must have"):
        first.load_state_dict({"nothing": 1})


def test_errors():
    ones = dlcore.ones(3, dtype=dlcore.int64)
    for call, message in [
        (
            lambda: metrics.Accuracy("many"),
            "Accuracy: task must be one of binary, multiclass, multilabel, but got many",
        ),
        (lambda: metrics.Recall(average="mean"), "average must be one of micro, macro, weighted, none, but got mean"),
        (lambda: metrics.Recall(num_classes=0), "num_classes must be between 1 and 1048576, but got 0"),
        (lambda: metrics.ConfusionMatrix(num_classes=10**6), "num_classes must be at most 8192"),
        (lambda: MF.accuracy(dlcore.ones(3, 2), ones[:2]), r"preds must have the shape \(2, 'C'\), but got \(3, 2\)"),
        (lambda: MF.accuracy(dlcore.ones(3, 2), ones, num_classes=4), r"preds must have the shape \(3, 4\)"),
        (lambda: MF.accuracy(ones, ones * 9, num_classes=4), "labels must be from 0 to 3, but got 9 to 9"),
        (lambda: MF.accuracy(ones, -ones), "labels must be from 0 to 1048575, but got -1 to -1"),
        (lambda: MF.accuracy(dlcore.ones(3), ones), "labels in preds must be whole numbers"),
        (lambda: MF.accuracy(ones, dlcore.ones(3)), "target must hold whole numbers, but got"),
        (lambda: MF.precision(ones, 2 * ones, "binary"), "target must hold 0 and 1"),
        (lambda: MF.top_k_accuracy(dlcore.ones(3, 2), ones), "preds must have at least k = 5 classes, but got 2"),
        (lambda: MF.mean_squared_error(dlcore.ones(3), dlcore.ones(2)), r"preds must have target's shape \(2,\)"),
        (lambda: MF.r2_score(dlcore.ones(()), dlcore.ones(())), "target must have 1 or 2 dimensions"),
        (lambda: metrics.RunningMean(-1), "window must be between 1 and 1048576, but got -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    for call in (lambda: MF.accuracy([1], ones), lambda: metrics.TopKAccuracy("5")):
        with pytest.raises(TypeError, match="must be a"):
            call()
