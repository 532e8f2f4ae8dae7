"""Training by name: every network, on digits and on files, and what is said when something is missing."""

import gzip

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.cli import main
from dlcore.models import vision

pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
pytest.importorskip("tqdm", reason="the progress bar")

from dlcore.datasets import cifar, digits  # noqa: E402
from dlcore.train import AUGMENTATIONS, NETWORKS, train  # noqa: E402
from dlcore.utils.data import Subset, TensorDataset  # noqa: E402


def test_every_network_can_be_trained():
    assert set(NETWORKS) == {name for name in vision.__all__ if name.islower()}


def test_small_resnet_on_digits():
    _, accuracy = train("resnet20", progress=False)
    assert accuracy >= 0.985


@pytest.fixture
def few(monkeypatch):
    """Sixty digits instead of 1797."""
    whole = TensorDataset(*digits())
    parts = [Subset(whole, range(48)), Subset(whole, range(48, 60))]
    monkeypatch.setattr("dlcore.train.vision.digits_split", lambda seed: parts)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_each_network_takes_digits(name, few):
    model, accuracy = train(name, epochs=1, batch_size=16, augment=["crop", "mixup"], progress=False)
    assert 0 <= accuracy <= 1 and all(p.isfinite().all().item() for p in model.parameters())


def test_go_policy_learns_digits():
    _, accuracy = train("go_policy", epochs=4, progress=False)
    assert accuracy >= 0.6


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def stripes(count, size, channels=1):
    """Images of two classes: rows or columns."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count).astype("u1")
    lines = np.where(rng.random((count, channels, size)) < 0.5, 0, 255).astype("u1")
    images = np.repeat(lines[..., None], size, axis=3)
    images[labels == 1] = images[labels == 1].swapaxes(2, 3)
    return images, labels


def test_mnist_files(tmp_path, capsys):
    images, labels = stripes(160, 12)
    for part, at in (("train", slice(0, 128)), ("t10k", slice(128, 160))):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images[at, 0])))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels[at]))
    output = tmp_path / "model.safetensors"
    options = ["--mnist", str(tmp_path), "--epochs", "6", "--output", str(output), "--augment", "flip,erase"]
    assert main(["train", "lenet", *options]) == 0
    text = capsys.readouterr().out
    assert text.startswith("128 images, 6 epochs") and "% of the 32 held-out images are right" in text
    assert float(text.split(": ")[1].split("%")[0]) > 85
    vision.lenet(num_classes=2, input_size=12).load_state_dict(dlcore.load(output))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels[:100]))
    assert main(["train", "lenet", "--mnist", str(tmp_path)]) == 1
    assert "dlcore: mnist: " in capsys.readouterr().err


def test_cifar10_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cifar, "IMAGES", 8)
    images, labels = stripes(48, 32, 3)
    records = np.concatenate([labels[:, None], images.reshape(48, -1)], 1)
    for i, name in enumerate(cifar.FILES[True] + cifar.FILES[False]):
        records[8 * i : 8 * i + 8].tofile(tmp_path / name)
    output = str(tmp_path / "model")
    augment = ",".join(name for name in AUGMENTATIONS if name != "affine" or hasattr(nn.functional, "grid_sample"))
    options = ["--cifar10", str(tmp_path), "--epochs", "1", "--augment", augment, "--output", output]
    assert main(["train", "lenet", *options]) == 0
    assert "40 images, 1 epochs" in capsys.readouterr().out
    assert main(["train", "lenet", "--cifar10", str(tmp_path / "nothing")]) == 1
    assert "is missing" in capsys.readouterr().err


@pytest.mark.parametrize("split", [False, True])
def test_folder_of_images(tmp_path, split, capsys):
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the images")
    images, labels = stripes(40, 20)
    for i, (pixels, label) in enumerate(zip(images, labels)):
        folder = tmp_path / ("val" if i < 10 else "train") / "ab"[label] if split else tmp_path / "ab"[label]
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels[0]).save(folder / f"{i}.png")
    options = ["--folder", str(tmp_path), "--size", "16", "--epochs", "2", "--output", str(tmp_path / "model")]
    assert main(["train", "lenet", *options]) == 0
    held_out = 10 if split else 8
    assert f"{40 - held_out} images, 2 epochs" in capsys.readouterr().out
    if split:
        (tmp_path / "val" / "a").rename(tmp_path / "val" / "c")
        assert main(["train", "lenet", *options]) == 1
        assert "must hold folders of the same names" in capsys.readouterr().err


def test_errors(capsys):
    with pytest.raises(ValueError, match="network must be one of lenet, "):
        train("nothing")
    with pytest.raises(ValueError, match="data must be one of digits, mnist, cifar10, folder, but got nothing"):
        train("lenet", data="nothing")
    with pytest.raises(ValueError, match="cifar10 needs the folder of its files"):
        train("lenet", data="cifar10")
    assert main(["train", "lenet", "--augment", "crop,rain"]) == 1
    assert "augment must be of crop, flip, " in capsys.readouterr().err
