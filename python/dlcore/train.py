"""Training, as the command line starts it."""

from __future__ import annotations

import time

from . import _core, nn
from .autograd.grad_mode import no_grad
from .datasets import digits_split
from .models.vision import LeNet
from .optim import AdamW
from .optim.lr_scheduler import CosineAnnealingLR
from .serialization import save
from .utils.data import DataLoader


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    """The fraction of a loader's images whose class the model tells."""
    model.eval()
    right = total = 0
    with no_grad():
        for images, labels in loader:
            right += (model(images).argmax(1) == labels).sum().item()
            total += len(labels)
    return right / total


def train_lenet(
    epochs: int = 20,
    batch_size: int = 32,
    lr: float = 2e-3,
    seed: int = 0,
    output: str | None = "lenet.safetensors",
    progress: bool = True,
) -> tuple[LeNet, float]:
    """Train `LeNet` on real handwritten digits (`dlcore.datasets.digits`) with AdamW and a cosine schedule.

    Args:
        epochs, batch_size, lr: of the training. Default: 20, 32, 2e-3.
        seed: of the weights, the split and the order; the same seed gives the same model. Default: 0.
        output: the file for the model's ``state_dict``; None saves nothing. Default: "lenet.safetensors".
        progress: show a progress bar. Default: True.

    Returns:
        the model, and its accuracy on the fifth of the digits that was held out.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(
            "dlcore train needs tqdm for its progress bar; install it with pip install 'dlcore[examples]'"
        ) from error

    _core.manual_seed(seed)
    train_set, test_set = digits_split(seed=seed)
    order = _core.Generator().manual_seed(seed)
    train_loader = DataLoader(train_set, batch_size, shuffle=True, drop_last=True, generator=order)
    test_loader = DataLoader(test_set, 256)
    model = LeNet(input_size=8)
    optimizer = AdamW(model.parameters(), lr=lr)
    schedule = CosineAnnealingLR(optimizer, epochs)
    criterion = nn.CrossEntropyLoss()

    start = time.perf_counter()
    held_out = 0.0
    with tqdm(total=epochs * len(train_loader), desc="lenet", unit="batch", disable=not progress) as bar:
        for epoch in range(epochs):
            model.train()
            for images, labels in train_loader:
                optimizer.zero_grad()
                loss = criterion(model(images), labels)
                loss.backward()
                optimizer.step()
                bar.update()
            schedule.step()
            held_out = accuracy(model, test_loader)
            bar.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.4f}", accuracy=f"{100 * held_out:.2f}%")
    seconds = time.perf_counter() - start
    print(f"{len(train_set)} digits, {epochs} epochs, {seconds:.1f} s: {100 * held_out:.2f}% of the {len(test_set)} "
          "held-out digits are right")  # fmt: skip
    if output is not None:
        save(model.state_dict(), output)
        print(f"saved {output}")
    return model, held_out
