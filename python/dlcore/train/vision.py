"""Networks for images."""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import _core, nn, transforms
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ..datasets import ImageFolder, cifar10, digits_split, mnist
from ..models import vision
from ..nn import functional as F
from ..optim import AdamW
from ..optim.lr_scheduler import CosineAnnealingLR
from ..serialization import save
from ..utils.data import DataLoader, Dataset, TensorDataset, random_split
from . import common


class OnBoard(vision.GoPolicy):
    """A `GoPolicy` that classifies images: the image lies in the middle of the board, and the points in the middle, one
    for each class, are the legal moves.

    Shapes: (N, in_channels, H, W) to (N, num_classes), the logarithms of the probabilities.
    """

    def __init__(self, num_classes: int, in_channels: int, input_size: int) -> None:
        super().__init__(in_channels, channels=32, layers=6, board_size=max(19, input_size))
        side = self.board_size
        middle = sorted(range(side**2), key=lambda point: math.dist(divmod(point, side), (side // 2, side // 2)))
        self.register_buffer("points", _core.tensor(sorted(middle[:num_classes])), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        room = self.board_size - images.shape[-1]
        board = F.pad(images, [room // 2, room - room // 2] * 2)
        legal = _core.zeros(self.board_size**2, dtype=_core.bool)
        legal[self.points] = True
        return super().forward(board, legal)[:, self.points]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained where the user says nothing else.

    Attributes:
        build: called with `num_classes`, `in_channels` and `input_size`.
        smallest: smaller images are enlarged by a whole factor, to this side or more.
        epochs, batch_size, lr: of the training.
        augment: names in `AUGMENTATIONS`.
    """

    build: Callable[..., nn.Module]
    smallest: int = 8
    epochs: int = 10
    batch_size: int = 64
    lr: float = 1e-3
    augment: tuple[str, ...] = ()


NETWORKS = {
    "lenet": Recipe(vision.lenet, smallest=1, epochs=20, batch_size=32, lr=2e-3),
    "alexnet": Recipe(vision.alexnet, smallest=16),
    "vgg11": Recipe(vision.vgg11, smallest=16, lr=5e-4),
    "vgg13": Recipe(vision.vgg13, smallest=16, lr=5e-4),
    "vgg16": Recipe(vision.vgg16, smallest=16, lr=5e-4),
    "vgg19": Recipe(vision.vgg19, smallest=16, lr=5e-4),
    "vgg11_bn": Recipe(vision.vgg11_bn, smallest=16),
    "vgg13_bn": Recipe(vision.vgg13_bn, smallest=16),
    "vgg16_bn": Recipe(vision.vgg16_bn, smallest=16),
    "vgg19_bn": Recipe(vision.vgg19_bn, smallest=16),
    "nin": Recipe(vision.nin, smallest=16),
    "googlenet": Recipe(vision.googlenet),
    "resnet18": Recipe(vision.resnet18),
    "resnet34": Recipe(vision.resnet34),
    "resnet50": Recipe(vision.resnet50),
    "resnet101": Recipe(vision.resnet101),
    "resnet20": Recipe(vision.resnet20, epochs=15, batch_size=32, lr=3e-3, augment=("affine",)),
    "densenet121": Recipe(vision.densenet121),
    "densenet_small": Recipe(vision.densenet_small),
    "mobilenet": Recipe(vision.mobilenet, smallest=16),
    "mobilenet_v2": Recipe(vision.mobilenet_v2, smallest=16),
    "go_policy": Recipe(OnBoard),
}
"""The defaults of ``dlcore train NAME``, by name."""

AUGMENTATIONS: dict[str, Callable[[int, int], transforms.Transform]] = {
    "crop": lambda side, classes: transforms.RandomCrop(side, padding=max(1, side // 8)),
    "flip": lambda side, classes: transforms.RandomHorizontalFlip(),
    "affine": lambda side, classes: transforms.RandomAffine(10, (0.9, 1.1), (0.05, 0.05)),
    "colour": lambda side, classes: transforms.ColorJitter(0.3, 0.3, 0.3, 0.05),
    "erase": lambda side, classes: transforms.RandomErasing(),
    "mixup": lambda side, classes: transforms.Mixup(classes),
}
"""What ``--augment`` knows: a transform, of the images' side and the number of classes."""
DATA = ("digits", "mnist", "cifar10", "folder")
NAMES = tuple(NETWORKS)


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    parser.description = "Train a network for images on scikit-learn's handwritten digits or on files of one's own."
    common.add_options(parser)
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--mnist", metavar="FOLDER", help="train on the files of MNIST or Fashion-MNIST")
    data.add_argument("--cifar10", metavar="FOLDER", help="train on the files of CIFAR-10's binary version")
    data.add_argument("--folder", metavar="FOLDER", help="train on images in one folder a class")
    parser.add_argument("--size", type=common.positive, default=64, help="of a folder's images; default: %(default)s")
    parser.add_argument(
        "--augment",
        type=lambda text: [name for name in text.split(",") if name],
        metavar="NAME,...",
        help=f"of {', '.join(AUGMENTATIONS)}; default: the network's own",
    )


def run(name: str, **options) -> None:
    files = {data: options.pop(data) for data in ("mnist", "cifar10", "folder")}
    data, path = next(((data, path) for data, path in files.items() if path is not None), ("digits", None))
    train(name, data=data, path=path, **options)


def load(data: str, path: str | None, size: int, seed: int) -> tuple[Dataset, Dataset, int]:
    """The part of a data set to train on, the part that is held out, and the number of classes.

    Args:
        data: one of `DATA`.
        path: the folder of its files; the digits have none.
        size: height and width to which the images of a folder are brought.
        seed: of the split of a set that has no part to test on: a fifth is held out.

    A folder may hold the two parts as ``train`` and ``test`` (or ``val``).
    """
    if data == "digits":
        return *digits_split(seed=seed), 10
    if data not in DATA:
        raise ValueError(f"train: data must be one of {', '.join(DATA)}, but got {data}")
    if path is None:
        raise ValueError(f"train: {data} needs the folder of its files")
    if data != "folder":
        read = {"mnist": mnist, "cifar10": cifar10}[data]
        parts = [read(path, train) for train in (True, False)]
        return *(TensorDataset(*part) for part in parts), max(int(labels.max().item()) for _, labels in parts) + 1
    inner = [os.path.join(path, name) for name in ("test", "val")]
    held_out = next((place for place in inner if os.path.isdir(place)), None)
    if held_out is not None:
        train_set, test_set = ImageFolder(os.path.join(path, "train"), size), ImageFolder(held_out, size)
        if train_set.classes != test_set.classes:
            raise ValueError(f"train: {train_set.root} and {held_out} must hold folders of the same names")
        return train_set, test_set, len(train_set.classes)
    whole = ImageFolder(path, size)
    return *random_split(whole, [0.8, 0.2], _core.Generator().manual_seed(seed)), len(whole.classes)


def accuracy(model: nn.Module, loader, prepare: Callable[[Tensor], Tensor] = lambda images: images) -> float:
    """The fraction of a loader's images whose class the model tells."""
    model.eval()
    right = total = 0
    with no_grad():
        for images, labels in loader:
            right += (model(prepare(images)).argmax(1) == labels).sum().item()
            total += len(labels)
    return right / total


def loss_of(output: Tensor | vision.GoogLeNetOutputs, labels: Tensor) -> Tensor:
    """Cross entropy; the heads on inner layers count 0.3."""
    if isinstance(output, Tensor):
        return F.cross_entropy(output, labels)
    last, *inner = (F.cross_entropy(scores, labels) for scores in output)
    return last + 0.3 * sum(inner)


def train(
    network: str = "lenet",
    data: str = "digits",
    path: str | None = None,
    size: int = 64,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    augment: Sequence[str] | None = None,
    seed: int = 0,
    output: str | None = None,
    progress: bool = True,
) -> tuple[nn.Module, float]:
    """Train a network for images with AdamW and a cosine schedule.

    Args:
        network: one of `NETWORKS`.
        data, path, size: what to train on; see `load`. Default: scikit-learn's digits.
        epochs, batch_size, lr, augment: of the training; None takes the network's from `NETWORKS`.
        seed: of the weights, the split, the order and the augmentation; the same seed gives the same model. Default: 0.
        output: the file for the model's ``state_dict``; None (the default) saves nothing.
        progress: show a progress bar. Default: True.

    Returns:
        the model, and its accuracy on what was held out.

    Raises:
        ImportError: if a library for the progress bar or the data is missing.
        OSError: if files are missing.
        ValueError: for unknown names and for files that are cut short or corrupt.
    """
    if network not in NETWORKS:
        raise ValueError(f"train: network must be one of {', '.join(NETWORKS)}, but got {network}")
    recipe = NETWORKS[network]
    epochs, batch_size, lr = epochs or recipe.epochs, batch_size or recipe.batch_size, lr or recipe.lr
    augment = recipe.augment if augment is None else augment
    if unknown := set(augment) - set(AUGMENTATIONS):
        raise ValueError(f"train: augment must be of {', '.join(AUGMENTATIONS)}, but got {', '.join(sorted(unknown))}")

    _core.manual_seed(seed)
    train_set, test_set, num_classes = load(data, path, size, seed)
    order = _core.Generator().manual_seed(seed)
    train_loader = DataLoader(
        train_set, batch_size, shuffle=True, drop_last=len(train_set) > batch_size, generator=order
    )
    test_loader = DataLoader(test_set, 256)
    channels, side, _ = train_set[0][0].shape
    factor = max(1, -(-recipe.smallest // side))
    change = transforms.Compose([AUGMENTATIONS[name](side * factor, num_classes) for name in augment], seed)

    def enlarge(images: Tensor) -> Tensor:
        return images.repeat_interleave(factor, -2).repeat_interleave(factor, -1) if factor > 1 else images

    model = recipe.build(num_classes=num_classes, in_channels=channels, input_size=side * factor)
    optimizer = AdamW(model.parameters(), lr=lr)
    schedule = CosineAnnealingLR(optimizer, epochs)
    start = time.perf_counter()
    held_out = 0.0
    with common.progress_bar(epochs * len(train_loader), network, progress) as bar:
        for epoch in range(epochs):
            model.train()
            change.set_epoch(epoch)
            for images, labels in train_loader:
                optimizer.zero_grad()
                images, labels = change(enlarge(images), labels)
                loss = loss_of(model(images), labels)
                loss.backward()
                optimizer.step()
                bar.update()
            schedule.step()
            held_out = accuracy(model, test_loader, enlarge)
            bar.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.4f}", accuracy=f"{100 * held_out:.2f}%")
    seconds = time.perf_counter() - start
    what = "digits" if data == "digits" else "images"
    print(f"{len(train_set)} {what}, {epochs} epochs, {seconds:.1f} s: {100 * held_out:.2f}% of the {len(test_set)} "
          f"held-out {what} are right")  # fmt: skip
    if output is not None:
        save(model.state_dict(), output)
        print(f"saved {output}")
    return model, held_out
