"""`DataLoader`: batches of a data set, made ahead by threads where that is wanted.

Workers are threads: the library's kernels, numpy and file access release Python's lock, nothing has to be pickled, and
the data set's memory exists once.
"""

from __future__ import annotations

import atexit
import copy
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from queue import Empty, SimpleQueue
from types import GenericAlias

from ... import _core
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, collated_of, items_of
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed


class WorkerInfo:
    """What `get_worker_info` tells a worker.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: a seed of its own, different in every epoch.
        dataset: the data set; for an `IterableDataset`, the worker's own shallow copy.
    """

    def __init__(self, id: int, num_workers: int, seed: int, dataset) -> None:
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed}, dataset={self.dataset!r})"


_local = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """In a worker of a `DataLoader`, what it is to know of itself; elsewhere None."""
    return getattr(_local, "info", None)


_fixed = frozenset({"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"})


class DataLoader:
    """Iterates over a data set in batches.

    Args:
        dataset: a `Dataset` (or anything with ``__getitem__`` and ``__len__``), or an `IterableDataset`.
        batch_size: items in a batch; None gives single items. Default: 1.
        shuffle: draw a new order for every epoch. Default: False.
        sampler: gives the order instead.
        batch_sampler: gives lists of numbers instead of `batch_size`, `shuffle`, `sampler` and `drop_last`.
        num_workers: threads that make batches ahead; 0 makes them when they are asked for. Default: 0.
        collate_fn: makes a batch of a list of items. Default: `default_collate` (for single items, `default_convert`).
        drop_last: leave out a smaller batch at the end. Default: False.
        timeout: seconds to wait for a batch of a worker; 0 waits as long as it takes. Default: 0.
        worker_init_fn: called in each worker with its number before the first batch.
        generator: draws the order and the workers' seeds; the default generator where it is None.
        prefetch_factor: batches that each worker makes ahead. Default: 2.
        in_order: give the batches in the order of the sampler, not as they become ready. Default: True.
        pin_memory, pin_memory_device, persistent_workers, multiprocessing_context: accepted, and without effect:
            there are no processes, and threads cost nothing to start.

    Raises:
        ValueError: for arguments that exclude each other.
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable workers.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor option needs num_workers > 0")
        if prefetch_factor is not None and prefetch_factor <= 0:
            raise ValueError("prefetch_factor option should be positive")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        is_stream = isinstance(dataset, IterableDataset)
        if is_stream:
            for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None and not is_stream:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            # A stream takes nothing of it but the check of `batch_size`.
            batch_sampler = BatchSampler(repeat(None) if is_stream else sampler, batch_size, drop_last)

        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.drop_last = drop_last
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.in_order = in_order
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.persistent_workers = persistent_workers
        self.multiprocessing_context = multiprocessing_context
        self._place = _Place()
        self._resumed: tuple | None = None
        self._settled = True

    def __setattr__(self, name: str, value) -> None:
        if name in _fixed and "_settled" in self.__dict__:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator:
        generators, resumed, skipped = self._generators(), self._resumed, 0
        if resumed is not None:  # draw the order of the epoch again
            now = [generator.get_state() for generator in generators]
            start, skipped = resumed
            for generator, state in zip(generators, start, strict=True):
                generator.set_state(state)
        self._resumed = None
        self._place = _Place([generator.get_state() for generator in generators], skipped)
        seed = draw_seed(self.generator)  # with and without workers, so that the order is the same for both
        iterator = _ThreadedIterator(self, seed, skipped) if self.num_workers else _SerialIterator(self, skipped)
        if resumed is not None:
            for generator, state in zip(generators, now, strict=True):
                generator.set_state(state)
        return iterator

    def state_dict(self) -> dict:
        """Where the last iterator stands: how many batches of its epoch it gave, and the states of the generators that
        drew their order, at the beginning of the epoch and now."""
        generators = [generator.get_state() for generator in self._generators()]
        if self._resumed is not None:
            start, given = self._resumed
        else:
            start, given = self._place.start, self._place.given
        return {"start": start, "batches": given, "generators": generators}

    def load_state_dict(self, state_dict: dict) -> None:
        """Let the next iterator go on where the one of `state_dict` stood, with the batches that it had not given.

        The order has to come from generators: the default one, or those that are attributes ``generator`` of the
        loader and its samplers. Batches that were given are not made again (those of an `IterableDataset` are). The
        state of the default generator is the caller's: `set_rng_state`. What transforms in several workers drew is not
        repeated, and neither is the order where `in_order` is False.

        Raises:
            ValueError: if it is no such state, or that of a loader with other generators.
        """
        count = len(self._generators())
        try:
            start, given, states = (state_dict[key] for key in ("start", "batches", "generators"))
            fits = len(states) == count and (start is None or len(start) == count) and type(given) is int and given >= 0
        except (TypeError, KeyError, IndexError):
            fits = False
        if not fits:
            raise ValueError(
                "DataLoader.load_state_dict: state_dict must be what state_dict() gave for a loader with as many "
                f"generators ({count}), but got {state_dict!r:.200}"
            )
        for generator, state in list(zip(self._generators(), states, strict=True))[1:]:
            generator.set_state(state)
        self._place = _Place()
        self._resumed = None if start is None else (list(start), given)

    def _generators(self) -> list:
        """The generators that may draw the order: the default one, and those of the loader and its samplers."""
        inner = getattr(self.batch_sampler, "sampler", None)
        parts = (self, self.sampler, self.batch_sampler, inner)
        own = (getattr(part, "generator", None) for part in parts)
        found = [each for each in own if isinstance(each, _core.Generator)]
        return list({id(each): each for each in (_core.default_generator, *found)}.values())

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        count = len(self.dataset)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def _requests(self) -> Iterator:
        """What a worker is asked for, once for every batch: the items' numbers. A stream needs none."""
        if isinstance(self.dataset, IterableDataset):
            return repeat(None)
        return iter(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def _fetcher(self, dataset) -> Callable:
        """The function that makes a batch for one of `_requests`; it raises StopIteration at the end of a stream."""
        collate = self.collate_fn
        if isinstance(dataset, IterableDataset):
            return _stream_fetcher(iter(dataset), self.batch_size, self.drop_last, collate)
        single = self.batch_sampler is None

        def fetch(request):
            try:
                if single:
                    return collate(dataset[request])
                batch = collated_of(dataset, request) if collate is default_collate else None
                return collate(items_of(dataset, request)) if batch is None else batch
            except StopIteration as error:  # would look like the end of the loader
                raise RuntimeError("DataLoader: the data set raised StopIteration") from error

        return fetch


def _stream_fetcher(items: Iterator, batch_size: int | None, drop_last: bool, collate: Callable) -> Callable:
    def fetch(_):
        if batch_size is None:
            return collate(next(items))
        batch = list(islice(items, batch_size))
        if not batch or (drop_last and len(batch) < batch_size):
            raise StopIteration
        return collate(batch)

    return fetch


class _Place:
    """Where an iterator stands: the generators' states at its beginning (None between two epochs), and how many batches
    it gave."""

    def __init__(self, start: list | None = None, given: int = 0) -> None:
        self.start, self.given = start, given


class _Iterator:
    """Gives batches, and keeps count of them. A subclass makes them in `_make`."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        self._place = loader._place
        self._requests = loader._requests()

    def __iter__(self) -> _Iterator:
        return self

    def __next__(self):
        try:
            batch = self._make()
        except StopIteration:
            self._place.start, self._place.given = None, 0
            raise
        self._place.given += 1
        return batch

    def __len__(self) -> int:
        return len(self._loader)


def _skip(take: Callable, count: int) -> None:
    """Take `count` times, or as often as there is something."""
    try:
        for _ in range(count):
            take()
    except StopIteration:
        pass


class _SerialIterator(_Iterator):
    """Makes each batch when it is asked for."""

    def __init__(self, loader: DataLoader, skipped: int) -> None:
        super().__init__(loader)
        self._fetch = loader._fetcher(loader.dataset)
        is_stream = isinstance(loader.dataset, IterableDataset)
        _skip(self._make if is_stream else self._requests.__next__, skipped)

    def _make(self):
        return self._fetch(next(self._requests))


_END = object()  # a worker's answer when its stream is over


class _Failure:
    """A worker's answer when making a batch failed."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Worker(threading.Thread):
    """Makes a batch for each (number, request) of its queue and puts (number, batch) into `answers`; None ends it.

    It knows nothing of the iterator, so that one that is given up can go, and ends its workers as it does.
    """

    def __init__(self, loader: DataLoader, info: WorkerInfo, answers: SimpleQueue) -> None:
        super().__init__(name=f"dlcore-data-{info.id}", daemon=True)
        self.requests: SimpleQueue = SimpleQueue()
        self.given_up = False
        self._loader = loader
        self._info = info
        self._answers = answers

    def run(self) -> None:
        loader, answers = self._loader, self._answers
        _local.info = self._info
        fetch = failure = None
        try:
            if loader.worker_init_fn is not None:
                loader.worker_init_fn(self._info.id)
            fetch = loader._fetcher(self._info.dataset)
        except BaseException as error:
            failure = _Failure(error)
        while (task := self.requests.get()) is not None and not self.given_up:
            number, request = task
            try:
                answer = failure or fetch(request)
            except StopIteration:
                answer = _END
            except BaseException as error:
                answer = _Failure(error)
            answers.put((number, answer))
            del answer, task


_running: weakref.WeakSet = weakref.WeakSet()


def _stop(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.given_up = True
        worker.requests.put(None)


@atexit.register
def _stop_all() -> None:
    """Lets no thread be inside a kernel while the interpreter goes down."""
    workers = list(_running)
    _stop(workers)
    for worker in workers:
        worker.join(timeout=5)


class _ThreadedIterator(_Iterator):
    """Keeps `prefetch_factor` requests with each worker, and gives their answers in order."""

    def __init__(self, loader: DataLoader, seed: int, skipped: int) -> None:
        super().__init__(loader)
        is_stream = isinstance(loader.dataset, IterableDataset)
        if not is_stream:
            _skip(self._requests.__next__, skipped)
        self._answers: SimpleQueue = SimpleQueue()
        self._ready: dict = {}  # answers that came before their turn
        self._next = 0  # the number of the next batch
        self._asked: dict[int, int] = {}  # requests without an answer taken yet: number to worker
        self._count = 0  # requests made
        self._pid = os.getpid()
        self._workers = []
        for i in range(loader.num_workers):
            dataset = copy.copy(loader.dataset) if isinstance(loader.dataset, IterableDataset) else loader.dataset
            info = WorkerInfo(i, loader.num_workers, seed + i, dataset)
            self._workers.append(_Worker(loader, info, self._answers))
        self._active = list(range(loader.num_workers))  # workers whose stream goes on; the first is next in turn
        self._finalizer = weakref.finalize(self, _stop, self._workers)
        self._finalizer.atexit = False  # _stop_all does it
        for worker in self._workers:
            worker.start()
            _running.add(worker)
        for _ in range(loader.num_workers * loader.prefetch_factor):
            self._ask()
        if is_stream:
            _skip(self._make, skipped)

    def _ask(self) -> None:
        """Give the next request, if there is one, to the next worker."""
        if not self._active:
            return
        request = next(self._requests, _END)
        if request is _END:
            return
        which = self._active.pop(0)
        self._active.append(which)
        self._asked[self._count] = which
        self._workers[which].requests.put((self._count, request))
        self._count += 1

    def _make(self):
        if os.getpid() != self._pid:
            raise RuntimeError("DataLoader: this iterator's workers are threads of the process before fork()")
        while self._asked:
            answer, worker = self._take()
            if answer is _END:
                if worker in self._active:
                    self._active.remove(worker)
                continue
            self._ask()
            if isinstance(answer, _Failure):
                _raise(answer.error)
            return answer
        self._finalizer()
        raise StopIteration

    def _take(self) -> tuple:
        """The next answer and the worker it is of."""
        loader = self._loader
        while True:
            if loader.in_order:
                while self._next not in self._asked:
                    self._next += 1
                number = self._next
            else:
                number = next(iter(self._ready), -1)
            if number in self._ready:
                return self._ready.pop(number), self._asked.pop(number)
            try:
                number, answer = self._answers.get(timeout=loader.timeout or None)
            except Empty:
                raise RuntimeError(f"DataLoader timed out after {loader.timeout} seconds") from None
            self._ready[number] = answer


def _raise(error: BaseException):
    try:
        raise error
    finally:
        del error  # its traceback refers to this frame
