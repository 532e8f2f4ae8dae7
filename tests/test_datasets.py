"""Readers of data sets: what they read, and what they say of files that are missing, cut short or corrupt."""

import gzip
import sys

import numpy as np
import pytest

import dlcore
from dlcore import datasets
from dlcore.datasets import ImageFolder, cifar10, mnist, read_idx


def idx(array, code):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


RNG = np.random.default_rng(0)


CODES = [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")]


@pytest.mark.parametrize(("code", "dtype"), CODES)
@pytest.mark.parametrize("shape", [(3, 2, 4), (5,), (0, 3), (1, 1, 1, 1)])
def test_idx(tmp_path, code, dtype, shape):
    array = (RNG.normal(size=shape) * 50).astype(np.int8).astype(dtype)
    path = tmp_path / "data"
    path.write_bytes(idx(array, code))
    packed = tmp_path / "data.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for each in (path, str(packed)):
        got = read_idx(each)
        assert got.numpy().dtype == array.dtype and np.array_equal(got.numpy(), array)


def test_idx_files_that_are_broken(tmp_path):
    path = tmp_path / "data"
    whole = idx(np.arange(12, dtype="u1").reshape(3, 4), 8)
    for content, message in [
        (b"", r"not an IDX file.* begins with \[\]"),
        (b"\x89PNG\r\n", "not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
        (whole[:7], "ends within the sizes"),
        (whole[:-1], r"is cut short: sizes \[3, 4\] need 12 bytes, but got 11"),
        (whole + b"x", "goes on after its end"),
        (b"\0\0\x08\x04" + b"\xff" * 16, "is cut short"),  # promises 2^128 bytes
    ]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_idx(path)
    packed = tmp_path / "data.gz"
    for content in (whole, gzip.compress(whole)[:-9], gzip.compress(whole)[:10] + b"\xff" * 20):
        packed.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be decompressed"):
            read_idx(packed)
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")


def test_mnist(tmp_path):
    images, labels = RNG.integers(0, 256, (6, 4, 5)).astype("u1"), RNG.integers(0, 10, 6).astype("u1")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images, 8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels, 8))
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(idx(images[:2], 8))
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx(labels[:3], 8))
    x, y = mnist(tmp_path)
    assert x.shape == (6, 1, 4, 5) and x.dtype == dlcore.float32 and y.dtype == dlcore.int64
    assert np.array_equal(x[:, 0].numpy(), images.astype("f4") / np.float32(255)) and y.tolist() == labels.tolist()
    with pytest.raises(ValueError, match="2 images, but 3 labels"):
        mnist(tmp_path, train=False)
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx(labels[:2].astype("i4"), 12))
    with pytest.raises(ValueError, match="must hold bytes in 1 dimension, but got .*int32"):
        mnist(tmp_path, train=False)
    (tmp_path / "t10k-labels.idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="holds none of t10k-labels-idx1-ubyte, t10k-labels-idx1-ubyte.gz"):
        mnist(tmp_path, train=False)


def test_cifar10(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.cifar, "IMAGES", 4)
    records = RNG.integers(0, 256, (24, 3073)).astype("u1")
    records[:, 0] %= 10
    inner = tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    for i, name in enumerate([f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]):
        records[4 * i : 4 * i + 4].tofile(inner / name)
    x, y = cifar10(tmp_path)
    assert x.shape == (20, 3, 32, 32) and x.dtype == dlcore.float32 and y.dtype == dlcore.int64
    assert y.tolist() == records[:20, 0].tolist()
    assert x[7, 2, 3, 4].item() == np.float32(records[7, 1 + 2 * 1024 + 3 * 32 + 4]) / np.float32(255)
    x, y = cifar10(inner, train=False)
    assert y.tolist() == records[20:, 0].tolist()
    (inner / "data_batch_3.bin").write_bytes(records[:3].tobytes())
    with pytest.raises(ValueError, match=r"data_batch_3.bin is cut short: 4 images of 3073 bytes are 12292 bytes"):
        cifar10(tmp_path)
    (inner / "test_batch.bin").write_bytes(records[:5].tobytes())
    with pytest.raises(ValueError, match="is not a file of CIFAR-10's binary version"):
        cifar10(tmp_path, train=False)
    records[1, 0] = 200
    (inner / "test_batch.bin").write_bytes(records[:4].tobytes())
    with pytest.raises(ValueError, match="is corrupt: labels must be 0 to 9, but got 200"):
        cifar10(tmp_path, train=False)
    (inner / "data_batch_1.bin").unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_1.bin is missing"):
        cifar10(tmp_path)


def test_a_file_of_cifar10_has_ten_thousand_images(tmp_path):
    (tmp_path / "test_batch.bin").write_bytes(bytes(3073))
    with pytest.raises(ValueError, match="30730000 bytes, but got 3073"):
        cifar10(tmp_path, train=False)


def test_image_folder(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the images")
    (tmp_path / "dog" / "more").mkdir(parents=True)
    (tmp_path / "cat").mkdir()
    pixels = np.zeros((6, 10, 3), "u1")
    pixels[:, :2], pixels[:, 2:8], pixels[:, 8:] = (255, 0, 0), (0, 51, 0), (0, 0, 255)
    image.fromarray(pixels).save(tmp_path / "dog" / "more" / "wide.png")
    image.fromarray(np.full((3, 3), 102, "u1")).save(tmp_path / "cat" / "grey.PNG")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    data = ImageFolder(tmp_path, size=6)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1} and len(data) == 2
    x, label = data[1]
    assert label == 1 and x.shape == (3, 6, 6) and x.dtype == dlcore.float32
    assert np.allclose(x.numpy(), np.array([0, 0.2, 0])[:, None, None])  # the square in the middle
    x, label = data[0]
    assert label == 0 and x.shape == (3, 6, 6) and np.allclose(x.numpy(), 0.4)
    assert ImageFolder(tmp_path, size=4, channels=1)[1][0].shape == (1, 4, 4)

    whole = (tmp_path / "dog" / "more" / "wide.png").read_bytes()
    for content in (b"", b"nothing", whole[: len(whole) // 2], whole[:40] + b"\xff" * 20):
        (tmp_path / "dog" / "more" / "wide.png").write_bytes(content)
        with pytest.raises(ValueError, match="wide.png cannot be read as an image"):
            data[1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no images"):
        ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="must hold a folder for each class"):
        ImageFolder(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        ImageFolder(tmp_path / "nothing")
    with pytest.raises(ValueError, match="channels must be 1 or 3"):
        ImageFolder(tmp_path, channels=4)


def test_image_folder_needs_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"pip install 'dlcore\[examples\]'"):
        ImageFolder(tmp_path)
