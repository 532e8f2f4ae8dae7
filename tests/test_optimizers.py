"""The optimizers beyond SGD and Adam: formulas, one pass, errors. tests/parity compares them with PyTorch's."""

import math

import numpy as np
import pytest

import dlcore
from dlcore import optim

GRADS = [0.5, -2.0, 0.25, 3.0, 0.0, 1.0, -0.5]


def parameter(*values):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=True)


def sign(x):
    return (x > 0) - (x < 0)


# --- formulas, on one number: a generator takes gradients (with the weight decay in them) and gives steps


def adagrad(lr=1e-2, lr_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    s, t, step = initial_accumulator_value, 0, None
    while True:
        g, t = (yield step), t + 1
        s += g * g
        step = lr / (1 + (t - 1) * lr_decay) * g / (math.sqrt(s) + eps)


def rmsprop(lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    s = a = b = 0.0
    step = None
    while True:
        g = yield step
        s = alpha * s + (1 - alpha) * g * g
        a = alpha * a + (1 - alpha) * g
        b = momentum * b + g / (math.sqrt(s - a * a if centered else s) + eps)
        step = lr * b


def adadelta(lr=1.0, rho=0.9, eps=1e-6):
    s = a = 0.0
    step = None
    while True:
        g = yield step
        s = rho * s + (1 - rho) * g * g
        d = math.sqrt(a + eps) / math.sqrt(s + eps) * g
        a = rho * a + (1 - rho) * d * d
        step = lr * d


def adamax(lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
    m = u = 0.0
    t, step = 0, None
    while True:
        g, t = (yield step), t + 1
        m = betas[0] * m + (1 - betas[0]) * g
        u = max(betas[1] * u, abs(g) + eps)
        step = lr / (1 - betas[0] ** t) * m / u


def nadam(lr=2e-3, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
    m = v = 0.0
    t, product, step = 0, 1.0, None
    while True:
        g, t = (yield step), t + 1
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        mu, after = (betas[0] * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
        product *= mu
        size = math.sqrt(v / (1 - betas[1] ** t)) + eps
        step = lr * ((1 - mu) / (1 - product) * g + after / (1 - product * after) * m) / size


def radam(lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    m = v = 0.0
    t, step = 0, None
    longest = 2 / (1 - betas[1]) - 1
    while True:
        g, t = (yield step), t + 1
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        bias = 1 - betas[1] ** t
        rho = longest - 2 * t * betas[1] ** t / bias
        step = lr * m / (1 - betas[0] ** t)
        if rho > 5:
            r = math.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
            step *= r * math.sqrt(bias) / (math.sqrt(v) + eps)


def lion(lr=1e-4, betas=(0.9, 0.99)):
    m, step = 0.0, None
    while True:
        g = yield step
        step = lr * sign(betas[0] * m + (1 - betas[0]) * g)
        m = betas[1] * m + (1 - betas[1]) * g


FORMULAS = {
    "Adagrad": (adagrad, [{}, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 0.1}]),
    "RMSprop": (
        rmsprop,
        [{}, {"momentum": 0.9}, {"centered": True, "alpha": 0.7}, {"centered": True, "momentum": 0.5, "eps": 0.1}],
    ),
    "Adadelta": (adadelta, [{}, {"lr": 0.5, "rho": 0.7, "eps": 1e-3}]),
    "Adamax": (adamax, [{}, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 0.1}]),
    "NAdam": (nadam, [{}, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 0.1, "momentum_decay": 0.3}]),
    "RAdam": (radam, [{}, {"lr": 0.1, "betas": (0.5, 0.8), "eps": 0.1}, {"betas": (0.9, 0.5)}]),
    "Lion": (lion, [{}, {"lr": 0.25, "betas": (0.5, 0.8)}]),
}
APART = {"NAdam": {"decoupled_weight_decay": True}, "RAdam": {"decoupled_weight_decay": True}}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name, maximize, decay):
    formula, cases = FORMULAS[name]
    ways = [{}, APART[name]] if decay and name in APART else [{}]
    for options in cases:
        for way in ways:
            p, expected = parameter(2.0), 2.0
            optimizer = getattr(optim, name)([p], **options, **way, weight_decay=decay, maximize=maximize)
            steps = formula(**options)
            next(steps)
            lr = optimizer.defaults["lr"]
            for g in GRADS:
                p.grad = dlcore.tensor([g], dtype=dlcore.float64)
                optimizer.step()
                g = -g if maximize else g
                if way or name == "Lion":
                    expected -= lr * decay * expected
                else:
                    g += decay * expected
                expected -= steps.send(g)
            # mu_product is kept in float32, as PyTorch keeps it.
            assert p.item() == pytest.approx(expected, rel=1e-6 if name == "NAdam" else 1e-13)


def test_a_parameter_that_joins_late_counts_its_own_steps():
    a, b = parameter(2.0), parameter(2.0)
    optimizer = optim.RAdam([a, b], lr=0.05, betas=(0.5, 0.8))
    alone = optim.RAdam([c := parameter(2.0)], lr=0.05, betas=(0.5, 0.8))
    for i, g in enumerate(GRADS):
        a.grad = dlcore.tensor([g], dtype=dlcore.float64)
        if i >= 3:
            b.grad = c.grad = dlcore.tensor([g], dtype=dlcore.float64)
            alone.step()
        optimizer.step()
    assert b.item() == c.item() != a.item()
    assert (optimizer.state[a]["step"], optimizer.state[b]["step"]) == (7, 4)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "Lion"])
def test_one_pass_over_many_sizes_is_the_same_for_any_number_of_threads(name):
    threads = dlcore.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            dlcore.set_num_threads(count)
            dlcore.manual_seed(5)
            params = [dlcore.randn(size).requires_grad_() for size in (3, 40_000, 1, 17_000, 16, 16, 100_000)]
            optimizer = getattr(optim, name)(params, lr=0.01)
            for _ in range(2):
                for p in params:
                    p.grad = dlcore.randn(p.shape)
                dlcore.nn.utils.clip_grad_norm_(params, 1.0)
                optimizer.step()
            results.append([p.detach().numpy().tobytes() for p in params])
    finally:
        dlcore.set_num_threads(threads)
    assert results[0] == results[1] == results[2]


def test_state_is_what_the_user_makes_of_it():
    p = parameter(1.0)
    optimizer = optim.Adam([p])
    p.grad = dlcore.ones_like(p)
    optimizer.state[p]["step"] = 4  # half a state
    with pytest.raises(KeyError, match="exp_avg"):
        optimizer.step()
    optimizer.state[p] = 3
    with pytest.raises(TypeError, match="state of a parameter must be a dict, but got int"):
        optimizer.step()
    optimizer.state[p] = {"step": "x", "exp_avg": p, "exp_avg_sq": p}
    with pytest.raises(TypeError):
        optimizer.step()
    optimizer.state[p] = {"step": 1, "exp_avg": p.detach()[:0], "exp_avg_sq": dlcore.zeros_like(p)}
    with pytest.raises(RuntimeError, match="exp_avgs\\[0\\] must have the parameter's shape"):
        optimizer.step()
    del optimizer.state[p]
    optimizer.step()
    assert optimizer.state[p]["step"] == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: optim.Adagrad(p, lr_decay=-1), "Invalid lr_decay value: -1"),
        (lambda p: optim.Adagrad(p, initial_accumulator_value=-1), "Invalid initial_accumulator_value value: -1"),
        (lambda p: optim.RMSprop(p, alpha=-1), "Invalid alpha value: -1"),
        (lambda p: optim.RMSprop(p, eps=-1), "Invalid epsilon value: -1"),
        (lambda p: optim.Adadelta(p, rho=1.5), "Invalid rho value: 1.5"),
        (lambda p: optim.Adamax(p, betas=(1.0, 0.5)), "Invalid beta parameter at index 0: 1.0"),
        (lambda p: optim.NAdam(p, momentum_decay=-1), "Invalid momentum_decay value: -1"),
        (lambda p: optim.RAdam(p, betas=(0.5, 2)), "Invalid beta parameter at index 1: 2"),
        (lambda p: optim.RAdam(p, betas=(0.5, 0.5, 0.5)), "betas must be two numbers, but got 3"),
        (lambda p: optim.Lion(p, lr=-1), "Invalid learning rate: -1"),
        (lambda p: optim.LBFGS(p, history_size=0), "Invalid history_size value: 0"),
        (lambda p: optim.LBFGS([{"params": p}, {"params": [parameter(1.0)]}]), "doesn't support per-parameter options"),
        (lambda p: optim.Muon(p), "Muon only supports 2D parameters"),
        (lambda p: optim.Muon([p[0].detach().reshape(1, 1)], momentum=-1), "momentum should be >= 0 but is: -1"),
        (lambda p: optim.Muon(p, adjust_lr_fn="x"), "Adjust learning rate function x is not supported"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make([parameter(1.0)])


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "Adagrad", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "Lion", "Muon", "LBFGS"]
)
def test_going_on_from_a_file(name, tmp_path):
    options = {"momentum": 0.9} if name == "SGD" else {"max_iter": 3} if name == "LBFGS" else {}
    params = [dlcore.ones(2, 3, requires_grad=True) for _ in range(2)]
    optimizers = [getattr(optim, name)([p], **options) for p in params]
    scale = dlcore.tensor([[1.0, 2.0, 3.0], [0.5, 0.1, 7.0]])

    def step(i):
        def closure():
            params[i].grad = None
            loss = (scale * (params[i] - 3) ** 4).sum()
            loss.backward()
            return loss

        optimizers[i].step(closure)

    for _ in range(3):
        step(0)
    dlcore.save({"p": params[0].detach(), "optimizer": optimizers[0].state_dict()}, tmp_path / "state")
    saved = dlcore.load(tmp_path / "state")
    with dlcore.no_grad():
        params[1].copy_(saved["p"])
    optimizers[1].load_state_dict(saved["optimizer"])
    for _ in range(3):
        step(0)
        step(1)
    assert params[0].tolist() == params[1].tolist() != dlcore.ones(2, 3).tolist()


def test_gradients_of_rows():
    """Adagrad steps as it does with the zeros written out; the others that would not say so."""
    tables = []
    for sparse in (False, True):
        dlcore.manual_seed(0)
        table = dlcore.nn.Embedding(6, 3, sparse=sparse)
        optimizer = optim.Adagrad(table.parameters(), lr=0.1)
        for i in range(4):
            optimizer.zero_grad()
            table(dlcore.tensor([1, 3, 3, i])).square().sum().backward()
            assert table.weight.grad.is_sparse == sparse
            optimizer.step()
        tables.append(table.weight.detach().numpy())
    np.testing.assert_allclose(*tables, rtol=1e-6)  # sums of a row's gradients round in another order
    with pytest.raises(RuntimeError, match="weight_decay option is not compatible with sparse gradients"):
        optim.Adagrad(table.parameters(), weight_decay=0.1).step()
    for name in ("Adam", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "Lion"):
        with pytest.raises(RuntimeError, match=f"{name} does not support sparse gradients"):
            getattr(optim, name)(table.parameters()).step()


# --- LBFGS


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_finds_the_bottom(search):
    x = parameter(0.8, 0.7)
    optimizer = optim.LBFGS([x], lr=1 if search else 0.3, max_iter=100, line_search_fn=search)

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(rosenbrock([0.8, 0.7]))
    assert rosenbrock(x.tolist()) < 1e-8


def test_lbfgs_line_search_meets_both_conditions():
    """Along the direction of the first step: lower by c1 of the slope, and flatter by c2."""
    x = parameter(-1.2, 1.0)
    optimizer = optim.LBFGS([x], max_iter=1, max_eval=25, line_search_fn="strong_wolfe")
    seen = []

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        seen.append((loss.item(), x.grad.clone()))
        return loss

    optimizer.step(closure)
    state = optimizer.state[x]
    d, (start, grad) = state["d"], seen[0]
    assert x.tolist() == pytest.approx((dlcore.tensor([-1.2, 1.0], dtype=dlcore.float64) + state["t"] * d).tolist())
    loss = closure().item()
    slope, first = x.grad.dot(d).item(), grad.dot(d).item()
    assert loss <= start + 1e-4 * state["t"] * first and abs(slope) <= 0.9 * abs(first)


def test_lbfgs_stops():
    x = parameter(0.0)
    optimizer = optim.LBFGS([x], max_iter=5, max_eval=3)
    calls = []

    def closure(slope=1.0):
        calls.append(1)
        x.grad = dlcore.full_like(x, slope)
        return x.detach().sum() * slope

    optimizer.step(closure)
    assert len(calls) == 3 and optimizer.state[x]["func_evals"] == 3
    at = x.item()
    optimizer.step(lambda: closure(0.0))
    assert x.item() == at
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS([x], line_search_fn="wolfe").step(closure)


# --- Muon


def test_muon_steps_are_nearly_orthogonal():
    dlcore.manual_seed(0)
    p = dlcore.randn(6, 10).requires_grad_()
    before = p.detach().clone()
    optimizer = optim.Muon([p], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False)
    p.grad = dlcore.randn(6, 10)
    optimizer.step()
    values = np.linalg.svd((before - p.detach()).numpy(), compute_uv=False)
    assert 0.6 < values.min() and values.max() < 1.3
    optimizer.param_groups[0]["ns_steps"] = 100
    with pytest.raises(ValueError, match="less than 100"):
        optimizer.step()


def test_the_first_step_of_lbfgs_is_short():
    """Nothing is known of the curvature: it goes along the gradient, by no more than 1 over the sum of its sizes."""
    for slopes, length in (([30.0, -10.0], 1 / 40), ([0.25, 0.5], 1.0)):
        p = dlcore.tensor([1.0, 2.0], dtype=dlcore.float64, requires_grad=True)
        optimizer = optim.LBFGS([p], lr=0.5, max_iter=1)
        slope = dlcore.tensor(slopes, dtype=dlcore.float64)

        def closure(p=p, optimizer=optimizer, slope=slope):
            optimizer.zero_grad()
            loss = (p * slope).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        assert p.tolist() == pytest.approx([x - 0.5 * length * g for x, g in zip((1.0, 2.0), slopes)], rel=1e-14)
