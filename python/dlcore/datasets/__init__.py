"""Data sets: those that come with scikit-learn, pycountry and Python, and readers of others' files. Nothing is
downloaded or unpickled."""

from .cifar import cifar10
from .diabetes import diabetes
from .digits import digits, digits_split
from .folder import ImageFolder
from .idx import mnist, read_idx
from .npz import read_npz
from .pairs import PairBatch, PairDataset, read_pairs, split_pairs, translated_names
from .table import Table, read_csv
from .text import BucketSampler, Vocabulary, characters, default_text, pad_batch, read_text, words

__all__ = [
    "BucketSampler",
    "ImageFolder",
    "PairBatch",
    "PairDataset",
    "Table",
    "Vocabulary",
    "characters",
    "cifar10",
    "default_text",
    "diabetes",
    "digits",
    "digits_split",
    "mnist",
    "pad_batch",
    "read_csv",
    "read_idx",
    "read_npz",
    "read_pairs",
    "read_text",
    "split_pairs",
    "translated_names",
    "words",
]
