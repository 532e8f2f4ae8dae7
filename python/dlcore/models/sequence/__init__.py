"""Models of sequences, and how they are decoded. `docs/sequence-models.md` lists them with sources and commands."""

from .bert import BERT, mask_tokens
from .decoding import beam_search, greedy, reorder, sample
from .gpt import GPT
from .labeller import SequenceLabeller
from .language_model import BidirectionalLanguageModel, LanguageModel
from .nonautoregressive import NonAutoregressiveTranslator
from .pointer import PointerNetwork
from .saved import load_model, save_model
from .seq2seq import Seq2Seq
from .transformer_translator import TransformerTranslator

__all__ = [
    "BERT",
    "BidirectionalLanguageModel",
    "GPT",
    "LanguageModel",
    "NonAutoregressiveTranslator",
    "PointerNetwork",
    "Seq2Seq",
    "SequenceLabeller",
    "TransformerTranslator",
    "beam_search",
    "greedy",
    "load_model",
    "mask_tokens",
    "reorder",
    "sample",
    "save_model",
]
