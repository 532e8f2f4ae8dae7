"""Networks that answer with positions of their input."""

from __future__ import annotations

from ... import _core, nn
from ..._core import Tensor
from ..._tensor import finfo
from ...autograd import no_grad
from ...nn import functional as F
from ...nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from ._model import SequenceModel
from ._translator import check_count, checked_lengths
from .decoding import beam_search, greedy

IGNORED = -100  # a target that counts nothing


class PointerNetwork(SequenceModel):
    """Points at one element of its input after the other, and at none twice:

        s_t = LSTM(e(x_{p_{t-1}}), s_{t-1})       u_tj = w_v^T tanh(W_q s_t + W_k h_j)       p(p_t) = softmax_j u_tj

    where h_j are the results of an LSTM over the inputs e(x_j) = W x_j + b, whose last state is s_0, and j is an
    element that was not chosen, or, with end=True, the end.

    Args:
        input_size: features of an element.
        hidden_size: units. Default: 128.
        end: whether the answer's length varies, so that there is one more choice, which ends it. Default: False.

    Attributes:
        first: (hidden_size), the decoder's first input.
        last: (hidden_size), h of the end, with end=True.

    Shapes: inputs (N, S, input_size) and targets (N, T) to logits (N, T, S), or (N, T, S + 1) with end=True. Targets
        are int64: positions, S for the end, IGNORED = -100 behind an answer's end. Choices that are not possible have
        the dtype's lowest number.

    Raises:
        TypeError: if targets or lengths are no integers.
        ValueError: for sizes that are not positive, lengths that are not in [1, S], targets beyond the choices.

    Source: Vinyals, Fortunato, Jaitly: Pointer networks, 2015.
    """

    def __init__(self, input_size: int, hidden_size: int = 128, end: bool = False) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size, end=bool(end))
        self.input_size, self.hidden_size, self.end = input_size, hidden_size, bool(end)
        self.embedding = nn.Linear(input_size, hidden_size)
        self.encoder = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.decoder = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.attention = nn.AdditiveAttention(hidden_size, hidden_size, hidden_size)
        self.first = nn.Parameter(nn.init.uniform_(_core.empty(hidden_size), -0.1, 0.1))
        self.register_parameter("last", None)
        if end:
            self.last = nn.Parameter(nn.init.uniform_(_core.empty(hidden_size), -0.1, 0.1))

    def encode(self, inputs: Tensor, lengths: Tensor | None = None) -> dict:
        """The decoder's state before its first choice.

        Args:
            inputs: (N, S, input_size).
            lengths: how many elements each has, (N), in [1, S]; None: all have S.
        """
        if not isinstance(inputs, Tensor) or inputs.dim() != 3 or inputs.shape[2] != self.input_size:
            got = tuple(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
            raise ValueError(f"PointerNetwork: inputs must be a Tensor (N, S, {self.input_size}), but got {got}")
        if 0 in inputs.shape:
            raise ValueError(f"PointerNetwork: inputs must have no size 0, but got {tuple(inputs.shape)}")
        count, size = inputs.shape[:2]
        lengths = checked_lengths("PointerNetwork", "lengths", lengths, count, size)
        embedded = self.embedding(inputs)
        packed, states = self.encoder(pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False))
        memory, _ = pad_packed_sequence(packed, batch_first=True, total_length=size)
        taken = _core.arange(size) >= lengths.unsqueeze(1)
        if self.end:
            memory = _core.cat([memory, self.last.expand(count, 1, -1)], 1)
            taken = F.pad(taken.to(_core.int64), (0, 1)).to(_core.bool)
        return {
            "states": [s.transpose(0, 1) for s in states],
            "embedded": embedded,
            "keys": self.attention.W_k(memory),
            "taken": taken,
        }

    def _scores(self, inputs: Tensor, taken: Tensor, state: dict) -> tuple[Tensor, dict]:
        """u (N, T, choices) for the decoder's inputs (N, T, hidden_size), with what is taken at each step."""
        output, states = self.decoder(inputs, tuple(s.transpose(0, 1).contiguous() for s in state["states"]))
        scores = self.attention.scores(output, state["keys"]).masked_fill(taken, finfo(output.dtype).min)
        return scores, {**state, "states": [s.transpose(0, 1) for s in states]}

    def step(self, tokens: Tensor, state: dict) -> tuple[Tensor, dict]:
        """The logits (N, choices) of what follows choices (N,), -1 before the first, and the state behind them."""
        embedded, taken = state["embedded"], state["taken"]
        begins = (tokens < 0).unsqueeze(1)
        chosen = F.one_hot(tokens.clamp(min=0), taken.shape[1]).to(_core.bool) & ~begins
        if self.end:
            chosen[:, -1] = False  # the end stays possible
        taken = taken | chosen
        before = embedded[_core.arange(len(tokens)), tokens % embedded.shape[1]]
        inputs = _core.where(begins, self.first, before)
        scores, state = self._scores(inputs.unsqueeze(1), taken.unsqueeze(1), {**state, "taken": taken})
        return scores.squeeze(1), state

    def forward(self, inputs: Tensor, targets: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The logits (N, T, choices) of each choice, those before it being the targets."""
        state = self.encode(inputs, lengths)
        embedded, taken = state["embedded"], state["taken"]
        if not isinstance(targets, Tensor) or targets.dtype != _core.int64:
            got = targets.dtype if isinstance(targets, Tensor) else type(targets).__name__
            raise TypeError(f"PointerNetwork: targets must be an int64 Tensor, but got {got}")
        if targets.dim() != 2 or len(targets) != len(inputs) or not targets.shape[1]:
            raise ValueError(
                f"PointerNetwork: targets must have shape ({len(inputs)}, T), but got {tuple(targets.shape)}"
            )
        if targets.max() >= taken.shape[1] or ((targets < 0) & (targets != IGNORED)).any():
            raise ValueError(f"PointerNetwork: targets must be in [0, {taken.shape[1]}) or {IGNORED}")
        before = targets[:, :-1].clamp(min=0)
        rows = (before % embedded.shape[1]).unsqueeze(2).expand(-1, -1, self.hidden_size)  # behind the end: any
        inputs = _core.cat([self.first.expand(len(targets), 1, -1), embedded.gather(1, rows)], 1)
        chosen = F.pad(F.one_hot(before, taken.shape[1]).cumsum(1), (0, 0, 1, 0)) > 0
        if self.end:
            chosen[:, :, -1] = False
        return self._scores(inputs, taken.unsqueeze(1) | chosen, state)[0]

    def loss(self, inputs: Tensor, targets: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The mean of -log p(p_t | p_1 ... p_{t-1}) over the targets that are not IGNORED."""
        logits = self(inputs, targets, lengths)
        return F.cross_entropy(logits.flatten(0, 1), targets.reshape(-1), ignore_index=IGNORED)

    def point(
        self, inputs: Tensor, lengths: Tensor | None = None, beams: int = 1, max_length: int | None = None
    ) -> list[list[int]]:
        """The positions that each answer names: the most probable choice each time, or by `beam_search`.

        Args:
            inputs, lengths: those of `encode`.
            beams: Default: 1, the most probable choice each time.
            max_length: most positions of an answer; None (the default): all.
        """
        check_count("PointerNetwork", beams=beams)
        with no_grad():
            state = self.encode(inputs, lengths)
        counts = (~state["taken"]).sum(1).tolist()
        most, end = max(counts), inputs.shape[1] if self.end else None
        if max_length is not None:
            check_count("PointerNetwork", max_length=max_length)
            most = min(most, max_length)
        if beams == 1:
            answers = greedy(self.step, state, -1, end, most)
        else:
            answers = beam_search(self.step, state, -1, end, most, beams, length_penalty=0.0)
        return [answer[: min(count, most)] for answer, count in zip(answers, counts)]
