"""Data sets: one that comes with scikit-learn, and readers of others' files. Nothing is downloaded or unpickled."""

from .cifar import cifar10
from .digits import digits, digits_split
from .folder import ImageFolder
from .idx import mnist, read_idx

__all__ = ["ImageFolder", "cifar10", "digits", "digits_split", "mnist", "read_idx"]
