"""Handwritten digits that come with scikit-learn, so that nothing has to be downloaded."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from ..utils.data import Subset, TensorDataset, random_split


def digits() -> tuple[Tensor, Tensor]:
    """Real handwritten digits: scikit-learn's bundled set.

    Returns:
        images (1797, 1, 8, 8), float32 from 0 (paper) to 1 (ink), and labels (1797), int64 from 0 to 9.

    Raises:
        ImportError: if scikit-learn is missing.

    Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "dlcore.datasets.digits needs scikit-learn, which holds the data; install it with "
            "pip install 'dlcore[examples]'"
        ) from error
    data = load_digits()
    images = (data.images / 16.0).astype("float32").reshape(-1, 1, 8, 8)
    return _core.from_numpy(images), _core.from_numpy(data.target.astype("int64"))


def digits_split(held_out: float = 0.2, seed: int = 0) -> list[Subset]:
    """`digits`, split at random.

    Args:
        held_out: the fraction of the second part. Default: 0.2.
        seed: of the split. Default: 0.

    Returns:
        the part to train on, and the part to test on.
    """
    generator = _core.Generator().manual_seed(seed)
    return random_split(TensorDataset(*digits()), [1 - held_out, held_out], generator=generator)
