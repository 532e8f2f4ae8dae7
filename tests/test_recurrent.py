"""Recurrent layers: long sequences, threads, tiers of cutting the work, dropout, errors."""

import copy

import numpy as np
import pytest
from cases.recurrent import layer

import dlcore
from dlcore import nn
from dlcore.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

KINDS = {"LSTM": {}, "GRU": {}, "RNN": {}, "projected LSTM": {"proj_size": 5}, "relu RNN": {"nonlinearity": "relu"}}


def make(name, *args, **options):
    return getattr(nn, name.split()[-1])(*args, **{**KINDS[name], **options})


def states(out):
    return list(out) if isinstance(out, tuple) else [out]


@pytest.mark.parametrize("name", KINDS)
def test_ten_thousand_steps(name):
    """No recursion, nothing that grows: gradients of the last step are still finite, and those of weights right."""
    module = make(name, 3, 8, dtype=dlcore.float64)
    x = dlcore.randn(10_000, 1, 3, dtype=dlcore.float64, requires_grad=True)
    y, h = module(x)
    y.sum().backward()
    for t in (x.grad, *(p.grad for p in module.parameters()), *states(h)):
        assert bool(t.isfinite().all())
    # The same in parts that hand their states on.
    x2, parts, state = x.detach().clone().requires_grad_(), [], None
    for i in range(0, 10_000, 2_500):
        y2, state = module(x2[i : i + 2_500], state)
        parts.append(y2)
    grads = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    dlcore.cat(parts).sum().backward()
    assert bool(dlcore.allclose(dlcore.cat(parts), y, rtol=1e-10))
    assert bool(dlcore.allclose(x2.grad, x.grad, rtol=1e-8, atol=1e-10))
    for p, g in zip(module.parameters(), grads):
        assert bool(dlcore.allclose(p.grad, g, rtol=1e-8, atol=1e-6))


@pytest.mark.parametrize("name", KINDS)
def test_long_sequences_from_their_end(name):
    """More steps than x W_ih^T is computed for at once: the second direction is a layer that reads x from its end."""
    module = make(name, 2, 40, bidirectional=True, dtype=dlcore.float64)
    x = dlcore.randn(9_000, 1, 2, dtype=dlcore.float64, requires_grad=True)  # 2 MiB are 6,553 steps of one gate
    y = module(x)[0]
    dy = dlcore.randn(9_000, 1, y.shape[2], dtype=dlcore.float64)
    (dx,) = dlcore.autograd.grad(y, x, dy, retain_graph=True)
    with dlcore.no_grad():
        assert dlcore.equal(module(x)[0], y)  # inference, which keeps the gates of one part only
    results, total = [], 0
    for suffix, half in zip(("", "_reverse"), range(2)):
        alone = make(name, 2, 40, dtype=dlcore.float64)
        alone.load_state_dict({k: getattr(module, k + suffix) for k in alone.state_dict()})
        turned = (lambda t: t.flip(0)) if half else (lambda t: t)
        results.append(turned(alone(turned(x))[0]))
        total = total + dlcore.autograd.grad(results[-1], x, dy.chunk(2, 2)[half])[0]
    # The sums of a step are those of fewer units at a time, so roundings differ; layers forget them within some steps.
    assert dlcore.allclose(dlcore.cat(results, 2), y, rtol=1e-12, atol=1e-12)
    assert dlcore.allclose(total, dx, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("batch", "hidden"), [(1, 200), (40, 64), (33, 160), (2, 17)])
@pytest.mark.parametrize("name", KINDS)
def test_same_bits_for_any_thread_count(name, batch, hidden):
    module = make(name, 20, hidden, num_layers=2, bidirectional=True)
    x = dlcore.randn(9, batch, 20, requires_grad=True)
    lengths = dlcore.tensor([9 - i % 5 for i in range(batch)])
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    before = dlcore.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 7):
            dlcore.set_num_threads(threads)
            for argument in (x, packed):
                y, h = module(argument)
                y = y.data if argument is packed else y
                with dlcore.no_grad():
                    again = module(argument)[0]
                again = again.data if argument is packed else again
                out = [y, again, *states(h)]
                grads = dlcore.autograd.grad((y * y).sum() + sum(s.sum() for s in states(h)), [x, *module.parameters()],
                                             retain_graph=True)  # fmt: skip
                results.append([t.detach().numpy().tobytes() for t in (*out, *grads)])
    finally:
        dlcore.set_num_threads(before)
    assert all(r == results[0] for r in results[2::2]) and all(r == results[1] for r in results[3::2])
    assert results[0][0] == results[0][1]  # inference gives what training does


def test_packed_equals_each_sequence_alone():
    for name in KINDS:
        module = make(name, 4, 19, num_layers=2, bidirectional=True, dtype=dlcore.float64)
        lengths = [2, 7, 7, 1, 5]
        x = dlcore.randn(7, 5, 4, dtype=dlcore.float64)
        packed, h = module(pack_padded_sequence(x, lengths, enforce_sorted=False))
        y, _ = pad_packed_sequence(packed)
        for b, n in enumerate(lengths):
            alone, ha = module(x[:n, b])
            assert bool(dlcore.allclose(y[:n, b], alone, rtol=1e-12, atol=1e-13))
            assert bool((y[n:, b] == 0).all())
            for s, sa in zip(states(h), states(ha)):
                assert bool(dlcore.allclose(s[:, b], sa, rtol=1e-12, atol=1e-13))


def test_dropout_between_layers():
    module = nn.LSTM(3, 16, num_layers=2, dropout=0.5)
    x = dlcore.randn(5, 2, 3, requires_grad=True)
    dlcore.manual_seed(1)
    a = module(x)[0]
    dlcore.manual_seed(1)
    b = module(x)[0]
    assert bool((a == b).all()) and not bool((a == module(x)[0]).all())
    module.eval()
    assert bool((module(x)[0] == module(x)[0]).all())
    module.train()
    # dropout of everything: the second layer sees zeros, and no gradient reaches the first one
    module.dropout = 1.0
    y = module(x)[0]
    bare = nn.LSTM(16, 16)
    bare.load_state_dict({k.replace("_l1", "_l0"): v for k, v in module.state_dict().items() if "_l1" in k})
    assert bool(dlcore.allclose(y, bare(dlcore.zeros(5, 2, 16))[0]))
    y.sum().backward()
    assert bool((x.grad == 0).all())


def test_gradient_twice_is_refused():
    for kind in ("LSTM", "GRU", "RNN"):
        module, x = getattr(nn, kind)(2, 3), dlcore.randn(4, 1, 2, requires_grad=True)
        with pytest.raises(NotImplementedError, match="create_graph"):
            dlcore.autograd.grad(module(x)[0].sum(), x, create_graph=True)


def test_backward_twice_and_changed_parameters():
    module, x = nn.GRU(2, 3), dlcore.randn(4, 1, 2, requires_grad=True)
    y = module(x)[0].sum()
    (first,) = dlcore.autograd.grad(y, x, retain_graph=True)
    (second,) = dlcore.autograd.grad(y, x, retain_graph=True)
    assert bool((first == second).all())
    with dlcore.no_grad():
        module.weight_hh_l0.add_(1)
    with pytest.raises(RuntimeError):
        dlcore.autograd.grad(y, x)


def test_gradients_of_states_alone():
    """Only h_n or only c_n is used, and only some inputs want a gradient."""
    module = nn.LSTM(3, 5, bidirectional=True, dtype=dlcore.float64)
    x = dlcore.randn(4, 2, 3, dtype=dlcore.float64)
    h0, c0 = (dlcore.randn(2, 2, 5, dtype=dlcore.float64, requires_grad=True) for _ in range(2))
    for pick in (lambda y, h, c: h, lambda y, h, c: c, lambda y, h, c: y):

        def loss(h0, c0, pick=pick):
            y, (h, c) = module(x, (h0, c0))
            return (pick(y, h, c) ** 2).sum()

        assert dlcore.autograd.gradcheck(loss, (h0, c0))
    with dlcore.no_grad():
        for p in module.parameters():
            p.requires_grad_(False)
    y, (h, _) = module(x, (h0, c0))
    (g,) = dlcore.autograd.grad(h.sum(), [h0])
    assert bool(g.isfinite().all()) and bool((g != 0).any())


def test_half_types():
    for dtype, eps in ((dlcore.bfloat16, 2.0**-8), (dlcore.float16, 2.0**-11)):
        module = nn.LSTM(4, 6, dtype=dtype)
        x = dlcore.randn(3, 2, 4).to(dtype)
        y, (h, c) = module(x)
        wide = nn.LSTM(4, 6)
        wide.load_state_dict({k: v.float() for k, v in module.state_dict().items()})
        want, (hw, cw) = wide(x.float())
        for got, w in ((y, want), (h, hw), (c, cw)):
            assert got.dtype == dtype and bool(((got.float() - w).abs() <= eps).all())
        y.float().sum().backward()
        assert module.weight_hh_l0.grad.dtype == dtype


def test_initial_distribution():
    for module in (nn.LSTM(100, 64, 2), nn.GRUCell(100, 64)):
        values = np.concatenate([p.detach().numpy().ravel() for p in module.parameters()])
        bound = 64**-0.5
        assert np.abs(values).max() <= bound and abs(values.std() - bound / 3**0.5) < 0.01 * bound


def test_copies_and_state_dict():
    module = nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True)
    x = dlcore.randn(5, 2, 3)
    other = copy.deepcopy(module)
    assert bool((other(x)[0] == module(x)[0]).all())
    assert "weight_hr_l1_reverse" in module.state_dict() and module.flatten_parameters() is None
    packed = pack_padded_sequence(x, [5, 3])
    assert isinstance(copy.deepcopy(packed), PackedSequence) and packed.double().data.dtype == dlcore.float64


def test_reference_of_the_cases_is_the_formula():
    """One unit by hand: the reference that the case table trusts."""
    s = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    x, h, c = 0.3, -0.2, 0.7
    w, u = np.array([[0.1], [0.2], [-0.3], [0.4]]), np.array([[0.5], [-0.6], [0.7], [0.8]])
    a = (w * x + u * h)[:, 0]
    want_c = s(a[1]) * c + s(a[0]) * np.tanh(a[2])
    y, _, cn = layer("lstm", np.array([[x]]), [1], np.array([[[h]]]), np.array([[[c]]]), [(w, u)])
    assert np.isclose(y[0, 0], s(a[3]) * np.tanh(want_c)) and np.isclose(cn[0][0, 0], want_c)


def gru(x=None, sizes=None, h=None, features=2, hidden=3, params=None, layers=1):
    x = dlcore.zeros(5, features) if x is None else x
    params = params or [dlcore.zeros(3 * hidden, features), dlcore.zeros(3 * hidden, hidden)]
    sizes = [] if sizes is None else [dlcore.tensor(sizes, dtype=dlcore.int64)]
    return dlcore.gru(x, *sizes, h, params, False, layers, 0.0, False, False, *(() if sizes else (False,)))


HOSTILE = {
    "rising": lambda: gru(sizes=[2, 3]),
    "zero": lambda: gru(sizes=[5, 0]),
    "negative": lambda: gru(sizes=[6, -1]),
    "too many": lambda: gru(sizes=[3, 3]),
    "too few": lambda: gru(sizes=[3]),
    "none": lambda: gru(sizes=[]),
    "overflow": lambda: gru(sizes=[2**62, 2**62, 2**62, 2**62, 5]),
    "2-D sizes": lambda: gru(sizes=[[5]]),
    "float sizes": lambda: dlcore.gru(dlcore.zeros(5, 2), dlcore.ones(5), None, [], False, 1, 0.0, False, False),
    "integers": lambda: gru(dlcore.zeros(5, 1, 2, dtype=dlcore.int64)),
    "no steps": lambda: gru(dlcore.zeros(0, 1, 2)),
    "no hidden": lambda: gru(params=[dlcore.zeros(0, 2), dlcore.zeros(0, 0)], sizes=[5]),
    "weight_hh": lambda: gru(params=[dlcore.zeros(9, 2), dlcore.zeros(9, 4)], sizes=[5]),
    "weight_ih": lambda: gru(params=[dlcore.zeros(9, 3), dlcore.zeros(9, 3)], sizes=[5]),
    "vector weights": lambda: gru(params=[dlcore.zeros(9), dlcore.zeros(9)], sizes=[5]),
    "other dtype": lambda: gru(params=[dlcore.zeros(9, 2), dlcore.zeros(9, 3, dtype=dlcore.float64)], sizes=[5]),
    "no params": lambda: dlcore.gru(dlcore.zeros(5, 1, 2), None, [], False, 1, 0.0, False, False, False),
    "too many params": lambda: gru(params=[dlcore.zeros(9, 2)] * 3, sizes=[5]),
    "no layers": lambda: gru(sizes=[5], layers=0),
    "negative layers": lambda: gru(sizes=[5], layers=-1),
    "many layers": lambda: gru(sizes=[5], layers=2**62),
    "state": lambda: gru(sizes=[3, 2], h=dlcore.zeros(1, 2, 3)),
    "state dtype": lambda: gru(sizes=[5], h=dlcore.zeros(1, 5, 3, dtype=dlcore.float64)),
    "half a pair": lambda: dlcore.lstm(dlcore.zeros(5, 1, 2), [dlcore.zeros(1, 1, 3)], [dlcore.zeros(12, 2)], False, 1,
                                       0.0, False, False, False),
    "dropout": lambda: dlcore.gru(dlcore.zeros(5, 1, 2), None, [dlcore.zeros(9, 2), dlcore.zeros(9, 3)], False, 1, -1.0,
                                  True, False, False),
    "cell input": lambda: dlcore.gru_cell(dlcore.zeros(1, 1, 2), None, dlcore.zeros(9, 2), dlcore.zeros(9, 3)),
    "cell state": lambda: dlcore.gru_cell(dlcore.zeros(2), dlcore.zeros(4), dlcore.zeros(9, 2), dlcore.zeros(9, 3)),
    "cell rows": lambda: dlcore.lstm_cell(dlcore.zeros(2), [], dlcore.zeros(9, 2), dlcore.zeros(9, 3)),
    "one bias": lambda: dlcore.gru_cell(dlcore.zeros(2), None, dlcore.zeros(9, 2), dlcore.zeros(9, 3), dlcore.zeros(9)),
}  # fmt: skip


X = dlcore.zeros(3, 1, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.GRU(2, 3)([1.0]), "GRU: input must be a Tensor, but got list"),
        (lambda: nn.GRU(2, 3)(X, (X, X)), "GRU: hx must be a Tensor, but got tuple"),
        (lambda: nn.LSTM(2, 3)(X, (X, None)), r"LSTM: hx\[1\] must be a Tensor, but got NoneType"),
        (lambda: nn.RNNCell(2, 3)(None), "RNNCell: input must be a Tensor, but got NoneType"),
        (lambda: nn.LSTMCell(2, 3)(X[0], (X[0], 1)), r"LSTMCell: hx\[1\] must be a Tensor, but got int"),
    ],
)
def test_what_is_no_tensor(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_name_the_input(kind):
    with pytest.raises(RuntimeError, match=f"{kind}: input.size.* expected 2, got 4"):
        getattr(nn, kind)(2, 3)(dlcore.zeros(1, 4))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arguments(name):
    with pytest.raises((ValueError, TypeError, RuntimeError), match=": "):
        HOSTILE[name]()
