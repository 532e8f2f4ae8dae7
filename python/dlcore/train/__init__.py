"""Training of models: `Trainer` and its callbacks, and the trainings that the command line starts.

A family of models is a module here with

    NAMES: what ``dlcore train NAME`` calls them;
    add_options(parser, name): adds the options of ``dlcore train NAME``, beginning with `common.add_options`;
    run(name, **options): trains with the options' values, prints what came out, saves the model in ``output``.
"""

from . import classic, encoder, labeller, language, pointer, translation, vision
from .callbacks import Callback, Checkpoint, EarlyStopping, LearningRateMonitor, ProgressBar, TensorBoard
from .history import History
from .trainer import Trainer
from .vision import AUGMENTATIONS, NETWORKS, Recipe, accuracy, load, train

FAMILIES = {
    "images": vision,
    "language": language,
    "masked language": encoder,
    "labels of tokens": labeller,
    "translation": translation,
    "points": pointer,
    "tables and classics": classic,
}
"""The modules of the families of models, by what they are for."""

__all__ = [
    "AUGMENTATIONS",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "FAMILIES",
    "History",
    "LearningRateMonitor",
    "NETWORKS",
    "ProgressBar",
    "Recipe",
    "TensorBoard",
    "Trainer",
    "accuracy",
    "load",
    "train",
]
