"""Moving models to and from other libraries."""

from . import torch as torch
