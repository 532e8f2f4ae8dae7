"""save and load: round trips, other programs' files, and every way in which a file can be wrong."""

import io
import json
import math
import os
import random
import re
import stat
import string
import subprocess
import sys
from collections import OrderedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dlcore
from dlcore import nn, optim

DTYPES = [
    dlcore.float32,
    dlcore.float64,
    dlcore.bfloat16,
    dlcore.float16,
    dlcore.int8,
    dlcore.int16,
    dlcore.int32,
    dlcore.int64,
    dlcore.uint8,
    dlcore.bool,
]


def same(a, b):
    """Equal in type and value, all the way down."""
    if dlcore.is_tensor(a):
        return (
            dlcore.is_tensor(b)
            and isinstance(a, nn.Parameter) == isinstance(b, nn.Parameter)
            and (a.dtype, tuple(a.shape), a.requires_grad) == (b.dtype, tuple(b.shape), b.requires_grad)
            and repr(a.tolist()) == repr(b.tolist())  # NaN is itself
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def through_memory(obj):
    buffer = io.BytesIO()
    dlcore.save(obj, buffer)
    buffer.seek(0)
    return dlcore.load(buffer)


def saved_bytes(obj):
    buffer = io.BytesIO()
    dlcore.save(obj, buffer)
    return buffer.getvalue()


# --- round trips


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (5,), (2, 3, 4)])
def test_dtypes_and_shapes(dtype, shape):
    tensor = (dlcore.randn(shape) * 3).to(dtype)
    assert same(tensor, through_memory(tensor))


def test_views_are_saved_by_value():
    base = dlcore.arange(12.0).reshape(3, 4)
    views = [base.t(), base[1:, ::2], base[0].expand(5, 4), base[::2].t()]
    assert same([view.clone() for view in views], through_memory(views))


def test_what_people_save(tmp_path):
    net = nn.Sequential(nn.Linear(3, 4), nn.LazyLinear(2))
    optimizer = optim.Adam(net[0].parameters(), lr=0.1)
    net[0](dlcore.ones(2, 3)).sum().backward()
    optimizer.step()
    obj = {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "history": [(0, 1.5), (1, math.nan), (2, -math.inf)],
        "note": "naïve \U0001f600 \ud800",
        "dtype": dlcore.float32,
        (1, "a"): None,
        4: True,
        2.5: [],
    }
    path = tmp_path / "anything at all.weights"
    dlcore.save(obj, path)
    loaded = dlcore.load(path)
    lazy = loaded["model"].pop("1.weight")
    assert isinstance(lazy, nn.UninitializedParameter) and lazy.requires_grad
    del obj["model"]["1.weight"], obj["model"]["1.bias"], loaded["model"]["1.bias"]
    assert same(obj, loaded) and type(loaded["model"]) is OrderedDict
    other = optim.Adam(nn.Linear(3, 4).parameters())
    other.load_state_dict(loaded["optimizer"])
    assert other.param_groups[0]["lr"] == 0.1 and other.param_groups[0]["betas"] == (0.9, 0.999)
    dlcore.save(dlcore.ones(2), str(path))
    assert dlcore.load(os.fsencode(path)).tolist() == [1.0, 1.0]


def test_identity_of_tensors_is_kept():
    weight = nn.Parameter(dlcore.ones(2))
    plain = dlcore.ones(3, requires_grad=True)
    loaded = through_memory([weight, weight, {"again": weight}, plain, plain])
    assert loaded[0] is loaded[1] is loaded[2]["again"] and isinstance(loaded[0], nn.Parameter)
    assert loaded[3] is loaded[4] and loaded[3].requires_grad and loaded[3].is_leaf
    assert len(saved_bytes([weight] * 100)) < 20 * len(saved_bytes([weight]))


def test_results_of_ops_are_saved_with_their_values():
    x = dlcore.ones(2, requires_grad=True)
    loaded = through_memory(x * 3)
    assert loaded.tolist() == [3.0, 3.0] and loaded.is_leaf and loaded.requires_grad


tensors = st.builds(
    lambda dtype, shape, seed: (dlcore.randn(shape, generator=dlcore.Generator().manual_seed(seed)) * 50).to(dtype),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    st.integers(0, 100),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(DTYPES)
keys = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2).map(tuple),
    max_leaves=3,
)
objects = st.recursive(
    scalars | tensors,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(objects)
def test_any_nesting(obj):
    assert same(obj, through_memory(obj))


# --- what can not be saved


@pytest.mark.parametrize(
    ("obj", "error", "message"),
    [
        (object(), TypeError, "but obj is a builtins.object"),
        ({"a": [1, {2}]}, TypeError, r"but obj\['a'\]\[1\] is a builtins.set"),
        (nn.Linear(2, 2), TypeError, r"save its state_dict\(\)"),
        ({b"x": 1}, TypeError, "a key of a dictionary must be"),
        ({dlcore.ones(1): 1}, TypeError, "a key of a dictionary must be"),
        (1j, TypeError, "complex"),
    ],
)
def test_save_refuses(obj, error, message, tmp_path):
    path = tmp_path / "file"
    with pytest.raises(error, match=message):
        dlcore.save(obj, path)
    assert not list(tmp_path.iterdir())


def test_save_refuses_cycles_and_depth():
    cycle = {}
    cycle["self"] = [cycle]
    with pytest.raises(ValueError, match=r"contains itself at obj\['self'\]\[0\]"):
        dlcore.save(cycle, io.BytesIO())
    deep = dlcore.ones(1)
    for _ in range(100):
        deep = [deep]
    assert same(deep, through_memory(deep))
    with pytest.raises(ValueError, match="more than 100 deep"):
        dlcore.save([deep], io.BytesIO())
    shared = [1]
    assert through_memory([shared, shared]) == [[1], [1]]


# --- files


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    dlcore.save([1], path)
    with pytest.raises(TypeError):
        dlcore.save([object()], path)
    assert dlcore.load(path) == [1]
    code = f"""
import os, dlcore
import dlcore._safetensors as s
whole = s.write
def dies(file, *arguments):
    whole(file, *arguments)
    file.flush()
    os._exit(9)
s.write = dies
dlcore.save([2], {str(path)!r})
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 9
    assert dlcore.load(path) == [1]


def test_a_failing_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "file"
    dlcore.save([1], path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        dlcore.save([2], path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"] and dlcore.load(path) == [1]


def test_links_and_modes_stay(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    dlcore.save([1], target)
    os.chmod(target, 0o640)
    link.symlink_to(target)
    dlcore.save([2], link)
    assert link.is_symlink() and dlcore.load(target) == [2]
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o640


def test_long_names_and_wrong_places(tmp_path):
    path = tmp_path / ("n" * 255)
    dlcore.save([1], path)
    assert dlcore.load(path) == [1]
    for bad in (tmp_path, tmp_path / "missing" / "file"):
        with pytest.raises(OSError):
            dlcore.save([1], bad)
    with pytest.raises(FileNotFoundError):
        dlcore.load(tmp_path / "nothing")
    with pytest.raises(TypeError):
        dlcore.save([1], 3.5)
    dlcore.save([1], os.devnull)


def test_file_objects(tmp_path):
    with open(tmp_path / "file", "wb") as file:
        dlcore.save({"a": dlcore.ones(2)}, file)
    with open(tmp_path / "file", "rb") as file:
        assert dlcore.load(file)["a"].tolist() == [1.0, 1.0]

    class Stream:
        def __init__(self, content):
            self.content = io.BytesIO(content)

        def read(self, count=-1):
            return self.content.read(count)

    assert dlcore.load(Stream(saved_bytes([dlcore.arange(5)])))[0].tolist() == [0, 1, 2, 3, 4]


def test_map_location():
    buffer = io.BytesIO(saved_bytes([dlcore.ones(2)]))
    assert dlcore.load(buffer, map_location="cpu")[0].device.type == "cpu"
    buffer.seek(0)
    with pytest.raises((RuntimeError, AssertionError)):
        dlcore.load(buffer, map_location="cuda")


# --- the format


def build(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def load_bytes(content):
    return dlcore.load(io.BytesIO(content))


def test_plain_files_are_dictionaries():
    content = build({"b": entry([2], 0, 8), "a": entry([1, 1], 8, 12)}, bytes(8) + b"\x00\x00\x80\x3f")
    loaded = load_bytes(content)
    assert list(loaded) == ["b", "a"] and loaded["a"].tolist() == [[1.0]] and loaded["b"].tolist() == [0.0, 0.0]
    assert load_bytes(build({})) == {} and load_bytes(build(b"{}   ")) == {}
    assert load_bytes(build({"__metadata__": {"format": "pt"}, "e": entry([0, 3], 0, 0)}))["e"].shape == (0, 3)


def test_what_save_writes_others_can_read():
    content = saved_bytes(OrderedDict(weight=dlcore.ones(2, dtype=dlcore.float64), flag=dlcore.tensor(True)))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0 and list(header) == ["__metadata__", "weight", "flag"]
    assert header["weight"] == entry([2], 0, 16, "F64") and header["flag"] == entry([], 16, 17, "BOOL")
    assert all(isinstance(value, str) for value in header["__metadata__"].values())


def test_names_are_unique():
    loaded = through_memory({"a.b": dlcore.zeros(1), "a": {"b": dlcore.ones(1)}, "__metadata__": dlcore.ones(2)})
    assert loaded["a.b"].item() == 0 and loaded["a"]["b"].item() == 1 and loaded["__metadata__"].numel() == 2


GOOD = {"a": entry([2], 0, 8)}
ZEROS = bytes(8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has 0 bytes"),
        (b"1234567", "it has 7 bytes"),
        (bytes(8), "not a JSON object"),
        (build(GOOD, ZEROS, length=2**63), "the header's length is"),
        (build(GOOD, length=1000), "the header's length is 1000"),
        (build(GOOD, ZEROS[:-1]), "the tensors take 8 bytes, but 7 follow"),
        (build(GOOD, ZEROS + b"x"), "the tensors take 8 bytes, but 9 follow"),
        (build(b"[]"), "not a JSON object"),
        (build(b' {"a": 1}'), "not a JSON object"),
        (build(b"{"), "not a complete safetensors file"),
        (build(b'{"a": \xff}'), "not UTF-8"),
        (build(b'{"a": NaN}'), "NaN"),
        (build(b'{"__metadata__": {}, "__metadata__": {}}'), "has a key twice"),
        (
            build(b'{"a": {"dtype": "F32", "dtype": "F32", "shape": [], "data_offsets": [0, 4]}}', ZEROS[:4]),
            "key twice",
        ),
        (build(b'{"a":' * 5000 + b"1" + b"}" * 5000), "nested too deep|RecursionError|must have dtype"),
        (build({"__metadata__": []}), "__metadata__ must map strings to strings"),
        (build({"__metadata__": {"a": 1}}), "__metadata__ must map strings to strings"),
        (build({"a": []}), "must have dtype, shape and data_offsets"),
        (build({"a": {"dtype": "F32", "shape": []}}), "must have dtype, shape and data_offsets"),
        (build({"a": {**GOOD["a"], "more": 1}}, ZEROS), "and nothing else"),
        (build({"a": entry([2], 0, 8, "F8_E4M3")}, ZEROS), "has the dtype 'F8_E4M3'"),
        (build({"a": entry([2], 0, 8, 3)}, ZEROS), "has the dtype 3"),
        (build({"a": entry([2], 0, 8, ["F32"])}, ZEROS), "has the dtype"),
        (build({"a": entry([-2], 0, 8)}, ZEROS), "has the shape"),
        (build({"a": entry([2.0], 0, 8)}, ZEROS), "has the shape"),
        (build({"a": entry([True], 0, 4)}, ZEROS[:4]), "has the shape"),
        (build({"a": entry("2", 0, 8)}, ZEROS), "has the shape"),
        (build({"a": entry([2**63], 0, 8)}, ZEROS), "has the shape"),
        (build({"a": entry([2**62, 0], 0, 0)}), "too large"),
        (build({"a": entry([2**31, 2**31, 4], 0, 0)}), "too large"),
        (build({"a": entry([2**32, 2**32, 2**32, 2**32, 0], 0, 0)}), "too large"),
        (build({"a": entry([3], 0, 8)}, ZEROS), "takes 12 bytes, but its data_offsets say 8"),
        (build({"a": entry([2], 8, 0)}, ZEROS), "has the data_offsets"),
        (build({"a": entry([2], 0, 2**64)}, ZEROS), "has the data_offsets"),
        (build({"a": entry([2], -8, 0)}, ZEROS), "has the data_offsets"),
        (build({"a": {**GOOD["a"], "data_offsets": [0, 8, 8]}}, ZEROS), "has the data_offsets"),
        (build({"a": entry([2], 4, 12)}, bytes(12)), "begins at 4, but the one before ends at 0"),
        (
            build({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
            "begins at 4, but the one before ends at 8",
        ),
        (build({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, ZEROS), "begins at 0, but the one before ends at 8"),
        (build({"a": entry([2], 0, 2, "BOOL")}, b"\x01\x02"), "other bytes than 0 and 1"),
    ],
)
def test_wrong_files(content, message):
    with pytest.raises(ValueError, match="is not a complete safetensors file") as caught:
        load_bytes(content)
    assert re.search(message, str(caught.value)), caught.value


def test_headers_have_a_limit(tmp_path):
    path = tmp_path / "file"
    with open(path, "wb") as file:
        file.write((100_000_001).to_bytes(8, "little") + b"{}")
        file.truncate(200_000_000)  # a hole
    for mmap in (True, False):
        with pytest.raises(ValueError, match="the header's length is 100000001; at most 100000000"):
            dlcore.load(path, mmap=mmap)


@pytest.mark.parametrize(
    "tree",
    [
        {},
        [],
        [1],
        ["nothing"],
        [["list"]],
        ["tensor"],
        ["tensor", "a"],
        ["tensor", "b", False],
        ["tensor", "a", 1],
        ["tensor", ["a"], False],
        ["tensor", "i", True],
        ["parameter", "i", True],
        ["uninitialized", "parameter", "F31", True],
        ["uninitialized", "thing", "F32", True],
        ["dict", 1],
        ["dict", [1]],
        ["dict", [1, 2, 3]],
        ["dict", [["list"], 1]],
        ["dict", [["tensor", "a", False], 1]],
        ["dict", [1, 1], [1, 2]],
        ["float", "1.5"],
        ["float", 3],
        ["dtype", "F31"],
        ["dtype"],
        ["list", {}],
    ],
)
def test_wrong_trees(tree):
    header = {"__metadata__": {"dlcore.tree": json.dumps(tree)}, "a": entry([2], 0, 8), "i": entry([1], 8, 9, "U8")}
    with pytest.raises(ValueError, match="is not a complete safetensors file"):
        load_bytes(build(header, bytes(9)))


def test_deep_trees():
    for depth in (150, 100_000):
        text = '["list",' * depth + "1" + "]" * depth
        with pytest.raises(ValueError, match="deep"):
            load_bytes(build({"__metadata__": {"dlcore.tree": text}}))


def test_other_formats_are_named_as_wrong(tmp_path):
    import pickle
    import zipfile

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="file is not a complete safetensors file"):
        dlcore.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="is not a complete safetensors file"):
        dlcore.load(path)
    assert not (tmp_path / "executed").exists()


def test_every_cut_is_noticed():
    whole = saved_bytes({"a": dlcore.arange(5), "b": [dlcore.ones(3), "text"]})
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="is not a complete safetensors file"):
            load_bytes(whole[:length])


def test_broken_bytes_never_do_worse_than_a_value_error():
    """Any change of bytes loads, or is a ValueError: it neither crashes nor raises anything else."""
    whole = saved_bytes({"a": dlcore.arange(5), (1, "b"): [dlcore.ones(3), math.nan, nn.Parameter(dlcore.ones(2))]})
    length = int.from_bytes(whole[:8], "little")
    rng = random.Random(0)
    text = (string.digits + '[]{}",:.-').encode()
    for _ in range(3000):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            where = rng.randrange(min(len(broken), 8 + length) if rng.random() < 0.9 else len(broken))
            action = rng.random()
            if action < 0.4:
                broken[where] = rng.choice(text)
            elif action < 0.6:
                broken[where] = rng.randrange(256)
            elif action < 0.8:
                del broken[where : where + rng.randint(1, 8)]
            else:
                broken[where:where] = broken[where : where + rng.randint(1, 30)]
            if not broken:
                break
        if rng.random() < 0.7 and len(broken) > 8:  # a length that fits what is left, so that the header is read
            brace = bytes(broken).rfind(b"}")
            if brace >= 8:
                broken[:8] = (brace - 7).to_bytes(8, "little")
        try:
            load_bytes(bytes(broken))
        except ValueError as error:
            assert "is not a complete safetensors file" in str(error)
