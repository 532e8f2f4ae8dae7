"""The command line, the training on real digits, and LeNet."""

import os
import subprocess
import sys

import pytest

import dlcore
from dlcore import nn
from dlcore.cli import main
from dlcore.models.vision import LeNet, lenet


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "dlcore", *arguments], capture_output=True, text=True, timeout=300, **options
    )


def test_info(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for word in ("version", "compiler", "tier", "threads", "bytes"):
        assert word in text


def test_module_answers_embedders():
    for option, part in [("--cmake-dir", os.path.join("lib", "cmake", "dlcore")), ("--include-dir", "include")]:
        result = run(option)
        assert result.returncode == 0 and result.stdout.strip().endswith(part)
    result = run("info")
    assert result.returncode == 0 and "version" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["train"],
        ["train", "nothing"],
        ["train", "lenet", "--epochs", "0"],
        ["train", "lenet", "--lr", "fast"],
        ["train", "lenet", "--mnist", "a", "--cifar10", "b"],
    ],
)
def test_wrong_commands(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and "usage: dlcore" in capsys.readouterr().err


def test_missing_libraries_are_named(capsys, monkeypatch):
    for name in ("tqdm", "sklearn"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            patch.setitem(sys.modules, f"{name}.datasets", None)
            assert main(["train", "lenet", "--epochs", "1"]) == 1
            assert "pip install 'dlcore[examples]'" in capsys.readouterr().err


def test_train_lenet(tmp_path):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    pytest.importorskip("tqdm", reason="the progress bar")
    path = tmp_path / "model"
    result = run("train", "lenet", "--epochs", "12", "--output", str(path))
    assert result.returncode == 0, result.stderr
    assert "% of the 359 held-out digits are right" in result.stdout and str(path) in result.stdout
    assert "accuracy=" in result.stderr and "loss=" in result.stderr
    accuracy = float(result.stdout.split(": ")[1].split("%")[0])
    assert accuracy >= 98.0
    model = LeNet(input_size=8)
    model.load_state_dict(dlcore.load(path))

    from dlcore.datasets import digits_split
    from dlcore.train import accuracy as measure
    from dlcore.utils.data import DataLoader

    assert 100 * measure(model, DataLoader(digits_split()[1], 100)) == pytest.approx(accuracy, abs=0.01)


def test_the_same_seed_gives_the_same_model():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    pytest.importorskip("tqdm", reason="the progress bar")
    from dlcore.train import train

    options = {"epochs": 1, "batch_size": 256, "augment": ["crop", "erase", "mixup"], "progress": False}
    (a, _), (b, _), (c, _) = (train("lenet", seed=seed, **options) for seed in (1, 1, 2))
    state = a.state_dict()
    assert all(dlcore.equal(value, b.state_dict()[key]) for key, value in state.items())
    assert not dlcore.equal(state["classifier.5.weight"], c.state_dict()["classifier.5.weight"])


def test_digits():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    from dlcore.datasets import digits, digits_split

    images, labels = digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == dlcore.float32
    assert images.min().item() == 0.0 and images.max().item() == 1.0
    assert labels.dtype == dlcore.int64 and labels.unique().tolist() == list(range(10))
    train, test = digits_split(0.25, seed=3)
    assert len(test) == 449 and len(train) + len(test) == 1797
    assert not set(train.indices) & set(test.indices)


@pytest.mark.parametrize("size", [1, 8, 13, 28, 32, 60])
def test_lenet_takes_images_of_any_size(size):
    model = lenet(num_classes=7, in_channels=2, input_size=size)
    y = model(dlcore.randn(3, 2, size, size))
    assert y.shape == (3, 7)
    y.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_lenet_is_lenet():
    model = LeNet()
    assert sum(parameter.numel() for parameter in model.parameters()) == 61_706  # as published, for 28x28 digits
    assert isinstance(model.features[0], nn.Conv2d)
    with pytest.raises(ValueError, match="input_size must be positive"):
        LeNet(input_size=0)


def test_cuda_says_there_is_none():
    assert dlcore.cuda.is_available() is False and dlcore.cuda.device_count() == 0
    with pytest.raises(RuntimeError, match="(?i)cuda"):
        nn.Linear(2, 2).cuda()
