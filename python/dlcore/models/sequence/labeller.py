"""A label for every token."""

from __future__ import annotations

from ... import _core, nn
from ..._core import Tensor
from ...nn import functional as F
from ...nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from ._model import CELLS, SequenceModel, choose, recurrent

IGNORED = -100  # a label that the loss passes over


class SequenceLabeller(SequenceModel):
    """p(label_t | x_1 ... x_T) = softmax(W [h_t forwards, h_t backwards] + b), with h_t of bidirectional layers.

    Sequences of a batch are packed: padding is not computed, and changes nothing.

    Args:
        vocabulary_size: tokens.
        num_labels: labels.
        embedding_dim: features of a token. Default: 64.
        hidden_size: units of a layer and direction. Default: 128.
        num_layers: layers on top of each other. Default: 1.
        cell: "rnn", "gru" or "lstm". Default: "lstm".
        dropout: probability with which an element of the embeddings, between the layers and of what the last one gives
            is zeroed in training. Default: 0.

    Shapes: tokens (N, T), int64, and lengths (N,) of the sequences (None: all T) to logits (N, T, num_labels).

    Raises:
        ValueError: for arguments that do not fit, and tokens of another shape.
        RuntimeError: for lengths that are not in [1, T], or too many or few.
        IndexError: for tokens that are not in the vocabulary.

    Source: Graves, Schmidhuber: Framewise phoneme classification with bidirectional LSTM, 2005; Huang, Xu, Yu:
    Bidirectional LSTM-CRF models for sequence tagging, 2015.
    """

    def __init__(
        self,
        vocabulary_size: int,
        num_labels: int,
        embedding_dim: int = 64,
        hidden_size: int = 128,
        num_layers: int = 1,
        cell: str = "lstm",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            vocabulary_size=vocabulary_size,
            num_labels=num_labels,
            embedding_dim=embedding_dim,
            hidden_size=hidden_size,
            num_layers=num_layers,
            cell=cell,
            dropout=dropout,
        )
        choose("SequenceLabeller", "cell", cell, CELLS)
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.dropout = nn.Dropout(dropout)
        self.layers = recurrent(cell, embedding_dim, hidden_size, num_layers, dropout, bidirectional=True)
        self.output = nn.Linear(2 * hidden_size, num_labels)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        self.check_tokens(tokens)
        x = self.dropout(self.embedding(tokens))
        if lengths is None:
            h, _ = self.layers(x)
        else:
            h, _ = self.layers(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
            h, _ = pad_packed_sequence(h, batch_first=True, total_length=tokens.shape[1])
        return self.output(self.dropout(h))

    @staticmethod
    def loss(logits: Tensor, labels: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Mean cross entropy of the labels (N, T) that are inside of the lengths (N,) and not -100."""
        if lengths is not None:
            labels = labels.masked_fill(_core.arange(labels.shape[1]) >= lengths.unsqueeze(1), IGNORED)
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
