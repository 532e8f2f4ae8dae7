"""Splits, cross-validation, searches, class weights and balanced samplers."""

import math
from collections import Counter

import numpy as np
import pytest

import dlcore
from dlcore.model_selection import (
    KFold,
    StratifiedKFold,
    cross_validate,
    grid_search,
    log_uniform,
    random_search,
    train_test_split,
    uniform,
)
from dlcore.utils.data import WeightedRandomSampler, balanced_sampler, class_weights


def seeded(seed=0):
    return dlcore.Generator().manual_seed(seed)


def lists(splits):
    return [(train.tolist(), test.tolist()) for train, test in splits]


@pytest.mark.parametrize(("n", "k"), [(10, 5), (11, 4), (7, 7), (23, 2)])
@pytest.mark.parametrize("shuffle", [False, True])
def test_k_fold(n, k, shuffle):
    splits = lists(KFold(k, shuffle, seeded()).split(n))
    assert sorted(i for _, test in splits for i in test) == list(range(n))  # each is tested on once
    for train, test in splits:
        assert sorted(train + test) == list(range(n)) and train == sorted(train) and test == sorted(test)
    assert [len(test) for _, test in splits] == [n // k + (i < n % k) for i in range(k)]
    assert splits == lists(KFold(k, shuffle, seeded()).split(dlcore.zeros(n, 3)))
    if shuffle:
        assert splits != lists(KFold(k, shuffle, seeded(1)).split(n))
    else:
        assert [i for _, test in splits for i in test] == list(range(n))


def test_k_fold_is_scikit_learns():
    theirs = pytest.importorskip("sklearn.model_selection", reason="the other one to compare with").KFold(4)
    assert lists(KFold(4, shuffle=False).split(11)) == lists(theirs.split(np.zeros(11)))


@pytest.mark.parametrize("shuffle", [False, True])
def test_stratified_k_fold(shuffle):
    labels = dlcore.tensor([7] * 13 + [-2] * 6 + [0] * 22)[dlcore.randperm(41, generator=seeded(3))]
    splits = lists(StratifiedKFold(4, shuffle, seeded()).split(labels))
    assert sorted(i for _, test in splits for i in test) == list(range(41))
    sizes = [len(test) for _, test in splits]
    assert max(sizes) - min(sizes) <= 1
    counts = [Counter(labels[test].tolist()) for _, test in splits]
    for label in (7, -2, 0):
        each = [count[label] for count in counts]
        assert max(each) - min(each) <= 1
    if shuffle:
        assert splits == lists(StratifiedKFold(4, True, seeded()).split(labels.tolist()))
        assert splits != lists(StratifiedKFold(4, True, seeded(1)).split(labels))
    dealt = [test.tolist() for _, test in StratifiedKFold(2, shuffle=False).split([5, 1, 1, 5, 1])]
    assert dealt == [[1, 3, 4], [0, 2]]
    with pytest.raises(ValueError, match="each class must have 8 items or more, but class -2 has 6"):
        StratifiedKFold(8).split(labels)


@pytest.mark.parametrize(("size", "test"), [(0.25, 3), (3, 3), (0.01, 1), (9, 9), (0.5, 5)])
def test_train_test_split(size, test):
    train, held_out = train_test_split(10, size, generator=seeded())
    assert len(held_out) == test and sorted(train.tolist() + held_out.tolist()) == list(range(10))
    assert dlcore.equal(train_test_split(10, size, generator=seeded())[0], train)
    a, b = train_test_split(dlcore.zeros(10, 2), size, shuffle=False)
    assert a.tolist() + b.tolist() == list(range(10)) and len(b) == test


@pytest.mark.parametrize("shuffle", [False, True])
def test_stratified_split(shuffle):
    labels = dlcore.tensor([3] * 50 + [1] * 30 + [2] * 20 + [9] * 3)[dlcore.randperm(103, generator=seeded(1))]
    train, test = train_test_split(labels, 0.2, stratify=True, shuffle=shuffle, generator=seeded())
    assert sorted(train.tolist() + test.tolist()) == list(range(103)) and len(test) == 21
    counts = Counter(labels[test].tolist())
    for label, count in Counter(labels.tolist()).items():
        assert abs(counts[label] - count * 21 / 103) < 1
    held_out = train_test_split([0] * 3 + [1] * 3 + [2] * 4, 4, True, shuffle, seeded())[1]
    assert sorted(min(i // 3, 2) for i in held_out.tolist()) == [0, 1, 2, 2]  # of 1.2, 1.2 and 1.6
    held_out = train_test_split([0] * 5 + [1] * 4, 2, True, shuffle, seeded())[1]
    assert sorted(i // 5 for i in held_out.tolist()) == [0, 1]  # of 1.11 and 0.89
    if shuffle:
        again, other = (train_test_split(labels, 0.2, True, generator=seeded(seed))[1] for seed in (0, 1))
        assert dlcore.equal(again, test) and not dlcore.equal(other, test)
    else:
        assert test.tolist() == sorted(test.tolist())


def test_wrong_splits():
    for call, error, message in [
        (lambda: KFold(1), ValueError, "KFold: k must be an int of at least 2, but got 1"),
        (lambda: KFold(2.5), ValueError, "KFold: k must be an int"),
        (lambda: KFold(5).split(4), ValueError, "4 items can not be cut into 5 parts"),
        (lambda: KFold(5).split(-1), ValueError, "n must be an int in"),
        (lambda: StratifiedKFold(2).split(dlcore.ones(4)), ValueError, "labels must be whole numbers of shape"),
        (lambda: StratifiedKFold(2).split(4), TypeError, "labels of the items must be given, but got 4"),
        (lambda: train_test_split(1), ValueError, "one part would be empty"),
        (lambda: train_test_split(4, 4), ValueError, "one part would be empty"),
        (lambda: train_test_split(4, 1.0), ValueError, "must be between 0 and 1, but got 1.0"),
        (lambda: train_test_split(4, math.nan), ValueError, "must be between 0 and 1, but got nan"),
        (lambda: train_test_split(4, "half"), TypeError, "test_size must be a number, but got str"),
        (lambda: train_test_split(4, stratify=True), TypeError, "labels of the items must be given"),
        (lambda: train_test_split([0, 0, 1], 0.4, stratify=True), ValueError, "each class must have 2 items or more"),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_cross_validate():
    x = dlcore.arange(12.0)
    scores = cross_validate(lambda train, test: x[test].mean() - x[train].mean(), KFold(3, shuffle=False), 12)
    assert scores.tolist() == [-6, 0, 6] and scores.dtype == dlcore.float64
    splits = list(KFold(3).split(12))
    assert cross_validate(lambda train, test: len(train), splits).tolist() == [8, 8, 8]
    by_class = cross_validate(lambda train, test: len(test), StratifiedKFold(2), [0, 1, 0, 1])
    assert by_class.tolist() == [2, 2]
    with pytest.raises(TypeError, match="data must be given with a KFold, and only with one"):
        cross_validate(lambda *_: 0, KFold(3))
    with pytest.raises(ValueError, match="folds must give one split or more"):
        cross_validate(lambda *_: 0, [])


def test_grid_search():
    found = grid_search(lambda a, b: -((a - 2) ** 2) - b, {"a": [1, 2, 3], "b": (0, 1)})
    assert found.params == {"a": 2, "b": 0} and found.score == 0
    assert [trial[0] for trial in found.trials[:3]] == [{"a": 1, "b": 0}, {"a": 1, "b": 1}, {"a": 2, "b": 0}]
    assert len(found.trials) == 6
    assert grid_search(lambda a: a, {"a": [3, 1, 2]}, maximize=False).params == {"a": 1}
    assert grid_search(lambda a: 0 if a != "x" else math.nan, {"a": ["x", "y", "z"]}).params == {"a": "y"}
    for grid in ({}, {"a": []}):
        with pytest.raises(ValueError, match="grid must have a value or more for each name"):
            grid_search(lambda **_: 0, grid)
    with pytest.raises(ValueError, match="every score is NaN"):
        grid_search(lambda a: math.nan, {"a": [1]})


def test_random_search():
    space = {"lr": log_uniform(1e-4, 1e-1), "drop": uniform(0, 0.5), "hidden": [32, 64]}

    def search(seed):
        return random_search(lambda lr, drop, hidden: lr * hidden, space, 40, generator=seeded(seed))

    found = search(0)
    assert found == search(0) and found.trials != search(1).trials and len(found.trials) == 40
    assert found.score == max(score for _, score in found.trials)
    rates = [params["lr"] for params, _ in found.trials]
    assert all(1e-4 <= lr <= 1e-1 for lr in rates) and 8 <= sum(lr < 10**-2.5 for lr in rates) <= 32
    assert {params["hidden"] for params, _ in found.trials} == {32, 64}
    assert all(0 <= params["drop"] <= 0.5 for params, _ in found.trials)
    with pytest.raises(ValueError, match="trials must be a positive int, but got 0"):
        random_search(lambda **_: 0, space, 0)
    with pytest.raises(ValueError, match="space must have a value or more"):
        random_search(lambda **_: 0, {"a": []}, 3)
    with pytest.raises(ValueError, match="low and high must be positive and in order"):
        log_uniform(0, 1)


def test_class_weights():
    labels = [0, 0, 0, 2, 2, 4]
    assert class_weights(labels).tolist() == pytest.approx([6 / 9, 0, 1, 0, 2])
    assert class_weights(dlcore.tensor(labels), 6).tolist()[5] == 0
    utils = pytest.importorskip("sklearn.utils.class_weight", reason="the other one to compare with")
    theirs = utils.compute_class_weight("balanced", classes=np.array([0, 2, 4]), y=np.array(labels))
    assert class_weights(labels)[[0, 2, 4]].tolist() == pytest.approx(theirs.tolist())
    for wrong in ([], [0.5], [-1, 2], [2**40], [[0, 1]]):
        with pytest.raises(ValueError, match="class_weights: labels must be "):
            class_weights(wrong)
    for wrong in (4, 2**40, 5.0):
        with pytest.raises(ValueError, match="num_classes must be an int in"):
            class_weights(labels, wrong)


def test_balanced_sampler():
    labels = dlcore.tensor([0] * 90 + [2] * 9 + [1])
    sampler = balanced_sampler(labels, 3000, seeded())
    assert isinstance(sampler, WeightedRandomSampler) and len(balanced_sampler(labels)) == 100
    counts = Counter(labels[list(sampler)].tolist())
    # 3000 draws of three classes: 1000 each, and six standard deviations are 155.
    assert all(845 < counts[label] < 1155 for label in (0, 1, 2))
    assert list(balanced_sampler(labels, 10, seeded(1))) == list(balanced_sampler(labels, 10, seeded(1)))
    with pytest.raises(ValueError, match="balanced_sampler: labels must be "):
        balanced_sampler([])
