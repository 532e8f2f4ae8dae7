"""Readers of CSV files and numpy's archives: what they read, and where they say that a file is malformed."""

import io
import math
import random
import zipfile

import numpy as np
import pytest

import dlcore
from dlcore.datasets import Table, read_csv, read_npz

TEXT = """\ufeffid, town ,rooms,"price, in $",built
1,Oslo,3,100.5,1999
2,"St. ""B"", Bergen",NA,-2e3,old

3,?,.5,+7,2001
4,"two
lines",,nan,2002
"""


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "houses.csv"
    place.write_text(TEXT, encoding="utf-8")
    return place


def test_csv(path):
    table = read_csv(path)
    assert table.names == ["id", "town", "rooms", "price, in $", "built"] and len(table) == 4
    assert table["id"].tolist() == [1, 2, 3, 4] and table["id"].dtype == dlcore.float64
    assert table["town"] == ["Oslo", 'St. "B", Bergen', None, "two\nlines"]
    np.testing.assert_array_equal(table["rooms"].numpy(), [3, math.nan, 0.5, math.nan])
    np.testing.assert_array_equal(table["price, in $"].numpy(), [100.5, -2000, 7, math.nan])
    assert table["built"] == ["1999", "old", "2001", "2002"]
    assert repr(table).startswith("Table(4 rows; id: numbers, town: categories, ")
    assert read_csv(str(path), categorical=["id"])["id"] == ["1", "2", "3", "4"]
    np.testing.assert_array_equal(
        read_csv(path, missing=["?", "old", "NA", "", "nan"])["built"].numpy(), [1999, math.nan, 2001, 2002]
    )


def test_csv_of_other_shapes(tmp_path):
    path = tmp_path / "data"
    path.write_bytes("a;b\r\n1,5;ä\r\n2,5;\r\n".encode("latin-1"))
    table = read_csv(path, ";", encoding="latin-1")
    assert table["a"] == ["1,5", "2,5"] and table["b"] == ["ä", None]
    path.write_text("1\t2\n3\t4")
    assert read_csv(path, "\t", header=False)["1"].tolist() == [2, 4]
    assert read_csv(path, "\t", header=["x", "y"])["x"].tolist() == [1, 3]
    path.write_text("a,b\n,\n,\n")
    assert read_csv(path)["a"] == [None, None] and read_csv(path, numeric=["a"])["a"].isnan().all()


def test_csv_like_another(tmp_path, path):
    train = read_csv(path)
    other = tmp_path / "test.csv"
    other.write_text("built,rooms,new\n1990,,1\n1991,,2\n")
    table = read_csv(other, like=train)
    assert table["built"] == ["1990", "1991"] and table["rooms"].isnan().all() and table["new"].tolist() == [1, 2]
    other.write_text("rooms\n\n3\n\nmany\n")
    with pytest.raises(
        ValueError, match=r"test.csv, row 2 \(line 5\), column 'rooms': must be a number, but got 'many'"
    ):
        read_csv(other, like=train)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data is empty"),
        (b"\n\n", "data is empty"),
        (b"a,b\n", "data has no rows"),
        (b"a,b\n1,2\n\n3\n", r"data, row 2 \(line 4\): must have 2 fields, but has 1: column 2, 'b', is missing"),
        (b"a,b\n1,2,3\n", r"row 1 \(line 2\): must have 2 fields, but has 3: column 3 is one too many"),
        (b"a,,b\n1,2,3\n", "column 2 must have a name, but has ''"),
        (b"a,b,a\n1,2,3\n", "column 3 must have a name of its own, but 'a' is taken"),
        (b'a,b\n1,2\n"3,4\n', "row 2 \\(line 3\\): unexpected end of data"),
        (b'a,b\n1,"2"x\n', "row 1 \\(line 2\\): ',' expected"),
        (b'"a"x,b\n1,2\n', "header \\(line 1\\)"),
        (b"a,b\n1,\0\n" + b"x" * 200_000, "row [12] "),
        (b"a,b\n1," + b"x" * 200_000, "row 1 \\(line 2\\): field larger than field limit"),
        (b"a,b\n1,2\n3,\xff\n", "line 3, column 2: is not utf-8: invalid start byte"),
    ],
)
def test_csv_that_is_malformed(tmp_path, content, message):
    path = tmp_path / "data"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"read_csv: .*{message}"):
        read_csv(path)


def test_csv_wrong_arguments(tmp_path, path):
    with pytest.raises(ValueError, match="column 'town': must be a number, but got 'Oslo'"):
        read_csv(path, numeric=["town"])
    with pytest.raises(ValueError, match="houses.csv has no column 'cellar'"):
        read_csv(path, categorical=["cellar"])
    with pytest.raises(ValueError, match="'id' can not be numeric and categorical"):
        read_csv(path, numeric=["id"], categorical=["id"])
    for wrong in ("", "ab", '"', "\n", None):
        with pytest.raises(ValueError, match="delimiter must be one character"):
            read_csv(path, wrong)
    with pytest.raises(ValueError, match="unknown encoding"):
        read_csv(path, encoding="nonsense")
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "nothing")
    huge = tmp_path / "huge"
    huge.write_text("a\n1e999\n1\n1_0\n")
    assert read_csv(huge)["a"] == ["1e999", "1", "1_0"]  # no numbers of float64


def test_table():
    table = Table({"x": dlcore.tensor([1.0, 2.0, 3.0]), "c": ["a", None, "b"]})
    part = table.take([2, 0])
    assert part["x"].tolist() == [3, 1] and part["c"] == ["b", "a"]
    assert table.take(dlcore.tensor([1]))["c"] == [None] and len(table.take([])) == 0
    assert table.drop("x").names == ["c"] and "x" in table and list(table) == ["x", "c"]
    with pytest.raises(KeyError, match="there is no column 'y'; there are x, c"):
        table.drop("y")
    with pytest.raises(IndexError):
        table.take([3])
    for wrong, error in (
        ({}, ValueError),
        ({"a": [1], "b": [1, 2]}, ValueError),
        ({"a": dlcore.ones(2, 2)}, ValueError),
        ({"a": "text"}, TypeError),
    ):
        with pytest.raises(error, match="Table: column"):
            Table(wrong)


def test_npz(tmp_path):
    arrays = {
        "f": np.arange(6, dtype="f4").reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype="f8").reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"),
        "flags": np.array([True, False]),
        "bytes": np.arange(4, dtype="u1").reshape(2, 2, 1),
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3), "i8"),
    }
    for write in (np.savez, np.savez_compressed):
        path = tmp_path / "data.npz"
        write(path, **arrays)
        got = read_npz(path)
        assert list(got) == list(arrays)
        for name, array in arrays.items():
            assert got[name].numpy().dtype == array.dtype.newbyteorder("=")
            assert np.array_equal(got[name].numpy(), array) and got[name].is_contiguous()
    with pytest.raises(ValueError, match="its arrays take .* bytes, more than max_bytes=100"):
        read_npz(path, max_bytes=100)
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "nothing")


class Trap:
    """Unpickled, it would raise."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_npz_that_is_wrong(tmp_path):
    path = tmp_path / "data.npz"
    good = npy(np.arange(4.0))
    for name, content, message in [
        (
            "a.npy",
            npy(np.array([Trap()], dtype=object)),
            "must be of a type of float64, .* but is object; nothing is unp",
        ),
        ("a.npy", npy(np.array(["text"])), "must be of a type of .* but is str"),
        ("a.npy", npy(np.zeros(2, "c8")), "but is complex64"),
        ("a.npy", npy(np.zeros(2, "u2")), "but is uint16"),
        ("a.npy", npy(np.zeros(2, [("x", "f4")])), "but is void32"),
        ("a.npy", good[:-1], r"its shape \(4,\) of float64 takes 32 bytes, but it has 31"),
        ("a.npy", good + b"x", "takes 32 bytes, but it has 33"),
        ("a.npy", good.replace(b"(4,), }  ", b"(4444,), "), "must be an array of numpy"),
        ("a.npy", good.replace(b"(4,), }   ", b"(2**9,), }"), "must be an array of numpy"),
        ("a.npy", good.replace(b"(4,), }   ", b"(9**9,), }"), "must be an array of numpy"),
        ("a.npy", good.replace(b"(4,), }     ", b"(99999,), } "), "takes 799992 bytes, but it has 32"),
        ("a.npy", good.replace(b"(4,), }     ", b"(-4,), }    "), "takes -32 bytes, but it has 32"),
        ("a.npy", good.replace(b"(4,), }      ", b"(-2,-2,), }  "), "its shape"),
        ("a.npy", good[:8], "must be an array of numpy"),
        ("a.npy", b"", "must be an array of numpy"),
        ("a.npy", b"\x93NUMPY\x03\x00" + good[8:], "must be an array of numpy: version"),
        ("a.npy", npy(np.array([True]))[:-1] + b"\2", "has other bytes than 0 and 1 for bool"),
        ("a.txt", good, "'a.txt' must be an array: its name must end in .npy"),
    ]:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
        with pytest.raises(ValueError, match=f"read_npz: .*{message}"):
            read_npz(path)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", good)
        archive.writestr("a.npy", good)
    with pytest.raises(ValueError, match="'a.npy' occurs twice"):
        read_npz(path)
    path.write_bytes(good)
    with pytest.raises(ValueError, match="is not a complete archive of arrays"):
        read_npz(path)


def test_npz_cut_short_or_with_wrong_bytes(tmp_path):
    """Whatever is wrong with a file, it is told by ValueError, or the arrays are the right ones."""
    path = tmp_path / "data.npz"
    arrays = {"a": np.arange(50.0), "b": np.arange(6).reshape(2, 3)}
    np.savez_compressed(path, **arrays)
    whole, draw = path.read_bytes(), random.Random(0)
    refused = 0
    for trial in range(300):
        content = bytearray(whole)
        if trial % 2:
            del content[draw.randrange(len(content)) :]
        else:
            for _ in range(draw.randrange(1, 4)):
                content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            got = read_npz(path)
        except ValueError as error:
            assert str(error).startswith("read_npz: ")
            refused += 1
            continue
        for name, tensor in got.items():
            if name in arrays:
                assert np.array_equal(tensor.numpy(), arrays[name])
    assert refused > 200
