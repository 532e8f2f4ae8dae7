"""Language models on recurrent layers."""

from __future__ import annotations

from ... import _core, nn
from ..._core import Tensor
from ._model import CELLS, SequenceModel, choose, recurrent


class LanguageModel(SequenceModel):
    """p(x_{t+1} | x_1 ... x_t) = softmax(W h_t + b), with h_t of recurrent layers that read the tokens' embeddings.

    Args:
        vocabulary_size: tokens, which may be characters or words.
        embedding_dim: features of a token. Default: 128.
        hidden_size: units of a layer. Default: 256.
        num_layers: layers on top of each other. Default: 1.
        cell: "rnn", "gru" or "lstm". Default: "lstm".
        dropout: probability with which an element of the embeddings, between the layers and of what the last one gives
            is zeroed in training. Default: 0.
        tied: W is the table of embeddings; embedding_dim and hidden_size are the same. Default: False.

    Shapes: tokens (N, T), int64, and the state before them, as `forward` returns it (None: zeros), to logits (N, T, V)
        of each next token and the state after them: (h,) or, of an LSTM, (h, c), of shape (N, num_layers, hidden_size),
        with the batch first, as decoding wants it.

    Raises:
        ValueError: for arguments that do not fit, and tokens of another shape.
        IndexError: for tokens that are not in the vocabulary.

    Source: Mikolov, Karafiat, Burget, Cernocky, Khudanpur: Recurrent neural network based language model, 2010;
    Zaremba, Sutskever, Vinyals: Recurrent neural network regularization, 2014 (dropout); Press, Wolf: Using the output
    embedding to improve language models, 2017 (tied).
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 128,
        hidden_size: int = 256,
        num_layers: int = 1,
        cell: str = "lstm",
        dropout: float = 0.0,
        tied: bool = False,
    ) -> None:
        super().__init__(
            vocabulary_size=vocabulary_size,
            embedding_dim=embedding_dim,
            hidden_size=hidden_size,
            num_layers=num_layers,
            cell=cell,
            dropout=dropout,
            tied=tied,
        )
        choose("LanguageModel", "cell", cell, CELLS)
        if tied and embedding_dim != hidden_size:
            raise ValueError(
                f"LanguageModel: embedding_dim and hidden_size must be the same where tied, but got {embedding_dim} "
                f"and {hidden_size}"
            )
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.dropout = nn.Dropout(dropout)
        self.layers = recurrent(cell, embedding_dim, hidden_size, num_layers, dropout)
        self.output = nn.Linear(hidden_size, vocabulary_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        if tied:
            self.output.weight = self.embedding.weight
        nn.init.zeros_(self.output.bias)

    def forward(self, tokens: Tensor, state: tuple[Tensor, ...] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.check_tokens(tokens)
        is_lstm = isinstance(self.layers, nn.LSTM)
        if state is not None:
            state = tuple(part.transpose(0, 1) for part in state)
        h, state = self.layers(self.dropout(self.embedding(tokens)), state if state is None or is_lstm else state[0])
        state = state if is_lstm else (state,)
        return self.output(self.dropout(h)), tuple(part.transpose(0, 1) for part in state)

    def read(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """The state after tokens (N, T), from which `step` goes on."""
        return self(tokens)[1]

    def step(self, tokens: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits (N, V) after one more token of each sequence, (N,), and the state: a decoder for `decoding`."""
        logits, state = self(tokens.unsqueeze(1), state)
        return logits.squeeze(1), state


class BidirectionalLanguageModel(SequenceModel):
    """p(x_t | all other tokens) = softmax(W [f_{t-1}, b_{t+1}] + c): f_t of recurrent layers that read the tokens from
    the first to the t-th, b_t of others that read them from the last to the t-th; both are 0 beyond the sequence.

    The directions never meet below the output, so that no layer sees the token that it is to tell. Such a model fills
    gaps and scores what is there; it cannot write from left to right.

    Args:
        vocabulary_size, embedding_dim, hidden_size, num_layers, cell, dropout: of a `LanguageModel`; the layers are
            there once for each direction.

    Shapes: tokens (N, T), int64, to logits (N, T, V) of the same tokens.

    Raises:
        ValueError: for arguments that do not fit, and tokens of another shape.
        IndexError: for tokens that are not in the vocabulary.

    Source: Schuster, Paliwal: Bidirectional recurrent neural networks, 1997; Peters et al.: Deep contextualized word
    representations, 2018 (directions apart through all layers).
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 128,
        hidden_size: int = 256,
        num_layers: int = 1,
        cell: str = "lstm",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            vocabulary_size=vocabulary_size,
            embedding_dim=embedding_dim,
            hidden_size=hidden_size,
            num_layers=num_layers,
            cell=cell,
            dropout=dropout,
        )
        choose("BidirectionalLanguageModel", "cell", cell, CELLS)
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.dropout = nn.Dropout(dropout)
        self.forward_layers, self.backward_layers = (
            recurrent(cell, embedding_dim, hidden_size, num_layers, dropout) for _ in range(2)
        )
        self.output = nn.Linear(2 * hidden_size, vocabulary_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        self.check_tokens(tokens)
        x = self.dropout(self.embedding(tokens))
        before = self.forward_layers(x)[0][:, :-1]
        after = self.backward_layers(x.flip(1))[0].flip(1)[:, 1:]
        beyond = _core.zeros(x.shape[0], 1, before.shape[-1], dtype=x.dtype)
        around = _core.cat([_core.cat([beyond, before], 1), _core.cat([after, beyond], 1)], -1)
        return self.output(self.dropout(around))
