"""What training changes besides weights: modes, and the default generators."""

from __future__ import annotations

import random
from contextlib import contextmanager

import numpy as np

from .. import _core, nn
from ..autograd import no_grad


@contextmanager
def evaluating(model: nn.Module):
    """Evaluation mode and no gradients; afterwards each module is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def random_state() -> dict:
    """The states of the default generators of dlcore, Python and NumPy."""
    _, words, gauss = random.getstate()
    kind, keys, *rest = np.random.get_state()
    return {
        "dlcore": _core.get_rng_state(),
        "python": [_core.tensor(words), gauss],
        "numpy": [kind, _core.tensor(keys.astype(np.int64)), *rest],
    }


def set_random_state(state: dict) -> None:
    """Set them to what `random_state` gave."""
    _core.set_rng_state(state["dlcore"])
    words, gauss = state["python"]
    random.setstate((3, tuple(words.tolist()), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))


def seed_all(seed: int) -> None:
    """Seed the default generators of dlcore, Python and NumPy."""
    _core.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
