"""Translation with recurrent layers."""

from __future__ import annotations

from ... import _core, nn
from ..._core import Tensor
from ...autograd import no_grad
from ...nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from ._model import choose, recurrent
from ._translator import Translator, check_probability, check_tokens, checked_lengths


class Seq2Seq(Translator):
    """An encoder reads the source x, a decoder that begins with its last state s_0 writes the target y:

        s_t = cell([e(y_{t-1}), c_t], s_{t-1})        p(y_t | y_1 ... y_{t-1}, x) = softmax(W_o [s_t, c_t] + b_o)

    where with attention c_t = sum_j a_tj h_j, of the encoder's h_j = [forward, backward] and a_t = masked_softmax_j
    (w_v^T tanh(W_q s_{t-1} + W_k h_j)), and without attention there is no c_t.

    Sources are packed: what is behind a source's length is neither looked at nor computed.

    Args:
        source_size, target_size: tokens of the two vocabularies.
        embedding_size: features of e. Default: 64.
        hidden_size: units of a layer. Default: 128.
        num_layers: of the encoder and of the decoder. Default: 1.
        cell: "gru" or "lstm". Default: gru.
        bidirectional: a second half of the encoder reads the source from its end; then each layer of s_0 is
            tanh(W_b [forward, backward] + b_b). Default: False.
        attention: Default: False.
        dropout: probability with which elements of embeddings, between layers and before W_o are zeroed while
            training. Default: 0.
        pad: the padding's number. Default: 0.

    Shapes: source (N, S) and target (N, T), both int64, to logits (N, T, target_size): position t is given the target
        up to t.

    Raises:
        TypeError: if tokens or lengths are no integers.
        ValueError: for sizes that are not positive, an unknown cell, lengths that are not in [1, S].

    Source: Sutskever, Vinyals, Le: Sequence to sequence learning with neural networks, 2014; Cho et al.: Learning
    phrase representations using RNN encoder-decoder, 2014; Bahdanau, Cho, Bengio: Neural machine translation by jointly
    learning to align and translate, 2015 (attention); Bengio, Vinyals, Jaitly, Shazeer: Scheduled sampling for sequence
    prediction with recurrent neural networks, 2015.
    """

    def __init__(
        self,
        source_size: int,
        target_size: int,
        embedding_size: int = 64,
        hidden_size: int = 128,
        num_layers: int = 1,
        cell: str = "gru",
        bidirectional: bool = False,
        attention: bool = False,
        dropout: float = 0.0,
        pad: int = 0,
    ) -> None:
        super().__init__(
            source_size=source_size, target_size=target_size, embedding_size=embedding_size, hidden_size=hidden_size,
            num_layers=num_layers, cell=cell, bidirectional=bidirectional, attention=attention, dropout=dropout,
            pad=pad,
        )  # fmt: skip
        choose("Seq2Seq", "cell", cell, ("gru", "lstm"))
        check_probability("Seq2Seq", dropout=dropout)
        memory_size = hidden_size * (2 if bidirectional else 1)
        context_size = memory_size if attention else 0
        self.pad, self.hidden_size, self.bidirectional = pad, hidden_size, bidirectional
        self.source_embedding = nn.Embedding(source_size, embedding_size, pad)
        self.target_embedding = nn.Embedding(target_size, embedding_size, pad)
        self.encoder = recurrent(cell, embedding_size, hidden_size, num_layers, dropout, bidirectional)
        self.decoder = recurrent(cell, embedding_size + context_size, hidden_size, num_layers, dropout)
        self.bridges = None  # of h_0, and with LSTM of c_0
        if bidirectional:
            kinds = 2 if cell == "lstm" else 1
            self.bridges = nn.ModuleList(nn.Linear(memory_size, hidden_size) for _ in range(kinds))
        self.attention = nn.AdditiveAttention(hidden_size, memory_size, hidden_size) if attention else None
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size + context_size, target_size)

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> dict:
        """The decoder's state before its first token.

        Args:
            source: (N, S).
            lengths: of the sources, (N), in [1, S]; None: all are S.
        """
        check_tokens("Seq2Seq", "source", source)
        lengths = checked_lengths("Seq2Seq", "lengths", lengths, *source.shape)
        embedded = self.dropout(self.source_embedding(source))
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        output, states = self.encoder(packed)
        states = [s.transpose(0, 1) for s in (states if isinstance(states, tuple) else (states,))]  # (N, layers, H)
        if self.bridges is not None:
            both = (s.reshape(len(source), -1, 2 * self.hidden_size) for s in states)
            states = [bridge(s).tanh() for bridge, s in zip(self.bridges, both)]
        state = {"states": states}
        if self.attention is not None:
            memory, _ = pad_packed_sequence(output, batch_first=True, total_length=source.shape[1])
            state |= {"memory": memory, "keys": self.attention.W_k(memory), "lengths": lengths}
        return state

    def _advance(self, tokens: Tensor, state: dict) -> tuple[Tensor, dict]:
        """[s_t, c_t] for tokens (N, T) and the state behind them; with attention T is 1."""
        inputs = [self.dropout(self.target_embedding(tokens))]
        states = [s.transpose(0, 1).contiguous() for s in state["states"]]
        context = []
        if self.attention is not None:
            query = states[0][-1].unsqueeze(1)
            weights = nn.masked_softmax(self.attention.scores(query, state["keys"]), state["lengths"])
            context = [weights @ state["memory"]]
        output, states = self.decoder(_joined(inputs + context), states if len(states) > 1 else states[0])
        states = states if isinstance(states, tuple) else (states,)
        return _joined([output, *context]), {**state, "states": [s.transpose(0, 1) for s in states]}

    def step(self, tokens: Tensor, state: dict) -> tuple[Tensor, dict]:
        """The logits (N, target_size) of what follows tokens (N,), and the state behind them."""
        features, state = self._advance(tokens.unsqueeze(1), state)
        return self.output(features).squeeze(1), state

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        lengths: Tensor | None = None,
        sampling: float = 0.0,
        generator=None,
    ) -> Tensor:
        """The logits (N, T, target_size).

        Args:
            source, lengths: those of `encode`.
            target: (N, T), the first tokens of which are `<bos>`.
            sampling: probability with which the decoder reads the token that it finds most probable itself in place of
                the target's, at each position behind the first by itself. Default: 0, teacher forcing.
            generator: draws these positions; the default generator where it is None.
        """
        check_probability("Seq2Seq", sampling=sampling)
        state = self.encode(source, lengths)
        check_tokens("Seq2Seq", "target", target, len(source))
        if self.attention is None and sampling == 0:
            features, _ = self._advance(target, state)
            return self.output(self.dropout(features))
        steps = []
        for t in range(target.shape[1]):
            tokens = target[:, t]
            if t and sampling > 0:
                with no_grad():
                    own = self.output(steps[-1]).argmax(-1).squeeze(1).to(tokens.dtype)
                    tokens = _core.where(_core.rand(len(own), generator=generator) < sampling, own, tokens)
            features, state = self._advance(tokens.unsqueeze(1), state)
            steps.append(features)
        return self.output(self.dropout(_core.cat(steps, 1)))


def _joined(parts: list[Tensor]) -> Tensor:
    return _core.cat(parts, -1) if len(parts) > 1 else parts[0]
