"""utils.data: data sets, samplers, collating, and the loader with and without workers."""

import gc
import os
import subprocess
import sys
import threading
import time
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import dlcore
from dlcore.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)


class Squares(Dataset):
    def __init__(self, count=10):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return index * index


class Stream(IterableDataset):
    """0, 1, ..., shared out among the workers."""

    def __init__(self, count=10):
        self.start, self.stop = 0, count

    def __iter__(self):
        info = get_worker_info()
        step, first = (1, 0) if info is None else (info.num_workers, info.id)
        return iter(range(self.start + first, self.stop, step))

    def __len__(self):
        return self.stop - self.start


def seeded(seed=0):
    return dlcore.Generator().manual_seed(seed)


LOADERS = {
    "default generator": lambda workers: DataLoader(Squares(11), 2, shuffle=True, num_workers=workers),
    "own generator": lambda workers: DataLoader(Squares(11), 2, shuffle=True, num_workers=workers, generator=seeded(1)),
    "sampler's generator": lambda workers: DataLoader(
        Squares(5), 2, sampler=RandomSampler(range(5), num_samples=11, generator=seeded(1)), num_workers=workers
    ),
    "weights": lambda workers: DataLoader(
        Squares(5), 2, sampler=WeightedRandomSampler([1, 2, 3, 4, 5], 11), num_workers=workers
    ),
    "batch sampler": lambda workers: DataLoader(
        Squares(11), batch_sampler=BatchSampler(RandomSampler(range(11)), 2, False), num_workers=workers
    ),
    "single items": lambda workers: DataLoader(Squares(6), None, shuffle=True, num_workers=workers),
    "stream": lambda workers: DataLoader(Stream(11), 2, num_workers=workers),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", LOADERS)
def test_state(kind, workers, tmp_path):
    """After any batch, the state goes through a file into another loader, which goes on as the first one does."""

    def epochs(loader, count=2):
        out = []
        for _ in range(count):
            for batch in loader:
                noise = dlcore.rand(1).item() if workers == 0 else 0.0  # as dropout does
                out.append((dlcore.as_tensor(batch).tolist(), noise))
        return out

    dlcore.manual_seed(3)
    whole = epochs(LOADERS[kind](workers))
    for stop in range(len(whole) + 1):
        dlcore.manual_seed(3)
        loader, got = LOADERS[kind](workers), []
        for _ in range(2):
            for batch in loader if len(got) < stop else ():
                got.append((dlcore.as_tensor(batch).tolist(), dlcore.rand(1).item() if workers == 0 else 0.0))
                if len(got) == stop:
                    break
        dlcore.save([loader.state_dict(), dlcore.get_rng_state()], tmp_path / "state.safetensors")
        dlcore.manual_seed(4)
        other = LOADERS[kind](workers)
        state, random = dlcore.load(tmp_path / "state.safetensors")
        other.load_state_dict(state)
        dlcore.set_rng_state(random)
        assert other.state_dict()["batches"] == loader.state_dict()["batches"]
        left = 2 - stop // (len(whole) // 2) if stop % (len(whole) // 2) else 2 - max(0, stop - 1) // (len(whole) // 2)
        assert got + epochs(other, left) == whole


def test_state_does_not_make_batches_again():
    made = []

    class Watched(Squares):
        def __getitem__(self, index):
            made.append(index)
            return index

    loader = DataLoader(Watched(8), 2)
    iterator = iter(loader)
    first = [next(iterator), next(iterator)]
    other = DataLoader(Watched(8), 2)
    other.load_state_dict(loader.state_dict())
    assert [each.tolist() for each in (*first, *other)] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert made == list(range(8))
    assert len(list(other)) == 4  # the next epoch is whole


def test_state_errors():
    loader = DataLoader(Squares(4), 2, shuffle=True, generator=seeded())
    state = loader.state_dict()
    for wrong in ({}, None, 3, {**state, "batches": -1}, {**state, "batches": "1"}, {**state, "start": []}):
        with pytest.raises(ValueError, match="state_dict must be what"):
            loader.load_state_dict(wrong)
    with pytest.raises(ValueError, match=r"as many generators \(1\)"):
        DataLoader(Squares(4), 2).load_state_dict(state)


# --- data sets


def test_tensor_dataset():
    data = TensorDataset(dlcore.arange(6).reshape(3, 2), dlcore.arange(3))
    assert len(data) == 3
    x, y = data[1]
    assert x.tolist() == [2, 3] and y.item() == 1
    with pytest.raises(AssertionError, match="Size mismatch"):
        TensorDataset(dlcore.zeros(2), dlcore.zeros(3))
    with pytest.raises(IndexError):
        _ = data[3]


def test_subset_concat_stack():
    squares = Squares()
    subset = Subset(squares, [3, 1])
    assert [subset[0], subset[1]] == [9, 1] and len(subset) == 2 and subset.__getitems__([1, 0]) == [1, 9]
    joined = squares + subset
    assert isinstance(joined, ConcatDataset) and len(joined) == 12
    assert joined[10] == 9 and joined[-1] == 1 and joined[9] == 81
    for index, error in [(12, IndexError), (-13, ValueError)]:
        with pytest.raises(error):
            _ = joined[index]
    for bad in ([], [Stream()]):
        with pytest.raises(AssertionError):
            ConcatDataset(bad)
    stacked = StackDataset(squares, Squares())
    assert stacked[2] == (4, 4) and len(stacked) == 10 and stacked.__getitems__([1, 2]) == [(1, 1), (4, 4)]
    named = StackDataset(a=squares, b=Squares())
    assert named[2] == {"a": 4, "b": 4} and named.__getitems__([3]) == [{"a": 9, "b": 9}]
    for bad in (
        lambda: StackDataset(),
        lambda: StackDataset(squares, subset),
        lambda: StackDataset(squares, a=squares),
    ):
        with pytest.raises(ValueError):
            bad()


def test_chain():
    chain = Stream(2) + Stream(3)
    assert isinstance(chain, ChainDataset) and list(chain) == [0, 1, 0, 1, 2] and len(chain) == 5
    with pytest.raises(AssertionError):
        list(ChainDataset([Squares()]))


def test_subset_must_override_both():
    class Half(Subset):
        def __getitem__(self, index):
            return 1

    with pytest.raises(NotImplementedError, match="__getitems__"):
        Half(Squares(), [1])


def test_random_split():
    parts = random_split(range(10), [3, 7], generator=seeded(1))
    again = random_split(range(10), [3, 7], generator=seeded(1))
    assert [len(part) for part in parts] == [3, 7]
    assert sorted(i for part in parts for i in part.indices) == list(range(10))
    assert [part.indices for part in parts] == [part.indices for part in again]
    assert [len(part) for part in random_split(range(30), [0.3, 0.3, 0.4])] == [9, 9, 12]
    assert [len(part) for part in random_split(range(10), [1 / 3, 1 / 3, 1 / 3])] == [4, 3, 3]
    with pytest.raises(ValueError, match="Sum of input lengths"):
        random_split(range(10), [3, 8])
    with pytest.raises(ValueError, match="Fraction at index 0"):
        random_split(range(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="index 1 is 0"):
        random_split(range(3), [0.99, 0.01])


def test_classes_take_type_arguments():
    class Typed(Dataset[int]):
        pass

    assert DataLoader[int] and issubclass(Typed, Dataset)
    with pytest.raises(NotImplementedError):
        _ = Typed()[0]


# --- samplers


def test_samplers():
    assert list(SequentialSampler(range(4))) == [0, 1, 2, 3]
    sampler = RandomSampler(range(50), generator=seeded())
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50)) and first != second and first != list(range(50))
    assert list(RandomSampler(range(50), generator=seeded())) == first
    more = list(RandomSampler(range(4), num_samples=10))
    assert len(more) == 10 and sorted(more[:4]) == sorted(more[4:8]) == [0, 1, 2, 3]
    drawn = list(RandomSampler(range(4), replacement=True, num_samples=100))
    assert len(drawn) == 100 and set(drawn) == {0, 1, 2, 3}
    assert sorted(SubsetRandomSampler([5, 7, 9])) == [5, 7, 9] and len(SubsetRandomSampler([5, 7])) == 2
    weighted = WeightedRandomSampler([0.0, 1.0, 3.0], 4000, generator=seeded())
    counts = np.bincount(list(weighted), minlength=3)
    assert counts[0] == 0 and len(weighted) == 4000 and abs(counts[2] / counts[1] - 3) < 0.5  # 5 sigma
    assert sorted(WeightedRandomSampler([1.0, 1.0], 2, replacement=False)) == [0, 1]
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(iter(range(5)), 2, True)) == [[0, 1], [2, 3]]
    assert len(BatchSampler(range(5), 2, False)) == 3 and len(BatchSampler(range(5), 2, True)) == 2


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: RandomSampler(range(3), num_samples=0), ValueError),
        (lambda: RandomSampler([]), ValueError),
        (lambda: RandomSampler(range(3), replacement=1), TypeError),
        (lambda: WeightedRandomSampler([1.0], 0), ValueError),
        (lambda: WeightedRandomSampler([1.0], 1, replacement=1), ValueError),
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError),
        (lambda: BatchSampler(range(3), 0, False), ValueError),
        (lambda: BatchSampler(range(3), True, False), ValueError),
        (lambda: BatchSampler(range(3), 1, 1), ValueError),
    ],
)
def test_sampler_errors(make, error):
    with pytest.raises(error):
        make()


# --- collating

Point = namedtuple("Point", ["x", "y"])


def test_collate_numbers_and_tensors():
    for batch, dtype in [
        ([1, 2], dlcore.int64),
        ([1.0, 2.0], dlcore.float64),
        ([True, False], dlcore.bool),
        ([np.float32(1), np.float32(2)], dlcore.float32),
        ([np.int16(1), np.int16(2)], dlcore.int16),
        ([dlcore.ones(()), dlcore.ones(())], dlcore.float32),
        ([np.ones((), np.float16), np.ones((), np.float16)], dlcore.float16),
    ]:
        result = default_collate(batch)
        assert result.dtype == dtype and result.shape == (2,)
    assert default_collate([dlcore.zeros(2, 3)] * 4).shape == (4, 2, 3)
    assert default_collate([np.zeros((2, 3), np.uint8)] * 4).dtype == dlcore.uint8


def test_collate_structures():
    assert default_collate(["a", "b"]) == ["a", "b"] and default_collate([b"a"]) == [b"a"]
    result = default_collate([(dlcore.ones(2), 1), (dlcore.zeros(2), 2)])
    assert type(result) is list and result[0].shape == (2, 2) and result[1].tolist() == [1, 2]
    result = default_collate([{"a": 1, "b": [1.0, 2]}, {"a": 3, "b": [5.0, 6]}])
    assert result["a"].tolist() == [1, 3] and [part.tolist() for part in result["b"]] == [[1.0, 5.0], [2, 6]]
    result = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert isinstance(result, Point) and result.x.tolist() == [1, 3] and result.y.dtype == dlcore.float64
    assert type(default_collate([OrderedDict(a=1)])) is OrderedDict
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1], [1, 2]])
    for bad in ([object()], [None], [np.array(["a"])]):
        with pytest.raises(TypeError, match="found"):
            default_collate(bad)


def test_convert():
    assert default_convert(np.ones(2, np.float32)).dtype == dlcore.float32
    assert default_convert(np.float64(2)).dtype == dlcore.float64
    assert default_convert("a") == "a" and default_convert(3) == 3
    result = default_convert({"a": (np.zeros(1), Point(np.zeros(1), 1))})
    assert dlcore.is_tensor(result["a"][0]) and dlcore.is_tensor(result["a"][1].x)
    strings = np.array(["a"])
    assert default_convert(strings) is strings


# --- the loader


@pytest.fixture(params=[0, 1, 3], ids=lambda n: f"{n} workers")
def workers(request):
    return request.param


def values(loader):
    return [batch.tolist() for batch in loader]


def test_batches_in_order(workers):
    loader = DataLoader(Squares(), batch_size=4, num_workers=workers)
    assert values(loader) == [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]] == values(loader) and len(loader) == 3
    loader = DataLoader(Squares(), batch_size=4, drop_last=True, num_workers=workers)
    assert values(loader) == [[0, 1, 4, 9], [16, 25, 36, 49]] and len(loader) == 2
    assert list(DataLoader(Squares(3), batch_size=None, num_workers=workers)) == [0, 1, 4]
    assert values(DataLoader(Squares(3), sampler=[2, 0], num_workers=workers)) == [[4], [0]]
    assert values(DataLoader(Squares(), batch_sampler=[[1, 2], [3]], num_workers=workers)) == [[1, 4], [9]]
    assert list(DataLoader(Squares(3), 2, collate_fn=tuple, num_workers=workers)) == [(0, 1), (4,)]
    assert values(DataLoader([5, 6, 7], 2, num_workers=workers)) == [[5, 6], [7]]


def test_shuffle_is_the_same_for_any_number_of_workers(workers):
    first = values(DataLoader(Squares(), 3, shuffle=True, generator=seeded(5), num_workers=workers))
    assert first == values(DataLoader(Squares(), 3, shuffle=True, generator=seeded(5)))
    assert sorted(sum(first, [])) == [i * i for i in range(10)]
    loader = DataLoader(Squares(100), 100, shuffle=True, generator=seeded(5), num_workers=workers)
    assert values(loader) != values(loader)
    dlcore.manual_seed(3)
    default = values(DataLoader(Squares(100), 100, shuffle=True, num_workers=workers))
    dlcore.manual_seed(3)
    assert default == values(DataLoader(Squares(100), 100, shuffle=True))


def test_tensors_are_taken_at_once_with_the_same_result(workers):
    data = TensorDataset(dlcore.arange(20.0).reshape(10, 2), dlcore.arange(10))
    split = Subset(Subset(data, [9, 8, 7, 6, 5]), [0, 2, 4])
    (batch,) = DataLoader(split, 10, num_workers=workers)
    one_by_one = default_collate([split[i] for i in range(3)])
    assert type(batch) is list
    for a, b in zip(batch, one_by_one, strict=True):
        assert a.dtype == b.dtype and a.tolist() == b.tolist()


def test_streams(workers):
    loader = DataLoader(Stream(), batch_size=3, num_workers=workers)
    seen = sum(values(loader), [])
    assert sorted(seen) == list(range(10)) and len(loader) == 4
    if workers < 2:
        assert seen == list(range(10))
    full = values(DataLoader(Stream(), batch_size=3, drop_last=True, num_workers=workers))
    assert all(len(batch) == 3 for batch in full)
    assert sorted(DataLoader(Stream(4), batch_size=None, num_workers=workers)) == [0, 1, 2, 3]
    assert list(DataLoader(Stream(0), num_workers=workers)) == []


def test_worker_init_sees_its_own_copy_of_a_stream():
    stream = Stream(12)
    seen = []

    def share(worker):
        info = get_worker_info()
        assert info.id == worker and info.num_workers == 3 and info.dataset is not stream
        info.dataset.start, info.dataset.stop = 0, 12  # as in one's own copy
        seen.append((worker, info.seed))

    loader = DataLoader(stream, 2, num_workers=3, worker_init_fn=share)
    assert sorted(sum(values(loader), [])) == list(range(12))
    seeds = {seed for _, seed in seen}
    assert sorted(worker for worker, _ in seen) == [0, 1, 2] and len(seeds) == 3
    assert get_worker_info() is None


class Failing(Squares):
    def __getitem__(self, index):
        if index == 5:
            raise KeyError("five")
        return index


def test_errors_come_back_with_their_type(workers):
    iterator = iter(DataLoader(Failing(), 2, num_workers=workers))
    assert [next(iterator).tolist(), next(iterator).tolist()] == [[0, 1], [2, 3]]
    with pytest.raises(KeyError, match="five") as caught:
        next(iterator)
    assert any(entry.name == "__getitem__" for entry in caught.traceback)
    if workers:  # and the next batches are still there
        assert [batch.tolist() for batch in iterator] == [[6, 7], [8, 9]]


def test_stop_iteration_in_a_data_set_does_not_end_the_loader(workers):
    class Stops(Squares):
        def __getitem__(self, index):
            raise StopIteration

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(DataLoader(Stops(), num_workers=workers))


def test_an_error_while_starting_a_worker():
    def fails(worker):
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        list(DataLoader(Squares(), num_workers=2, worker_init_fn=fails))


class Slow(Squares):
    def __getitem__(self, index):
        time.sleep(0.02 if index % 2 else 0.001)
        return index


def test_slow_items_keep_the_order():
    assert sum(values(DataLoader(Slow(20), 2, num_workers=4)), []) == list(range(20))
    assert sorted(sum(values(DataLoader(Slow(20), 2, num_workers=4, in_order=False)), [])) == list(range(20))


def test_workers_run_ahead():
    taken = []

    class Counts(Squares):
        def __getitem__(self, index):
            taken.append(index)
            return index

    iterator = iter(DataLoader(Counts(100), 1, num_workers=2, prefetch_factor=3))
    deadline = time.monotonic() + 10
    while len(taken) < 6 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert sorted(taken) == list(range(6))  # two workers, three batches each, and no further
    next(iterator)


def test_timeout():
    class Hangs(Squares):
        def __getitem__(self, index):
            time.sleep(1)

    with pytest.raises(RuntimeError, match="timed out after 0.05 seconds"):
        next(iter(DataLoader(Hangs(), num_workers=1, timeout=0.05)))


def data_threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("dlcore-data")}


def wait_for_the_end_of(threads):
    deadline = time.monotonic() + 10
    while threads & data_threads() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not threads & data_threads()


def test_an_iterator_that_is_given_up_ends_its_workers():
    before = data_threads()
    iterator = iter(DataLoader(Slow(1000), 2, num_workers=3))
    next(iterator)
    started = data_threads() - before
    assert len(started) == 3
    del iterator
    gc.collect()
    wait_for_the_end_of(started)


def test_the_end_of_a_loop_ends_the_workers():
    before = data_threads()
    for _ in DataLoader(Squares(), num_workers=2):
        break
    list(DataLoader(Squares(), num_workers=2))
    gc.collect()
    wait_for_the_end_of(data_threads() - before)


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "raise ValueError"])
def test_the_interpreter_ends_with_workers_running(end):
    code = f"""
import time
from dlcore.utils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self): return 10**6
    def __getitem__(self, index): time.sleep(0.01); return index
iterator = iter(DataLoader(Slow(), 2, num_workers=4))
next(iterator)
{end}
"""
    status = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True).returncode
    assert status == {"": 0, "raise SystemExit(3)": 3}.get(end, 1)


def test_fork_with_an_iterator_open():
    iterator = iter(DataLoader(Squares(), 2, num_workers=2))
    next(iterator)
    pid = os.fork()
    if pid == 0:  # the child: its own loaders work, the parent's iterator says what is wrong
        try:
            ok = sum(values(DataLoader(Squares(4), 2, num_workers=2)), []) == [0, 1, 4, 9]
            try:
                next(iterator)
                ok = False
            except RuntimeError as error:
                ok = ok and "fork" in str(error)
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(list(iterator)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option"),
        ({"prefetch_factor": -2, "num_workers": 1}, "prefetch_factor option"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"sampler": [1], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
        ({"batch_size": 0}, "batch_size should be a positive integer value"),
    ],
)
def test_loader_errors(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(Squares(), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_streams_take_no_order(options):
    with pytest.raises(ValueError, match="DataLoader with IterableDataset: expected unspecified"):
        DataLoader(Stream(), **options)


def test_a_loader_stays_as_it_was_made():
    loader = DataLoader(Squares(), persistent_workers=True, num_workers=1, pin_memory=True)
    for name in ("batch_size", "sampler", "dataset", "drop_last"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set"):
            setattr(loader, name, 1)
    loader.note = 1
    with pytest.raises(TypeError):
        len(DataLoader(IterableDataset()))
