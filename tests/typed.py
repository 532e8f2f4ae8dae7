"""A program that type checkers must accept as it stands: `mypy --strict tests/typed.py`. It also runs."""

import dlcore
from dlcore import Tensor, nn, optim


class Net(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(4, hidden)
        self.second = nn.Linear(hidden, 2)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = dlcore.relu(self.first(x))
        y: Tensor = self.second(h)
        return y


def main() -> float:
    dlcore.manual_seed(0)
    x = dlcore.randn(8, 4, dtype=dlcore.float32)
    target = dlcore.randint(2, (8,))
    model = Net(hidden=16)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loss: Tensor = nn.functional.cross_entropy(model(x), target)
    loss.backward()
    optimizer.step()
    rows: int = x.shape[0] + x.size(1)
    best, where = x.max(1)
    mixed: Tensor = (best + 2) * where - x[:, 0] / rows
    mask: Tensor = mixed > 0
    with dlcore.no_grad():
        mixed[mask] = 0.0
    return float(mixed.sum().item()) + loss.item()


if __name__ == "__main__":
    print(main())
