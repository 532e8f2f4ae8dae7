"""Models of sequences in files, with their vocabularies."""

from __future__ import annotations

import os

from ...datasets.text import Vocabulary
from ...serialization import load, save
from ._model import SequenceModel


def save_model(model: SequenceModel, path: str | os.PathLike, **extra) -> None:
    """Write a model: its kind, options and ``state_dict``, and what belongs to it.

    Args:
        path: the file, in the safetensors format; see `dlcore.save`.
        extra: vocabularies, and whatever else `dlcore.save` takes, under names of one's own.
    """
    kept = {name: ["vocabulary", *value.tokens] if isinstance(value, Vocabulary) else ["value", value]
            for name, value in extra.items()}  # fmt: skip
    save({"kind": type(model).__name__, "options": model.options, "extra": kept, "state": model.state_dict()}, path)


def load_model(path: str | os.PathLike) -> tuple[SequenceModel, dict]:
    """The model that `save_model` wrote, in evaluation mode, and what belongs to it.

    Raises:
        OSError: if there is no such file.
        ValueError: if it holds something else.
    """
    from .. import sequence

    tree = load(path)
    try:
        kind = getattr(sequence, tree["kind"])
        if not issubclass(kind, SequenceModel):
            raise TypeError(f"{tree['kind']} is no model")
        model = kind(**tree["options"])
        model.load_state_dict(tree["state"])
        extra = {
            name: Vocabulary.from_tokens(rest) if tag == "vocabulary" else rest[0]
            for name, (tag, *rest) in tree["extra"].items()
        }
    except (KeyError, TypeError, RuntimeError, IndexError, AttributeError) as error:
        raise ValueError(f"load_model: {os.fspath(path)} must hold a model of sequences: {error!r}") from error
    return model.eval(), extra
