"""What kernels cost: time, arithmetic and memory traffic of every op, as a table and as a trace.

    with dlcore.profiler.profile() as p:
        loss = model(x).sum()
        loss.backward()
    print(p.table())
    p.export_chrome_trace("trace.json")  # for chrome://tracing or ui.perfetto.dev

Kernels are noted at the one place where ops start them, whatever thread does; with no profile being taken that place
tests one flag. An op made of several kernels appears as these.
"""

from __future__ import annotations

import contextlib
import enum
import json
import operator
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from . import _core

__all__ = ["Average", "Averages", "Event", "ProfilerActivity", "profile", "record_function"]

MOST_EVENTS = 100_000_000  # 5 GB


class ProfilerActivity(enum.Enum):
    """What to watch: the CPU is all there is."""

    CPU = 0
    CUDA = 2


class Event(NamedTuple):
    """A kernel, the backward of a node of the graph, or a block of the user's (see record_function).

    Attributes:
        name: of the op, the node or the block.
        kind: "kernel", "node" or "block".
        backward: whether a node's backward started it.
        thread: a number for each thread.
        start, time: seconds, from the profile's start.
        bytes, flops: what the kernel reads and writes, and its multiplications and additions, by the op's formula.
        allocated: bytes that the thread asked for since its last kernel: the op's result and its scratch memory.
    """

    name: str
    kind: str
    backward: bool
    thread: int
    start: float
    time: float
    bytes: float
    flops: float
    allocated: int


class Average(NamedTuple):
    """All kernels of one name and pass, or all blocks of one name: sums of what Event holds."""

    name: str
    kind: str
    backward: bool
    calls: int
    time: float  # seconds
    share: float  # of the profile's wall time
    bytes: float
    flops: float
    allocated: int

    @property
    def key(self) -> str:
        return self.name

    @property
    def count(self) -> int:  # type: ignore[override]
        return self.calls

    @property
    def cpu_time_total(self) -> float:
        """Microseconds, as PyTorch counts."""
        return 1e6 * self.time

    self_cpu_time_total = cpu_time_total

    @property
    def cpu_time(self) -> float:
        """Microseconds a call."""
        return self.cpu_time_total / self.calls


_SORTED_BY = {
    "time": "time",
    "cpu_time_total": "time",
    "self_cpu_time_total": "time",
    "cpu_time": "cpu_time",
    "calls": "calls",
    "count": "calls",
    "bytes": "bytes",
    "flops": "flops",
    "allocated": "allocated",
    "cpu_memory_usage": "allocated",
    "self_cpu_memory_usage": "allocated",
    "name": "name",
}
_COLUMNS = ("op", "pass", "calls", "time ms", "share", "mean us", "GFLOP/s", "GB/s", "allocated")


def _size(n: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} GiB"


def _rate(amount: float, seconds: float) -> str:
    return f"{amount / seconds / 1e9:.2f}" if amount and seconds else ""


def _row(a: Average) -> tuple[str, ...]:
    way = "block" if a.kind == "block" else "backward" if a.backward else "forward"
    return (
        a.name if len(a.name) <= 40 else a.name[:37] + "...",
        way,
        str(a.calls),
        f"{1e3 * a.time:.3f}",
        f"{a.share:.1%}",
        f"{a.cpu_time:.1f}",
        _rate(a.flops, a.time),
        _rate(a.bytes, a.time),
        _size(a.allocated) if a.allocated else "",
    )


class Averages(list):
    """A list of Average, with a table."""

    def table(self, sort_by: str | None = "time", row_limit: int | None = 100, *, rows: int | None = None) -> str:
        """A line an op, the largest `sort_by` first: "time", "calls", "flops", "bytes", "allocated" or "name".

        PyTorch's names of these columns are understood, too. `rows` is another name of `row_limit`.
        """
        if sort_by is not None and sort_by not in _SORTED_BY:
            raise ValueError(f"table: sort_by must be one of {', '.join(_SORTED_BY)} or None, but got {sort_by!r}")
        limit = row_limit if rows is None else rows
        limit = len(self) if limit is None else operator.index(limit)
        averages = list(self)
        if sort_by is not None:
            key = operator.attrgetter(_SORTED_BY[sort_by])
            averages.sort(key=key, reverse=sort_by != "name")
        cells = [_COLUMNS, *map(_row, averages[: limit if limit >= 0 else len(self)])]
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = []
        for row in cells:
            left = [c.ljust(w) for c, w in zip(row[:2], widths)]
            lines.append("  ".join(left + [c.rjust(w) for c, w in zip(row[2:], widths[2:])]))
        lines.insert(1, "  ".join("-" * w for w in widths))
        if len(averages) + 1 > len(cells):
            lines.append(f"... {len(averages) + 1 - len(cells)} more")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()


_FIELDS = [("total", "u4"), ("thread", "u4"), ("start", "i8"), ("time", "i8"), ("bytes", "f8"), ("flops", "f8")]
_FIELDS += [("allocated", "i8")]


class profile:
    """Takes a profile of the block that it is the context manager of.

    Of the whole process: kernels of all threads are seen. One profile at a time; a second one raises RuntimeError.
    Memory is bounded: the totals count everything (up to 4096 names), the list of events, from which the trace is
    made, stops at `max_events` (48 bytes each), and `dropped` says how many it lacks.

    What is true of `allocated`: an op allocates its result and its scratch memory, and then starts its kernel. So the
    bytes that a thread asks the allocator for count to the kernel that it starts next; memory of ops that start none
    (`dlcore.empty`) is found at the next one. Sizes are rounded up to the allocator's classes; nothing is subtracted
    for what is freed.

    Args:
        activities: ProfilerActivity.CPU, or None.
        on_trace_ready: called with the profile at the end of the block.
        record_shapes, with_stack, with_modules, schedule: not supported; anything but False or None raises.
        profile_memory, with_flops: accepted; both are always there.
        max_events: see above.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        max_events: int = 1_000_000,
    ) -> None:
        for activity in activities or ():
            if activity is not ProfilerActivity.CPU:
                raise ValueError(f"profile: the only activity is ProfilerActivity.CPU, but got {activity!r}")
        refused = dict(schedule=schedule, record_shapes=record_shapes, with_stack=with_stack, with_modules=with_modules)
        for name, value in refused.items():
            if value:
                raise NotImplementedError(f"profile: {name} is not supported, but got {value!r}")
        if on_trace_ready is not None and not callable(on_trace_ready):
            raise TypeError(f"profile: on_trace_ready must be callable, but got {type(on_trace_ready).__name__}")
        self._max_events = operator.index(max_events)
        if not 0 <= self._max_events <= MOST_EVENTS:
            raise ValueError(f"profile: max_events must be in [0, {MOST_EVENTS}], but got {max_events}")
        self._on_trace_ready = on_trace_ready
        self._running = False
        self._result: tuple | None = None

    def start(self) -> None:
        """What entering the block does."""
        _core._start_profile(self._max_events)
        self._running = True

    def stop(self) -> None:
        """What leaving the block does."""
        if not self._running:
            raise RuntimeError("profile: stop() without start()")
        self._running = False
        nanoseconds, dropped, totals, events = _core._stop_profile()
        self._result = (1e-9 * nanoseconds, dropped, totals, np.frombuffer(events, _FIELDS))
        if self._on_trace_ready is not None:
            self._on_trace_ready(self)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _taken(self) -> tuple:
        if self._result is None:
            raise RuntimeError("profile: there is nothing to read before the block has ended")
        return self._result

    @property
    def wall_time(self) -> float:
        """Seconds from start to end."""
        return self._taken()[0]

    @property
    def dropped(self) -> int:
        """How many events are missing in `events` and the trace, because they were more than `max_events`."""
        return self._taken()[1]

    def events(self) -> list[Event]:
        """Everything that was noted, in order of its end."""
        _, _, totals, events = self._taken()
        return [
            Event(*totals[total][:3], thread, 1e-9 * start, 1e-9 * time, moved, flops, allocated)
            for total, thread, start, time, moved, flops, allocated in events.tolist()
        ]

    def key_averages(self) -> Averages:
        """Totals of the kernels and blocks, by name and pass."""
        wall, _, totals, _ = self._taken()
        averages = Averages()
        for name, kind, backward, calls, nanoseconds, moved, flops, allocated in totals:
            if kind != "node" and calls:
                time = 1e-9 * nanoseconds
                averages.append(Average(name, kind, backward, calls, time, time / wall, moved, flops, allocated))
        return averages

    def table(self, sort_by: str | None = "time", rows: int | None = 20) -> str:
        """key_averages() as a table (see Averages.table), and a line with the sum of the kernels.

        share: of the wall time; what the kernels' shares leave is Python's, the ops' checks and waiting. Several
        threads can have more than 100 % together.
        """
        averages = self.key_averages()
        kernels = [a for a in averages if a.kind == "kernel"]
        busy = sum(a.time for a in kernels)
        total = (
            f"{sum(a.calls for a in kernels)} kernels, {1e3 * busy:.3f} ms of {1e3 * self.wall_time:.3f} ms wall time "
            f"({busy / self.wall_time:.1%}), {_size(sum(a.allocated for a in kernels))} allocated"
        )
        if self.dropped:
            total += f"; {self.dropped} events more than max_events={self._max_events} are in the totals only"
        return f"{averages.table(sort_by, rows)}\n{total}"

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes the events as JSON in the trace event format, which Chrome's and Perfetto's viewers open."""
        _, dropped, totals, events = self._taken()
        pid = os.getpid()
        with open(path, "w", encoding="utf-8") as file:
            notes = json.dumps({"dropped_events": dropped})
            file.write(f'{{"displayTimeUnit": "ms", "otherData": {notes}, "traceEvents": [\n')
            named = {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": "dlcore"}}
            file.write(json.dumps(named))
            for thread in np.unique(events["thread"]).tolist():
                label = {"name": f"thread {thread}"}
                named = {"ph": "M", "name": "thread_name", "pid": pid, "tid": thread, "args": label}
                file.write(",\n" + json.dumps(named))
            for total, thread, start, time, moved, flops, allocated in events.tolist():
                name, kind, backward = totals[total][:3]
                event = {"ph": "X", "name": name, "cat": kind, "pid": pid, "tid": thread}
                event |= {"ts": start / 1e3, "dur": time / 1e3}
                if kind == "kernel":
                    rates = {"GFLOP/s": flops / time, "GB/s": moved / time} if time else {}
                    event["args"] = {"backward": backward, "bytes": moved, "flops": flops, "allocated": allocated}
                    event["args"] |= {k: round(v, 3) for k, v in rates.items()}
                file.write(",\n" + json.dumps(event))
            file.write("\n]}\n")


class record_function(contextlib.ContextDecorator):
    """Names a block of the program, or a function that it decorates, in the profile.

    Args:
        name: what the block is called.
        args: accepted as PyTorch does, and not used.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"record_function: name must be a str, but got {type(name).__name__}")
        self.name, self._starts = name, []

    def __enter__(self) -> record_function:
        self._starts.append(_core._block_start())
        return self

    def __exit__(self, *_: object) -> None:
        _core._block_end(self.name, self._starts.pop())

    def _recreate_cm(self) -> record_function:
        return record_function(self.name)
