"""Recurrent layers do what PyTorch's do, over all their arguments."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore
import dlcore.nn

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")
EPS = {"float32": 2.0**-23, "float64": 2.0**-52}


def array(t):
    return t.detach().numpy()


def twins(kind, *args, dtype="float32", **kwargs):
    """The same module with the same parameters in both libraries."""
    theirs = getattr(torch.nn, kind)(*args, dtype=getattr(torch, dtype), **kwargs)
    mine = getattr(dlcore.nn, kind)(*args, dtype=getattr(dlcore, dtype), **kwargs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    mine.load_state_dict({k: dlcore.tensor(array(v)) for k, v in theirs.state_dict().items()})
    return mine, theirs


def cotangent_gradients(d, outputs, inputs, rng_seed):
    """Gradients of all outputs, contracted with random numbers; None where there is none."""
    rng = np.random.default_rng(rng_seed)
    total = 0
    for output in outputs:
        total = total + (output * d.tensor(rng.standard_normal(tuple(output.shape)), dtype=output.dtype)).sum()
    return d.autograd.grad(total, inputs, allow_unused=True)


def assert_same(mine, theirs, bound):
    for a, b in zip(mine, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is None:
            continue
        a, b = array(a), array(b)
        assert a.shape == b.shape and a.dtype == b.dtype
        if a.size:
            assert np.abs(a - b).max() <= bound * max(1.0, np.abs(b).max())


@st.composite
def problems(draw):
    kind = draw(st.sampled_from(["LSTM", "GRU", "RNN"]))
    hidden = draw(st.sampled_from([1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100]))
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
    }
    if kind == "LSTM" and hidden > 1 and draw(st.booleans()):
        options["proj_size"] = draw(st.integers(1, hidden - 1))
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    form = draw(st.sampled_from(["batched", "unbatched", "packed", "packed sorted"]))
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=draw(st.sampled_from([1, 4, 20]))))
    features = draw(st.sampled_from([1, 2, 5, 16, 33]))
    return kind, features, hidden, options, form, lengths, draw(st.booleans()), draw(st.integers(0, 999))


def states_of(d, arrays, kind):
    tensors = [d.tensor(a, requires_grad=True) for a in arrays]
    return tensors, tuple(tensors) if kind == "LSTM" else tensors[0]


@settings(max_examples=150)
@given(problem=problems())
def test_layers(problem):
    kind, features, hidden, options, form, lengths, with_states, seed = problem
    mine, theirs = twins(kind, features, hidden, **options)
    dtype, first = options["dtype"], options["batch_first"]
    rng = np.random.default_rng(seed)
    if form == "packed sorted":
        lengths = sorted(lengths, reverse=True)
    batch, steps = len(lengths), max(lengths)
    shape = (batch, steps, features) if first else (steps, batch, features)
    rows = options["num_layers"] * (2 if options["bidirectional"] else 1)
    sizes = [(rows, batch, options.get("proj_size") or hidden), (rows, batch, hidden)][: 2 if kind == "LSTM" else 1]
    if form == "unbatched":
        shape, sizes = (steps, features), [(s[0], s[2]) for s in sizes]
    x = rng.standard_normal(shape).astype(dtype)
    h = [rng.standard_normal(s).astype(dtype) for s in sizes]

    results = []
    for d, module in ((dlcore, mine), (torch, theirs)):
        tensor = d.tensor(x, requires_grad=True)
        states, hx = states_of(d, h, kind)
        argument = tensor
        if form.startswith("packed"):
            argument = d.nn.utils.rnn.pack_padded_sequence(
                tensor, d.tensor(lengths), batch_first=first, enforce_sorted=form == "packed sorted"
            )
        y, out = module(argument, hx) if with_states else module(argument)
        out = list(out) if kind == "LSTM" else [out]
        if form == "packed sorted":  # otherwise sequences of one length may come in another order
            out += [y.data]
        if form.startswith("packed"):
            y, got = d.nn.utils.rnn.pad_packed_sequence(y, batch_first=first)
            assert got.tolist() == lengths
        inputs = [tensor, *(states if with_states else []), *module.parameters()]
        results.append([y, *out, *cotangent_gradients(d, [y, *out], inputs, seed)])
        with torch.no_grad(), dlcore.no_grad():
            again = module(argument, hx)[0]
            if form.startswith("packed"):
                again, _ = d.nn.utils.rnn.pad_packed_sequence(again)
            results[-1].append(again)
    # Errors of a step and layer go on to the next ones; a gradient of the parameters sums over all rows.
    length = options["num_layers"] * (steps + 4) * (features + 2 * hidden + 8) + sum(lengths)
    assert_same(*results, 4 * EPS[dtype] * length)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["LSTMCell", "GRUCell", "RNNCell"]),
    features=st.sampled_from([1, 3, 16]),
    hidden=st.sampled_from([1, 5, 16, 33]),
    batch=st.sampled_from([None, 1, 2, 9]),
    bias=st.booleans(),
    relu=st.booleans(),
    with_states=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_cells(kind, features, hidden, batch, bias, relu, with_states, dtype):
    options = {"nonlinearity": "relu"} if kind == "RNNCell" and relu else {}
    mine, theirs = twins(kind, features, hidden, bias=bias, dtype=dtype, **options)
    rng = np.random.default_rng(hidden)
    rows = () if batch is None else (batch,)
    x = rng.standard_normal((*rows, features)).astype(dtype)
    h = [rng.standard_normal((*rows, hidden)).astype(dtype) for _ in range(2 if kind == "LSTMCell" else 1)]
    results = []
    for d, module in ((dlcore, mine), (torch, theirs)):
        tensor = d.tensor(x, requires_grad=True)
        states, hx = states_of(d, h, kind[:-4])
        out = module(tensor, hx) if with_states else module(tensor)
        out = list(out) if kind == "LSTMCell" else [out]
        inputs = [tensor, *(states if with_states else []), *module.parameters()]
        results.append([*out, *cotangent_gradients(d, out, inputs, 1)])
    assert_same(*results, 4 * EPS[dtype] * (features + hidden + 20) * 2)


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    rest=st.sampled_from([(), (3,), (2, 2)]),
    first=st.booleans(),
    extra=st.integers(0, 3),
    side=st.sampled_from(["left", "right"]),
    value=st.sampled_from([0.0, -1.5]),
)
def test_packing(lengths, rest, first, extra, side, value):
    rng = np.random.default_rng(sum(lengths))
    arrays = [rng.standard_normal((n, *rest)).astype("float32") for n in lengths]
    results = []
    for d in (dlcore, torch):
        sequences = [d.tensor(a, requires_grad=True) for a in arrays]
        r = d.nn.utils.rnn
        padded = r.pad_sequence(sequences, first, value, side)
        packed = r.pack_sequence(sequences, enforce_sorted=False)
        again, n = r.pad_packed_sequence(packed, first, value, max(lengths) + extra)
        apart = r.unpack_sequence(packed)
        assert n.tolist() == lengths and [len(a) for a in apart] == lengths
        grads = cotangent_gradients(d, [padded, packed.data, again, *apart], sequences, 3)
        results.append([padded, packed.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices])
        results[-1] += [again, *apart, *r.unpad_sequence(r.pad_sequence(sequences, first), n, first)]
        results[-1] += grads
    for a, b in zip(*results):  # so few equal lengths keep their order in PyTorch too
        np.testing.assert_allclose(array(a), array(b), rtol=1e-6, atol=1e-6)


def error_of(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return type(error)
    return None


MODULES = {
    "input_size 0": ("LSTM", (0, 3), {}),
    "hidden_size 0": ("GRU", (3, 0), {}),
    "negative": ("RNN", (3, -1), {}),
    "num_layers 0": ("LSTM", (3, 3, 0), {}),
    "dropout 2": ("LSTM", (3, 3), {"dropout": 2.0}),
    "dropout True": ("LSTM", (3, 3), {"dropout": True}),
    "dropout text": ("LSTM", (3, 3), {"dropout": "a"}),
    "proj_size of GRU": ("GRU", (3, 3), {"proj_size": 1}),
    "proj_size of RNN": ("RNN", (3, 3), {"proj_size": 1}),
    "proj_size as hidden": ("LSTM", (3, 3), {"proj_size": 3}),
    "proj_size negative": ("LSTM", (3, 3), {"proj_size": -1}),
    "nonlinearity": ("RNN", (3, 3), {"nonlinearity": "gelu"}),
    "bias": ("LSTM", (3, 3), {"bias": 1}),
    "batch_first": ("LSTM", (3, 3), {"batch_first": 1}),
    "float size": ("LSTM", (3.0, 3), {}),
    "float hidden": ("LSTM", (3, 3.0), {}),
}


@pytest.mark.parametrize("name", MODULES)
def test_constructor_errors(name):
    kind, args, kwargs = MODULES[name]
    mine, theirs = (error_of(lambda d=d: getattr(d.nn, kind)(*args, **kwargs)) for d in (dlcore, torch))
    assert mine is theirs and mine is not None


CALLS = {
    "1-D input": lambda d, m: m(d.zeros(4)),
    "4-D input": lambda d, m: m(d.zeros(1, 1, 1, 4)),
    "features": lambda d, m: m(d.zeros(2, 1, 5)),
    "no steps": lambda d, m: m(d.zeros(0, 1, 4)),
    "dtype": lambda d, m: m(d.zeros(2, 1, 4, dtype=d.float64)),
    "hidden size": lambda d, m: m(d.zeros(2, 1, 4), d.zeros(1, 1, 6)),
    "hidden batch": lambda d, m: m(d.zeros(2, 1, 4), d.zeros(1, 2, 5)),
    "hidden layers": lambda d, m: m(d.zeros(2, 1, 4), d.zeros(2, 1, 5)),
    "hidden 2-D": lambda d, m: m(d.zeros(2, 1, 4), d.zeros(1, 5)),
    "hidden 3-D": lambda d, m: m(d.zeros(2, 4), d.zeros(1, 1, 5)),
}


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
@pytest.mark.parametrize("name", CALLS)
def test_call_errors(kind, name):
    mine, theirs = (error_of(lambda d=d: CALLS[name](d, getattr(d.nn, kind)(4, 5))) for d in (dlcore, torch))
    assert mine is theirs and mine is not None


def pack(d, shape, lengths, **kwargs):
    return d.nn.utils.rnn.pack_padded_sequence(d.zeros(*shape), d.tensor(lengths), **kwargs)


PACKS = {
    "rising": lambda d: pack(d, (3, 2, 1), [1, 3]),
    "zero": lambda d: pack(d, (3, 2, 1), [3, 0]),
    "negative": lambda d: pack(d, (3, 2, 1), [3, -1], enforce_sorted=False),
    "too few": lambda d: pack(d, (3, 2, 1), [3]),
    "no batch": lambda d: pack(d, (3, 0, 1), []),
    "total_length": lambda d: d.nn.utils.rnn.pad_packed_sequence(pack(d, (3, 2, 1), [3, 2]), total_length=2),
    "no sequences": lambda d: d.nn.utils.rnn.pad_sequence([]),
    "padding_side": lambda d: d.nn.utils.rnn.pad_sequence([d.zeros(2)], padding_side="up"),
    "not iterable": lambda d: d.nn.utils.rnn.pad_sequence(3),
    "rest differs": lambda d: d.nn.utils.rnn.pad_sequence([d.zeros(2, 3), d.zeros(2, 4)]),
}


@pytest.mark.parametrize("name", PACKS)
def test_packing_errors(name):
    mine, theirs = (error_of(lambda d=d: PACKS[name](d)) for d in (dlcore, torch))
    assert mine is theirs and mine is not None


def test_empty_batch():
    mine, theirs = twins("LSTM", 4, 5, bidirectional=True)
    for d, m in ((dlcore, mine), (torch, theirs)):
        y, (h, c) = m(d.zeros(3, 0, 4))
        assert tuple(y.shape) == (3, 0, 10) and tuple(h.shape) == (2, 0, 5) and tuple(c.shape) == (2, 0, 5)


@pytest.mark.parametrize(
    ("kind", "args", "kwargs"),
    [
        ("LSTM", (3, 4), {}),
        ("LSTM", (3, 4, 2), {"bias": False, "batch_first": True, "dropout": 0.5, "bidirectional": True}),
        ("LSTM", (3, 4), {"proj_size": 2}),
        ("GRU", (3, 4, 2), {"dropout": 0.25}),
        ("RNN", (3, 4), {"nonlinearity": "relu"}),
        ("RNNCell", (3, 4), {"nonlinearity": "relu", "bias": False}),
        ("LSTMCell", (3, 4), {}),
        ("GRUCell", (3, 4), {"bias": False}),
    ],
)
def test_repr_and_names(kind, args, kwargs):
    mine, theirs = twins(kind, *args, **kwargs)
    assert repr(mine) == repr(theirs)
    assert [n for n, _ in mine.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    if not kind.endswith("Cell"):
        assert [[tuple(w.shape) for w in ws] for ws in mine.all_weights] == [
            [tuple(w.shape) for w in ws] for ws in theirs.all_weights
        ]


def test_dropout_of_one_layer_warns():
    for d in (dlcore, torch):
        with pytest.warns(UserWarning, match="dropout"):
            d.nn.LSTM(2, 3, dropout=0.5)
