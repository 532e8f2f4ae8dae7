"""Models of sequences, and how they are decoded. `docs/sequence-models.md` lists them with sources and commands."""

from .decoding import beam_search, greedy, reorder, sample

__all__ = ["beam_search", "greedy", "reorder", "sample"]
