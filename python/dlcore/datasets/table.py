"""Tables: columns of numbers and of categories, read from CSV files."""

from __future__ import annotations

import codecs
import csv
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .. import _core
from .._core import Tensor

Column = Tensor | list  # (N) floating point, NaN where missing; or strings, None where missing

FEW = 0.1  # of the fields of a column: whoever reads it probably meant numbers
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Table:
    """Columns by name, all of the same length, in order.

        table["age"]                    a column: a tensor (N) with NaN where a number is missing,
                                        or a list of strings with None where one is missing
        table.take([0, 2])              those rows
        table.drop("id", "price")       without those columns
        len(table), table.names

    Args:
        columns: tensors (N) of a floating point or whole type, and lists of strings, whole numbers and None.

    Raises:
        TypeError: for other columns.
        ValueError: if there are none, or their lengths differ.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns: dict[str, Column] = {}
        for name, column in columns.items():
            if isinstance(column, Tensor) and column.dim() != 1:
                raise ValueError(f"Table: column {name!r} must have shape (N), but got {tuple(column.shape)}")
            if not isinstance(column, (Tensor, list, tuple)):
                raise TypeError(f"Table: column {name!r} must be a tensor or a list, but got {type(column).__name__}")
            self._columns[name] = column if isinstance(column, Tensor) else list(column)
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"Table: columns must be there, and of the same length, but got {lengths}")

    @property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return list(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __contains__(self, name) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> Column:
        if name not in self._columns:
            raise KeyError(f"Table: there is no column {name!r}; there are {', '.join(map(str, self._columns))}")
        return self._columns[name]

    def take(self, rows: Sequence[int] | Tensor) -> Table:
        """The table of these rows."""
        rows = _core.as_tensor(rows, dtype=_core.int64)
        numbers = rows.tolist()
        return Table(
            {
                name: column[rows] if isinstance(column, Tensor) else [column[i] for i in numbers]
                for name, column in self._columns.items()
            }
        )

    def drop(self, *names: str) -> Table:
        """The table without these columns.

        Raises:
            KeyError: if one is not there.
        """
        for name in names:
            self[name]
        return Table({name: column for name, column in self._columns.items() if name not in names})

    def __repr__(self) -> str:
        kinds = (f"{name}: {'numbers' if isinstance(c, Tensor) else 'categories'}" for name, c in self._columns.items())
        return f"Table({len(self)} rows; {', '.join(kinds)})"


def read_csv(
    path: str | os.PathLike,
    delimiter: str = ",",
    header: bool | Sequence[str] = True,
    missing: Iterable[str] = MISSING,
    numeric: Iterable[str] = (),
    categorical: Iterable[str] = (),
    like: Table | None = None,
    encoding: str = "utf-8",
) -> Table:
    """The table in a CSV file: fields may be quoted with ", within which delimiters and ends of lines are text and ""
    stands for ". Empty lines are left out; blanks around a field are, too.

    A column is of numbers (a float64 tensor) where every field that is not missing is one, and some field is; else it
    is of categories (a list of strings), with a warning where fewer than a tenth of the fields are no numbers.

    Args:
        path: the file.
        delimiter: one character between fields. Default: a comma.
        header: whether the first row has the columns' names (without, they are "0", "1", ...), or the names themselves.
            Default: True.
        missing: what stands for a missing value. Default: the empty field, NA, N/A, NaN, nan, NULL, null, ?.
        numeric: names of columns that must be of numbers; without any they are all missing.
        categorical: names of columns that are of categories, even if their fields are numbers.
        like: a table, such as that to train on: columns that it has are numeric or categorical as they are there.
        encoding: of the text; a byte order mark is left out. Default: utf-8.

    Raises:
        OSError: if there is no such file.
        ValueError: naming file, row (from 1, after the header), line and column: if a row has more or fewer fields than
            the header, a field of a numeric column is no number, or quotes are wrong; if names are empty or occur
            twice, `numeric` or `categorical` names other columns, no row follows, or the text is not of its encoding.
    """
    path = os.fspath(path)
    numeric, categorical, missing = set(numeric), set(categorical), frozenset(missing)
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(f"read_csv: delimiter must be one character, not a quote or line end, but got {delimiter!r}")
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ValueError(f"read_csv: {error}") from error
    with open(path, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as file:
        try:
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            rows = _rows(path, reader, has_names=header is True)
            first = next(rows, None)
            if first is None:
                raise ValueError(f"read_csv: {path} is empty")
            names = first[1] if header is True else header or [str(i) for i in range(len(first[1]))]
            names = _check_names(path, names)
            if unknown := (numeric | categorical) - set(names):
                raise ValueError(f"read_csv: {path} has no column {', '.join(map(repr, sorted(unknown)))}")
            if both := numeric & categorical:
                raise ValueError(f"read_csv: {', '.join(map(repr, sorted(both)))} can not be numeric and categorical")
            if like is not None:
                shared = {name for name in names if name in like} - numeric - categorical
                numeric |= {name for name in shared if isinstance(like[name], Tensor)}
                categorical |= shared - numeric
            lines, fields = _fields(path, names, rows if header is True else _chain(first, rows))
        except UnicodeDecodeError as error:
            where = _where_undecodable(path, encoding, delimiter)
            raise ValueError(f"read_csv: {path}{where}: is not {encoding}: {error.reason}") from error
    if not lines:
        raise ValueError(f"read_csv: {path} has no rows")
    columns: dict[str, Column] = {}
    for name, column in zip(names, fields):
        values = [None if field in missing else field for field in column]
        numbers = None if name in categorical else _numbers(values, name in numeric)
        columns[name] = values if numbers is None else numbers
        if numbers is not None or name in categorical:
            continue
        there = [(row, value) for row, value in enumerate(values) if value is not None]
        others = [(row, value) for row, value in there if not _is_number(value)]
        if name in numeric or 0 < len(others) < FEW * len(there):
            row, value = others[0]
            where = f"read_csv: {path}, row {row + 1} (line {lines[row]}), column {name!r}"
            if name in numeric:
                raise ValueError(f"{where}: must be a number, but got {value[:60]!r}")
            warnings.warn(
                f"{where}: {value[:60]!r} makes it a column of categories, though nearly all are numbers; say by "
                "numeric, categorical or missing what it is",
                stacklevel=2,
            )
    return Table(columns)


def _rows(path: str, reader, has_names: bool) -> Iterator[tuple[int, list[str]]]:
    """The line at which each row ends, and its fields."""
    count = 0
    try:
        for row in reader:
            if row:
                count += 1
                yield reader.line_num, [field.strip() for field in row]
    except csv.Error as error:
        row = "header" if has_names and not count else f"row {count + (not has_names)}"
        raise ValueError(f"read_csv: {path}, {row} (line {reader.line_num}): {error}") from error


def _where_undecodable(path: str, encoding: str, delimiter: str) -> str:
    """The line and the column of the first bytes that are no text."""
    if "\n".encode(encoding) != b"\n":
        return ""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return f", line {number}, column {line[: error.start].count(delimiter.encode()) + 1}"
    return ""


def _chain(first, rows):
    yield first
    yield from rows


def _check_names(path: str, names: Sequence[str]) -> list[str]:
    names = list(names)
    for i, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise ValueError(f"read_csv: {path}: column {i + 1} must have a name, but has {name!r}")
        if name in names[:i]:
            raise ValueError(f"read_csv: {path}: column {i + 1} must have a name of its own, but {name!r} is taken")
    return names


def _fields(path: str, names: list[str], rows) -> tuple[list[int], list[list[str]]]:
    """The line of each row, and the fields of each column."""
    lines: list[int] = []
    fields: list[list[str]] = [[] for _ in names]
    for line, row in rows:
        lines.append(line)
        if len(row) != len(names):
            where = f"column {len(names) + 1} is one too many" if len(row) > len(names) else (
                f"column {len(row) + 1}, {names[len(row)]!r}, is missing")  # fmt: skip
            raise ValueError(
                f"read_csv: {path}, row {len(lines)} (line {line}): must have {len(names)} fields, but has {len(row)}: "
                f"{where}"
            )
        for column, field in zip(fields, row):
            column.append(field)
    return lines, fields


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and abs(float(text)) < float("inf")


def _numbers(values: list[str | None], wanted: bool) -> Tensor | None:
    """A float64 tensor, if all values that are there are numbers and one is there (or need not be)."""
    there = [value for value in values if value is not None]
    if not (there or wanted) or not all(map(_is_number, there)):
        return None
    return _core.tensor([float("nan") if value is None else float(value) for value in values], dtype=_core.float64)
