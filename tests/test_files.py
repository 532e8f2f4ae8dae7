"""Files on the disk: mapped into memory, in shards, replaced at any moment, written by others."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import torchvision_shapes

import dlcore
from dlcore import _safetensors, nn
from dlcore.models import vision

# --- mapped into memory


def is_mapped(path):
    return str(path) in pathlib.Path("/proc/self/maps").read_text()


needs_maps = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="no /proc to look at")


@needs_maps
def test_small_files_are_read_and_large_ones_mapped(tmp_path, monkeypatch):
    path, index = tmp_path / "a.safetensors", tmp_path / "b.safetensors.index.json"
    dlcore.save({"a": dlcore.ones(100)}, path)
    index.write_text(json.dumps({"weight_map": {"a": path.name}}))
    size = path.stat().st_size
    for limit in (size, size + 1):
        monkeypatch.setattr(_safetensors, "MAP_FROM", limit)
        for mmap in (None, True, False):
            for file in (path, index):
                loaded = dlcore.load(file, mmap=mmap)
                assert is_mapped(path) == (mmap is True or mmap is None and limit == size)
                del loaded


def test_what_is_read_does_not_depend_on_the_file(tmp_path):
    """A program that writes over a model which others use, as cp does, ends none of them."""
    path = tmp_path / "file"
    dlcore.save({"a": dlcore.ones(100_000)}, path)
    loaded, read = dlcore.load(path), dlcore.load(path, mmap=False)
    path.write_bytes(b"")
    assert loaded["a"].sum().item() == read["a"].sum().item() == 100_000


@needs_maps
def test_tensors_lie_in_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    tensors = {str(dtype): dlcore.arange(6).to(dtype) for dtype in (dlcore.float32, dlcore.bfloat16, dlcore.bool)}
    dlcore.save({**tensors, "empty": dlcore.ones(0, 2), "p": nn.Parameter(dlcore.ones(3))}, path)
    before = path.read_bytes()
    loaded = dlcore.load(path, mmap=True)
    assert is_mapped(path)
    for name, tensor in tensors.items():
        assert loaded[name].tolist() == tensor.tolist() and loaded[name].dtype == tensor.dtype
    loaded[str(dlcore.float32)].mul_(2)
    with dlcore.no_grad():
        loaded["p"].zero_()
    assert path.read_bytes() == before
    kept = loaded["p"]
    del loaded
    assert is_mapped(path)
    del kept
    assert not is_mapped(path)
    assert dlcore.load(path, mmap=False)["p"].tolist() == [1, 1, 1] and not is_mapped(path)
    with open(path, "rb") as file:
        assert dlcore.load(file)["p"].tolist() == [1, 1, 1] and not is_mapped(path)
        with pytest.raises(ValueError, match="mmap needs a path"):
            dlcore.load(file, mmap=True)


def test_each_tensor_counts_its_own_writes(tmp_path):
    dlcore.save({"a": dlcore.ones(2), "b": dlcore.ones(2)}, tmp_path / "file")
    loaded = dlcore.load(tmp_path / "file", mmap=True)
    w = dlcore.ones(2, requires_grad=True)
    product = (w * loaded["a"]).sum()
    loaded["b"].add_(1)
    product.backward()  # what it keeps of a hasn't changed
    assert w.grad.tolist() == [1, 1] and loaded["a"]._base is None
    loaded["a"].add_(1)
    assert loaded["b"].tolist() == [2, 2]


def test_a_file_may_be_replaced_while_it_is_in_use(tmp_path):
    path = tmp_path / "file"
    dlcore.save({"a": dlcore.arange(5.0)}, path)
    first = dlcore.load(path, mmap=True)
    dlcore.save({"a": first["a"] * 2, "b": first["a"]}, path)
    second = dlcore.load(path, mmap=True)
    os.unlink(path)
    assert first["a"].tolist() == [0, 1, 2, 3, 4] == second["b"].tolist() and second["a"].tolist() == [0, 2, 4, 6, 8]


def test_every_cut_of_a_file_is_noticed(tmp_path):
    path = tmp_path / "file"
    dlcore.save({"a": dlcore.arange(5), "b": [dlcore.ones(3), "text"]}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        for mmap in (True, False):
            with pytest.raises(ValueError, match="is not a complete safetensors file"):
                dlcore.load(path, mmap=mmap)


def test_models_train_on_what_lies_in_a_file(tmp_path):
    path = tmp_path / "file"
    dlcore.save(nn.Linear(3, 2).state_dict(), path)
    before = path.read_bytes()
    net = nn.Linear(3, 2)
    net.load_state_dict(dlcore.load(path, mmap=True), assign=True)
    optimizer = dlcore.optim.SGD(net.parameters(), lr=0.1)
    x, first = dlcore.ones(4, 3), net.weight.tolist()
    net(x).sum().backward()
    optimizer.step()
    assert net.weight.tolist() != first and path.read_bytes() == before
    other = nn.Linear(3, 2)
    other.load_state_dict(net.state_dict())
    assert net(x).tolist() == other(x).tolist()


def test_a_pipe_is_read_to_its_end(tmp_path):
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    dlcore.save([dlcore.ones(2)], file)
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", file, pipe]):
        assert dlcore.load(pipe)[0].tolist() == [1, 1]


# --- shards


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_shards(tmp_path):
    path = tmp_path / "model.safetensors"
    state = {f"layer{i}.weight": dlcore.full((100,), float(i)) for i in range(5)}
    nested = {"state": state, "epoch": 3, "big": dlcore.zeros(1000)}
    for size in (900, "900", "900B", "0.9KB"):
        if size == "0.9KB":
            with pytest.raises(ValueError, match="max_shard_size must be a positive number of bytes"):
                dlcore.save(nested, path, max_shard_size=size)
            continue
        dlcore.save(nested, path, max_shard_size=size)
        files = names(tmp_path)
        assert len(files) == 5 and files[-1] == "model.safetensors.index.json"  # the old ones are gone
    index = json.loads((tmp_path / files[-1]).read_text())
    assert index["metadata"]["total_size"] == 6000 and set(index["weight_map"].values()) == set(files[:-1])
    for file in files[:-1]:  # each is a file of its own, of at most 900 bytes or of one tensor
        part = dlcore.load(tmp_path / file)
        assert sum(t.numel() * 4 for t in part.values()) <= 900 or len(part) == 1
    for f in (path, str(path) + ".index.json"):
        loaded = dlcore.load(f)
        assert loaded["epoch"] == 3 and loaded["big"].numel() == 1000
        assert all(loaded["state"][name].tolist() == tensor.tolist() for name, tensor in state.items())

    dlcore.save(nested, path, max_shard_size="5GB")  # fits into one
    assert path.name in names(tmp_path) and dlcore.load(path)["epoch"] == 3
    dlcore.save([1], path)
    assert dlcore.load(path) == [1]
    dlcore.save(nested, path, max_shard_size=2000)
    assert path.name not in names(tmp_path) and dlcore.load(path)["epoch"] == 3


@pytest.mark.parametrize("size", [0, -1, "", "GB", "5XB", "-5GB", 1.5, True, "9" * 30, [1]])
def test_wrong_sizes_of_shards(size, tmp_path):
    with pytest.raises(ValueError, match="max_shard_size must be a positive number of bytes"):
        dlcore.save([dlcore.ones(1)], tmp_path / "a", max_shard_size=size)
    with pytest.raises(TypeError, match="f must be a path"):
        with open(tmp_path / "b", "wb") as file:
            dlcore.save([dlcore.ones(1)], file, max_shard_size=1)


def test_shards_of_others(tmp_path):
    for i in range(2):
        dlcore.save({f"w{i}": dlcore.full((2,), float(i))}, tmp_path / f"model-{i}.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    weight_map = {"w1": "model-1.safetensors", "w0": "model-0.safetensors"}

    def load(content):
        index.write_text(content if isinstance(content, str) else json.dumps(content))
        return dlcore.load(index)

    loaded = load({"metadata": {"total_size": 16}, "weight_map": weight_map})
    assert list(loaded) == ["w1", "w0"] and loaded["w1"].tolist() == [1, 1]
    assert list(load({"weight_map": weight_map})) == ["w1", "w0"]
    os.mkdir(tmp_path / "sub")
    dlcore.save({"w2": dlcore.ones(1)}, tmp_path / "sub" / "x")
    for content, message in [
        ("{", "not a complete"),
        ("[]", "not a JSON object"),
        ('{"weight_map": {}, "weight_map": {}}', "twice"),
        ("[" * 100_000, "nested too deep"),
        ({}, "must have a weight_map"),
        ({"weight_map": []}, "must have a weight_map"),
        ({"weight_map": {}, "metadata": 1}, "its metadata must be an object"),
        ({"weight_map": {}, "metadata": {"dlcore.tree": 1}}, "must be a string"),
        ({"weight_map": {"w0": 1}}, "must be one beside the index"),
        ({"weight_map": {"w2": "sub/x"}}, "must be one beside the index"),
        ({"weight_map": {"w0": "../model-0.safetensors"}}, "must be one beside the index"),
        ({"weight_map": {"w0": str(tmp_path / "model-0.safetensors")}}, "must be one beside the index"),
        ({"weight_map": {"w0": ".."}}, "must be one beside the index"),
        ({"weight_map": {"w0": "model-1.safetensors"}}, "'w0' is not in model-1.safetensors"),
        ({"weight_map": {"w0": "model.safetensors.index.json"}}, "model.safetensors.index.json: "),
    ]:
        with pytest.raises(ValueError, match="is not a complete safetensors file") as caught:
            load(content)
        assert message in str(caught.value)
    with pytest.raises(FileNotFoundError):
        load({"weight_map": {"w0": "model-3.safetensors"}})


# --- killed at any moment

KILLED = """
import os, random, signal, sys, time
import dlcore
folder, rounds, options = sys.argv[1], int(sys.argv[2]), eval(sys.argv[3])
path = os.path.join(folder, "checkpoint")
rng = random.Random(0)

def save(number):
    dlcore.save({"step": number, "a": dlcore.full((300,), float(number)), "b": dlcore.full((50,), float(number))},
                path, **options)

save(0)
done, begun = 0, 0
for _ in range(rounds):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        number = done
        while True:
            number += 1
            save(number)
            os.write(writer, number.to_bytes(8, "little"))
    os.close(writer)
    time.sleep(rng.random() * 0.03)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    said = b""
    while part := os.read(reader, 1 << 16):
        said += part
    os.close(reader)
    confirmed = int.from_bytes(said[-8:], "little") if said else done
    state = dlcore.load(path)
    step = state["step"]
    assert confirmed <= step <= confirmed + 1, (confirmed, step)
    assert set(state["a"].tolist()) == set(state["b"].tolist()) == {float(step)}
    begun += bool(step > done)
    done = step
print(done, begun)
"""


@pytest.mark.parametrize(("rounds", "options"), [(140, {}), (60, {"max_shard_size": 600})], ids=["one file", "shards"])
def test_a_killed_process_loses_nothing(rounds, options, tmp_path):
    """Killed at 200 moments while it saves one checkpoint after another, a process leaves the last or the next."""
    command = [sys.executable, "-W", "ignore", "-c", KILLED, tmp_path, str(rounds), repr(options)]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    saved, rounds_that_saved = map(int, result.stdout.split())
    assert saved >= 5 and rounds_that_saved >= 5  # the kills came while it was at work
    left = [name for name in names(tmp_path) if name.startswith(".dlcore-") or "checkpoint-" in name]
    assert left  # and in the middle of a file


# --- written by others


def write_plain(path, tensors):
    """A safetensors file as other programs write it: the header as long as it happens to be, any order."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        content = bytes(memoryview(tensor).cast("B")) if tensor.numel() else b""
        header[name] = {"dtype": {"torch.int64": "I64"}.get(str(tensor.dtype).replace("dlcore", "torch"), "F32"),
                        "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(content)]}  # fmt: skip
        data += content
    text = json.dumps(header).encode()
    text += b" " * ((3 - len(text)) % 8)  # nothing is aligned
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_torchvisions_keys(tmp_path):
    """A network's weights under torchvision's names, in a file that dlcore did not write."""
    shapes = dict(torchvision_shapes.resnet((2, 2, 2, 2), False))
    state = {
        name: dlcore.tensor(3) if name.endswith("tracked") else dlcore.full(shape, 0.5)
        for name, shape in shapes.items()
    }
    write_plain(tmp_path / "resnet18.safetensors", state)
    model = vision.resnet18()
    assert not any(model.load_state_dict(dlcore.load(tmp_path / "resnet18.safetensors")))
    assert set(model.conv1.weight.flatten().tolist()) == {0.5}
    assert model.layer4[1].bn2.num_batches_tracked.item() == 3
