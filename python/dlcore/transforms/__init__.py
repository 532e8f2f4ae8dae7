"""Transforms: augmentation of batches of images (`images`), and features of tables (`features`, `table`), which are
fitted on the data to train on. `docs/vision.md` and `docs/data.md` show them at work."""

from .features import FeatureTransform, Impute, MinMax, OneHot, Pipeline, Standardize
from .images import (
    ColorJitter,
    Compose,
    Mixup,
    Normalize,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    Transform,
)
from .table import TableTransform

__all__ = [
    "ColorJitter",
    "Compose",
    "FeatureTransform",
    "Impute",
    "MinMax",
    "Mixup",
    "Normalize",
    "OneHot",
    "Pipeline",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "Standardize",
    "TableTransform",
    "Transform",
]
