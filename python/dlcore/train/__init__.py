"""Training of models, as the command line starts it.

A family of models is a module here with

    NAMES: what ``dlcore train NAME`` calls them;
    add_options(parser, name): adds the options of ``dlcore train NAME``, beginning with `common.add_options`;
    run(name, **options): trains with the options' values, prints what came out, saves the model in ``output``.
"""

from . import encoder, labeller, language, pointer, translation, vision
from .vision import AUGMENTATIONS, NETWORKS, Recipe, accuracy, load, train

FAMILIES = {
    "images": vision,
    "language": language,
    "masked language": encoder,
    "labels of tokens": labeller,
    "translation": translation,
    "points": pointer,
}

__all__ = ["AUGMENTATIONS", "FAMILIES", "NETWORKS", "Recipe", "accuracy", "load", "train"]
