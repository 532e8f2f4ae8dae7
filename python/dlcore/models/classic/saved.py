"""Classical models, and transforms of features, in files."""

from __future__ import annotations

import os

from ... import transforms
from ..._fitted import Fitted, build, describe
from ...serialization import load, save
from ._estimator import Classifier, Estimator, Regressor

ABSTRACT = (Classifier, Estimator, Regressor, transforms.FeatureTransform)


def save_model(model: Fitted, path: str | os.PathLike) -> None:
    """Write a model or a transform of features: its kind, options and ``state_dict``.

    Args:
        path: the file, in the safetensors format; see `dlcore.save`.
    """
    if not isinstance(model, Fitted):
        raise TypeError(f"save_model: model must be of dlcore.models.classic, but got {type(model).__name__}")
    save({"model": describe(model), "state": model.state_dict()}, path)


def load_model(path: str | os.PathLike) -> Fitted:
    """What `save_model` wrote, in evaluation mode.

    Raises:
        OSError: if there is no such file.
        ValueError: if it holds something else.
    """
    from .. import classic

    named = {name: getattr(place, name) for place in (transforms, classic) for name in place.__all__}
    kinds = {name: kind for name, kind in named.items() if _is_kind(kind)}
    tree = load(path)
    try:
        model = build(tree["model"], kinds)
        if not isinstance(model, Fitted):
            raise TypeError(f"{model} is no model")
        model.load_state_dict(tree["state"])
    except (KeyError, TypeError, RuntimeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"load_model: {os.fspath(path)} must hold a classical model: {error!r}") from error
    return model.eval()


def _is_kind(kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, Fitted) and kind not in ABSTRACT
