"""Recurrent layers and their cells."""

from __future__ import annotations

import math
import numbers
import warnings

from .. import _core
from .._core import Tensor
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}
_STACKS = {"RNN_TANH": _core.rnn_tanh, "RNN_RELU": _core.rnn_relu, "GRU": _core.gru, "LSTM": _core.lstm}


def _check_type(name: str, value, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")


def _check_tensor(kind: str, name: str, value) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{kind}: {name} must be a Tensor, but got {type(value).__name__}")


class RNNBase(Module):
    """What RNN, LSTM and GRU have in common: parameters, shapes, packed and unbatched input."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout should be a number in range [0, 1], but got {dropout!r}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"dropout is added after all but the last layer, so it does nothing with num_layers=1, but got "
                f"dropout={dropout}",
                stacklevel=3,
            )
        _check_type("bias", bias, bool)
        _check_type("batch_first", batch_first, bool)
        _check_type("input_size", input_size, int)
        if input_size <= 0:
            raise ValueError(f"input_size must be greater than zero, but got {input_size}")
        _check_type("hidden_size", hidden_size, int)
        if hidden_size <= 0:
            raise ValueError(f"hidden_size must be greater than zero, but got {hidden_size}")
        if num_layers <= 0:
            raise ValueError(f"num_layers must be greater than zero, but got {num_layers}")
        if proj_size < 0:
            raise ValueError(f"proj_size should be positive, or zero for no projection, but got {proj_size}")
        if proj_size >= hidden_size:
            raise ValueError(f"proj_size has to be smaller than hidden_size={hidden_size}, but got {proj_size}")
        if mode not in _GATES:
            raise ValueError(f"mode must be one of {', '.join(_GATES)}, but got {mode!r}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._names: list[list[str]] = []  # of the parameters of each layer and direction
        out, gates = proj_size or hidden_size, _GATES[mode] * hidden_size
        directions = 2 if bidirectional else 1
        for layer in range(num_layers):
            shapes = {"weight_ih": (gates, directions * out if layer else input_size), "weight_hh": (gates, out)}
            if bias:
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for suffix in ("", "_reverse")[:directions]:
                names = [f"{name}_l{layer}{suffix}" for name in shapes]
                for name, shape in zip(names, shapes.values()):
                    setattr(self, name, Parameter(_core.empty(shape, device=device, dtype=dtype)))
                self._names.append(names)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, from U(-k, k) with k = 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def flatten_parameters(self) -> None:
        """Does nothing: parameters are packed where they are used."""

    def _states(self, hx, batch: int, unbatched: bool) -> list[Tensor]:
        """Initial states as (layers * directions, batch, size), none where they are zeros."""
        if hx is None:
            return []
        kind = type(self).__name__
        count = 2 if self.mode == "LSTM" else 1
        states = list(hx) if count == 2 else [hx]
        if len(states) != count:
            raise RuntimeError(f"{kind}: hx must be a pair (h_0, c_0), but got {len(states)} tensors")
        for i, state in enumerate(states):
            _check_tensor(kind, f"hx[{i}]" if count == 2 else "hx", state)
        dims = 2 if unbatched else 3
        if any(state.dim() != dims for state in states):
            got = ", ".join(f"{state.dim()}-D" for state in states)
            raise RuntimeError(
                f"{kind}: for {'unbatched 2-D' if unbatched else 'batched 3-D'} input, hx should also be {dims}-D, but "
                f"got {got}"
            )
        if unbatched:
            states = [state.unsqueeze(1) for state in states]
        rows = self.num_layers * (2 if self.bidirectional else 1)
        sizes = [self.proj_size or self.hidden_size, self.hidden_size]
        for i, (state, size) in enumerate(zip(states, sizes)):
            if tuple(state.shape) != (rows, batch, size):
                which = f"hidden[{i}]" if count == 2 else "hidden"
                raise RuntimeError(f"{kind}: expected {which} size {(rows, batch, size)}, got {list(state.shape)}")
        return states

    def _check_input(self, input: Tensor, dims: int) -> None:
        kind, weight = type(self).__name__, getattr(self, self._names[0][0])
        if input.dtype != weight.dtype:
            raise ValueError(
                f"{kind}: input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}); convert the input "
                f"or the module"
            )
        if input.dim() != dims:
            raise RuntimeError(f"{kind}: input must have {dims} dimensions, got {input.dim()}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{kind}: input.size(-1) must be equal to input_size; expected {self.input_size}, got {input.shape[-1]}"
            )

    def forward(self, input: Tensor | PackedSequence, hx=None):
        packed = isinstance(input, PackedSequence)
        unbatched, batch_first = False, self.batch_first
        sorted_indices = unsorted_indices = None
        if packed:
            sequence, sorted_indices, unsorted_indices = input[:2], input.sorted_indices, input.unsorted_indices
            batch = int(input.batch_sizes[0])
        else:
            _check_tensor(type(self).__name__, "input", input)
            if input.dim() not in (2, 3):
                raise ValueError(
                    f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D tensor instead"
                )
            unbatched = input.dim() == 2
            if unbatched:
                input, batch_first = input.unsqueeze(1), False
            sequence, batch = (input,), input.shape[0 if batch_first else 1]
        self._check_input(sequence[0], 2 if packed else 3)
        states = self._states(hx, batch, unbatched)
        if sorted_indices is not None:
            states = [state.index_select(1, sorted_indices) for state in states]
        lstm = self.mode == "LSTM"
        parameters = [getattr(self, name) for names in self._names for name in names]
        y, *states = _STACKS[self.mode](
            *sequence,
            states if lstm else states[0] if states else None,
            parameters,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            *(() if packed else (batch_first,)),
        )
        if packed:
            y = PackedSequence(y, sequence[1], sorted_indices, unsorted_indices)
            if unsorted_indices is not None:
                states = [state.index_select(1, unsorted_indices) for state in states]
        elif unbatched:
            y, states = y.squeeze(1), [state.squeeze(1) for state in states]
        return y, tuple(states) if lstm else states[0]

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ):
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


_SHAPES = """
    Args:
        input_size: features of each element of the input.
        hidden_size: units.
        num_layers: layers on top of each other, each reading the one below. Default: 1.{extra}
        bias: whether there are b_ih and b_hh. Default: True.
        batch_first: whether input and output are (batch, steps, features) rather than (steps, batch, features).
            States are not affected. Default: False.
        dropout: probability with which elements between two layers are zeroed in training. Default: 0.
        bidirectional: whether a second set of units reads each sequence from its end. Default: False.{projection}
        device, dtype: those of the parameters.

    Attributes:
        weight_ih_l{{k}}: W_ih of layer k, ({gates}hidden_size, features), drawn from U(-k, k) with
            k = 1 / sqrt(hidden_size), like all parameters; those of the second direction end in ``_reverse``.
        weight_hh_l{{k}}: W_hh, ({gates}hidden_size, {out}).
        bias_ih_l{{k}}, bias_hh_l{{k}}: ({gates}hidden_size).{weight_hr}

    Shapes, with D = 2 where bidirectional and otherwise 1:
        input: (steps, batch, input_size), (steps, input_size), or a `PackedSequence`.
        hx: {states}, without batch where the input has none. Default: zeros.
        output: the last layer's h_t, (steps, batch, D * {out}); then the states after the last step, like hx.

    Raises:
        TypeError: if input or hx is no tensor.
        ValueError: if the input has neither 2 nor 3 dimensions, or another dtype than the parameters.
        RuntimeError: if the sizes of input or hx do not fit, or there are no steps.
"""


def _document(cls: type, **parts: str) -> None:
    if cls.__doc__:  # not under -OO
        cls.__doc__ += _SHAPES.format(**{"extra": "", "projection": "", "weight_hr": "", **parts})


class RNN(RNNBase):
    """h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), act being tanh or relu."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype=None,
        **kwargs,
    ) -> None:
        _no_projection(kwargs)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity must be 'tanh' or 'relu', but got {nonlinearity!r}")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), with forget gates.

    i, f, g, o = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh,  i, f, o through sigmoid, g through tanh
    c_t = f c_{t-1} + i g
    h_t = o tanh(c_t), or W_hr (o tanh(c_t)) with proj_size (Sak et al., 2014)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )


class GRU(RNNBase):
    """Gated recurrent units (Cho et al., 2014), the reset gate applied after the product.

    r = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
    z = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
    n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn))
    h_t = (1 - z) n + z h_{t-1}
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype=None,
        **kwargs,
    ) -> None:
        _no_projection(kwargs)
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )


def _no_projection(kwargs: dict) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if kwargs:
        raise TypeError(f"unexpected keyword argument {next(iter(kwargs))!r}")


_document(
    RNN,
    extra="""
        nonlinearity: "tanh" or "relu". Default: "tanh".""",
    gates="",
    out="hidden_size",
    states="h_0, (D * num_layers, batch, hidden_size)",
)
_document(
    LSTM,
    projection="""
        proj_size: size of h_t after a projection, smaller than hidden_size; 0 for none. Default: 0.""",
    weight_hr="""
        weight_hr_l{k}: W_hr, (proj_size, hidden_size), where proj_size is not 0.""",
    gates="4 * ",
    out="out",
    states="(h_0, c_0), (D * num_layers, batch, out) and (D * num_layers, batch, hidden_size), where out is proj_size "
    "or hidden_size",
)
_document(GRU, gates="3 * ", out="hidden_size", states="h_0, (D * num_layers, batch, hidden_size)")


class RNNCellBase(Module):
    """What the cells have in common."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device=None, dtype=None) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(_core.empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(_core.empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            parameter = Parameter(_core.empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, parameter)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, from U(-k, k) with k = 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _step(self, function, input: Tensor, hx, states: tuple[Tensor, ...]):
        kind = type(self).__name__
        for name, tensor in (("input", input), *((f"hx[{i}]", state) for i, state in enumerate(states))):
            _check_tensor(kind, name, tensor)
            if tensor.dim() not in (1, 2):
                raise ValueError(f"{kind}: Expected {name} to be 1D or 2D, got {tensor.dim()}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{kind}: input.size(-1) must be equal to input_size; expected {self.input_size}, got {input.shape[-1]}"
            )
        return function(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        return text if self.bias is True else f"{text}, bias={self.bias}"


class RNNCell(RNNCellBase):
    """One step of `RNN`: h' = act(W_ih x + b_ih + W_hh h + b_hh), act being tanh or relu.

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether there are b_ih and b_hh. Default: True.
        nonlinearity: "tanh" or "relu". Default: "tanh".
        device, dtype: those of the parameters.

    Attributes:
        weight_ih, weight_hh: (hidden_size, input_size) and (hidden_size, hidden_size), drawn from U(-k, k) with
            k = 1 / sqrt(hidden_size).
        bias_ih, bias_hh: (hidden_size), drawn from the same distribution.

    Shapes: input (batch, input_size) or (input_size), h (batch, hidden_size) or (hidden_size), by default zeros, to
    h' like h.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        functions = {"tanh": _core.rnn_tanh_cell, "relu": _core.rnn_relu_cell}
        if self.nonlinearity not in functions:
            raise RuntimeError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', but got {self.nonlinearity!r}")
        return self._step(functions[self.nonlinearity], input, hx, () if hx is None else (hx,))

    def extra_repr(self) -> str:
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity={self.nonlinearity}"


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: i, f, g, o = W_ih x + b_ih + W_hh h + b_hh, c' = f c + i g, h' = o tanh(c').

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether there are b_ih and b_hh. Default: True.
        device, dtype: those of the parameters.

    Attributes:
        weight_ih, weight_hh: (4 * hidden_size, input_size) and (4 * hidden_size, hidden_size), drawn from U(-k, k)
            with k = 1 / sqrt(hidden_size).
        bias_ih, bias_hh: (4 * hidden_size), drawn from the same distribution.

    Shapes: input (batch, input_size) or (input_size), hx = (h, c), each (batch, hidden_size) or (hidden_size), by
    default zeros, to (h', c') like hx.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        states = () if hx is None else tuple(hx)
        return self._step(_core.lstm_cell, input, states, states)


class GRUCell(RNNCellBase):
    """One step of `GRU`, which has the formulas.

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether there are b_ih and b_hh. Default: True.
        device, dtype: those of the parameters.

    Attributes:
        weight_ih, weight_hh: (3 * hidden_size, input_size) and (3 * hidden_size, hidden_size), drawn from U(-k, k)
            with k = 1 / sqrt(hidden_size).
        bias_ih, bias_hh: (3 * hidden_size), drawn from the same distribution.

    Shapes: input (batch, input_size) or (input_size), h (batch, hidden_size) or (hidden_size), by default zeros, to
    h' like h.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(_core.gru_cell, input, hx, () if hx is None else (hx,))
