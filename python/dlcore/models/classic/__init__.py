"""The classical models. `docs/classics.md` lists them with formulas and commands."""

from ._estimator import Classifier, Estimator, Regressor
from .linear import LinearRegression, MulticlassSVM, SoftmaxRegression, multiclass_hinge
from .mlp import MLPClassifier, MLPRegressor
from .neighbors import KNeighborsClassifier, KNeighborsRegressor
from .saved import load_model, save_model
from .table import TableModel

__all__ = [
    "Classifier",
    "Estimator",
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "LinearRegression",
    "MLPClassifier",
    "MLPRegressor",
    "MulticlassSVM",
    "Regressor",
    "SoftmaxRegression",
    "TableModel",
    "load_model",
    "multiclass_hinge",
    "save_model",
]
