"""The diabetes data that come with scikit-learn, so that nothing has to be downloaded."""

from __future__ import annotations

from .. import _core
from .table import Table


def diabetes() -> Table:
    """Real measurements of 442 patients with diabetes: scikit-learn's bundled set.

    Returns:
        a table of age, sex (1 or 2, a category), bmi, bp (blood pressure), s1 to s6 (of the blood serum), and
        progression: how far the disease was a year later, from 25 to 346.

    Raises:
        ImportError: if scikit-learn is missing.

    Source: Efron, Hastie, Johnstone and Tibshirani 2004, "Least angle regression".
    """
    try:
        from sklearn.datasets import load_diabetes
    except ImportError as error:
        raise ImportError(
            "dlcore.datasets.diabetes needs scikit-learn, which holds the data; install it with "
            "pip install 'dlcore[examples]'"
        ) from error
    data = load_diabetes(scaled=False)
    columns = {name: _core.tensor(column) for name, column in zip(data.feature_names, data.data.T.copy())}
    columns["sex"] = [int(value) for value in columns["sex"].tolist()]
    return Table({**columns, "progression": _core.tensor(data.target)})
