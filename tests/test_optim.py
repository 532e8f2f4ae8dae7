"""Optimizers and schedules: formulas, groups, state, errors. tests/parity compares them with PyTorch's."""

import copy
import math

import pytest

import dlcore
from dlcore import nn, optim
from dlcore.optim.optimizer import Optimizer, required


def parameter(*values):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=True)


def set_grad(p, *values):
    p.grad = dlcore.tensor(values, dtype=p.dtype)


OPTIMIZERS = [
    lambda params: optim.SGD(params, lr=0.1),
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    lambda params: optim.Adam(params, lr=0.1),
    lambda params: optim.Adam(params, lr=0.1, amsgrad=True),
    lambda params: optim.AdamW(params, lr=0.1),
    lambda params: optim.Adagrad(params, lr=0.1),
    lambda params: optim.RMSprop(params, lr=0.1),
    lambda params: optim.RMSprop(params, lr=0.1, momentum=0.9, centered=True, eps=0.1),
    lambda params: optim.Adadelta(params, lr=0.1),
    lambda params: optim.Adamax(params, lr=0.1),
    lambda params: optim.NAdam(params, lr=0.1),
    lambda params: optim.RAdam(params, lr=0.1),
    lambda params: optim.Lion(params, lr=0.1),
]


# --- formulas, on one number


def sgd(p, grads, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    m = None
    for g in grads:
        g = (-g if maximize else g) + weight_decay * p
        if momentum:
            m = g if m is None else momentum * m + (1 - dampening) * g
            g = g + momentum * m if nesterov else m
        p -= lr * g
    return p


def adam(
    p, grads, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, decoupled=False, amsgrad=False, maximize=False
):
    m = v = top = 0.0
    for t, g in enumerate(grads, 1):
        g = -g if maximize else g
        if decoupled:
            p -= lr * weight_decay * p
        else:
            g += weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        top = max(top, v)
        p -= lr * (m / (1 - beta1**t)) / (math.sqrt((top if amsgrad else v) / (1 - beta2**t)) + eps)
    return p


GRADS = [0.5, -2.0, 0.25, 3.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_decay": 0.1},
        {"maximize": True, "weight_decay": 0.1},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.4, "weight_decay": 0.1},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.9, "maximize": True},
    ],
)
def test_sgd_formula(options):
    p = parameter(2.0)
    optimizer = optim.SGD([p], lr=0.05, **options)
    for g in GRADS:
        set_grad(p, g)
        optimizer.step()
    assert p.item() == pytest.approx(sgd(2.0, GRADS, 0.05, **options), rel=1e-14)


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
@pytest.mark.parametrize(
    "options",
    [{}, {"weight_decay": 0.1}, {"amsgrad": True}, {"maximize": True, "weight_decay": 0.2}, {"eps": 0.1}],
)
def test_adam_formula(kind, options):
    p = parameter(2.0)
    optimizer = getattr(optim, kind)([p], lr=0.05, betas=(0.8, 0.9), **options)
    for g in GRADS:
        set_grad(p, g)
        optimizer.step()
    options = {"weight_decay": 0.01 if kind == "AdamW" else 0.0, **options}
    expected = adam(2.0, GRADS, 0.05, 0.8, 0.9, decoupled=kind == "AdamW", **options)
    assert p.item() == pytest.approx(expected, rel=1e-13)


def test_a_parameter_that_joins_late_counts_its_own_steps():
    a, b = parameter(2.0), parameter(2.0)
    optimizer = optim.Adam([a, b], lr=0.05)
    momentum = optim.SGD([c := parameter(2.0), d := parameter(2.0)], lr=0.05, momentum=0.9, dampening=0.5)
    for i, g in enumerate(GRADS):
        for p in (a, c):
            set_grad(p, g)
        if i >= 3:
            for p in (b, d):
                set_grad(p, g)
        optimizer.step()
        momentum.step()
    assert b.item() == pytest.approx(adam(2.0, GRADS[3:], 0.05), rel=1e-13)
    assert a.item() == pytest.approx(adam(2.0, GRADS, 0.05), rel=1e-13)
    assert d.item() == pytest.approx(sgd(2.0, GRADS[3:], 0.05, 0.9, 0.5), rel=1e-13)
    assert c.item() == pytest.approx(sgd(2.0, GRADS, 0.05, 0.9, 0.5), rel=1e-13)


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.float64, dlcore.bfloat16, dlcore.float16])
def test_layouts_sizes_and_dtypes(make, dtype):
    """Any size and stride: each element moves as it would by itself."""
    shapes = [(), (0,), (1,), (7,), (33, 5), (2, 3, 4, 5)]
    params = [dlcore.randn(shape).to(dtype).requires_grad_() for shape in shapes]
    params.append(dlcore.randn(6, 4).to(dtype).t().requires_grad_())  # not contiguous
    alone = [[parameter_of(value, dtype) for value in p.detach().reshape(-1).tolist()] for p in params]
    optimizer = make(params)
    singles = make([p for each in alone for p in each])
    for _ in range(3):
        for p, each in zip(params, alone, strict=True):
            p.grad = dlcore.randn(p.shape).to(dtype)
            for q, g in zip(each, p.grad.reshape(-1).tolist(), strict=True):
                q.grad = dlcore.tensor(g, dtype=dtype)
        optimizer.step()
        singles.step()
    for p, each in zip(params, alone, strict=True):
        assert p.dtype == dtype
        assert p.detach().reshape(-1).tolist() == [q.item() for q in each]


def parameter_of(value, dtype):
    return dlcore.tensor(value, dtype=dtype, requires_grad=True)


# --- what people do with optimizers


def test_trains():
    dlcore.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    x = dlcore.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = dlcore.tensor([[0.0], [1], [1], [0]])
    optimizer = optim.Adam(net.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-2


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_parameters_without_gradient_stay(make):
    a, b = parameter(1.0), parameter(1.0)
    optimizer = make([a, b])
    set_grad(a, 1.0)
    optimizer.step()
    assert a.item() != 1.0 and b.item() == 1.0
    assert b not in optimizer.state or optimizer.state[b]["step"] == 0  # Adagrad's begins with the optimizer
    make([parameter(1.0)]).step()


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_the_learning_rate_can_be_changed(make):
    p = parameter(1.0)
    optimizer = make([p])
    optimizer.param_groups[0]["lr"] = 0.0
    set_grad(p, 1.0)
    optimizer.step()
    assert p.item() == 1.0
    optimizer.param_groups[0]["lr"] = dlcore.tensor(0.5)
    optimizer.step()
    assert p.item() != 1.0


def test_zero_grad():
    p = parameter(1.0)
    optimizer = optim.SGD([p])
    set_grad(p, 3.0)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.item() == 0.0
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.zero_grad(set_to_none=False)


def test_closure():
    p = parameter(3.0)
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with dlcore.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert p.item() == pytest.approx(3.0 - 0.1 * 6)
    assert optimizer.step() is None


def test_groups():
    a, b, c = parameter(1.0), parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": a}, {"params": iter([b]), "lr": 0.5}], lr=0.1, weight_decay=0.0)
    optimizer.add_param_group({"params": c, "lr": 0.25})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5, 0.25]
    assert optimizer.param_groups[0]["params"][0] is a and optimizer.param_groups[2]["momentum"] == 0
    for p in (a, b, c):
        set_grad(p, 1.0)
    optimizer.step()
    assert (a.item(), b.item(), c.item()) == (0.9, 0.5, 0.75)


def test_names():
    net = nn.Linear(2, 2)
    optimizer = optim.Adam(net.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert all(a is b for a, b in zip(optimizer.param_groups[0]["params"], net.parameters(), strict=True))
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="with/without names. cannot add param group without names"):
        optimizer.add_param_group({"params": [parameter(1.0)]})
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("a", parameter(1.0)), parameter(1.0)])


def test_repr():
    text = repr(optim.SGD([{"params": [parameter(1.0)]}, {"params": [parameter(1.0)], "lr": 0.5}], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n") and text.endswith("    weight_decay: 0\n)")
    assert "\nParameter Group 1\n" in text and "    lr: 0.5\n" in text


# --- errors


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD(parameter(1.0)), TypeError, "should be an iterable of Tensors or dicts, but got Tensor"),
        (lambda: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
        (lambda: optim.SGD([3]), TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
        (lambda: optim.SGD([parameter(1.0) * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: optim.SGD([{"params": {parameter(1.0)}}]), TypeError, "ordered collections"),
        (lambda: optim.SGD([parameter(1.0)], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda: optim.SGD([parameter(1.0)], lr=math.nan), ValueError, "Invalid learning rate: nan"),
        (lambda: optim.SGD([parameter(1.0)], lr=dlcore.ones(2)), ValueError, "must be 1-element"),
        (lambda: optim.SGD([parameter(1.0)], momentum=-1), ValueError, "Invalid momentum value: -1"),
        (lambda: optim.SGD([parameter(1.0)], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
        (lambda: optim.SGD([parameter(1.0)], nesterov=True), ValueError, "Nesterov momentum requires a momentum"),
        (lambda: optim.SGD([parameter(1.0)], fused=True, foreach=True), RuntimeError, "cannot be `True` together"),
        (lambda: optim.SGD([parameter(1.0)], differentiable=True), NotImplementedError, "differentiable"),
        (lambda: optim.Adam([parameter(1.0)], betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
        (lambda: optim.Adam([parameter(1.0)], betas=(0.9, -1)), ValueError, "Invalid beta parameter at index 1: -1"),
        (lambda: optim.Adam([parameter(1.0)], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda: optim.Adam([parameter(1.0)], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
        (lambda: optim.SGD([parameter(1.0)]).add_param_group([1]), TypeError, "param_group must be a dict"),
        (lambda: Optimizer([parameter(1.0)], {"lr": required}), ValueError, "required optimization parameter lr"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_parameter_twice():
    p = parameter(1.0)
    optimizer = optim.SGD([p])
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        optimizer.add_param_group({"params": [p]})
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])


def test_harmless_options_are_accepted():
    optim.Adam([parameter(1.0)], foreach=True, capturable=True)
    optim.SGD([parameter(1.0)], fused=True)


# --- saving


def run(optimizer, params, steps=3):
    for i in range(steps):
        for p in params:
            set_grad(p, *[0.1 * (i + 1)] * p.numel())
        optimizer.step()


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_going_on_from_a_state_dict_is_the_same(make):
    params = [parameter(1.0, 2.0), parameter(3.0)]
    optimizer = make(params)
    run(optimizer, params)
    twins = [p.detach().clone().requires_grad_() for p in params]
    other = make(twins)
    state = copy.deepcopy(optimizer.state_dict())
    other.load_state_dict(state)
    other.param_groups[0]["lr"] = state["param_groups"][0]["lr"]
    run(optimizer, params)
    run(other, twins)
    assert all(a.tolist() == b.tolist() for a, b in zip(params, twins, strict=True))


def test_layout_of_state_dict():
    params = [parameter(1.0, 2.0), parameter(3.0)]
    optimizer = optim.Adam([{"params": params[:1]}, {"params": params[1:]}], amsgrad=True)
    run(optimizer, params)
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert list(state["state"]) == [0, 1]
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert dlcore.is_tensor(state["state"][0]["step"]) and state["state"][0]["step"].item() == 3.0
    assert optim.SGD(params).state_dict()["state"] == {}


def test_loading_casts_to_the_parameter():
    p = parameter(1.0)
    optimizer = optim.Adam([p])
    run(optimizer, [p], 1)
    q = dlcore.tensor([1.0], requires_grad=True)
    other = optim.Adam([q])
    other.load_state_dict(optimizer.state_dict())
    assert other.state[q]["exp_avg"].dtype == dlcore.float32
    set_grad(q, 1.0)
    other.step()


def test_loading_checks_the_groups():
    optimizer = optim.SGD([parameter(1.0)])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(optim.SGD([{"params": parameter(1.0)}, {"params": parameter(1.0)}]).state_dict())
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optimizer.load_state_dict(optim.SGD([parameter(1.0), parameter(2.0)]).state_dict())


def test_hooks():
    p = parameter(1.0)
    optimizer = optim.SGD([p])
    seen = []
    first = optimizer.register_step_pre_hook(lambda optimizer, args, kwargs: seen.append("pre"))
    optimizer.register_step_post_hook(lambda optimizer, args, kwargs: seen.append("post"))
    optimizer.register_state_dict_post_hook(lambda optimizer, state: {**state, "note": 1})
    optimizer.register_load_state_dict_pre_hook(lambda optimizer, state: seen.append(state.pop("note")))
    optimizer.step()
    first.remove()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["pre", "post", "post", 1]


def test_deepcopy():
    p = parameter(1.0)
    optimizer = optim.SGD([p], momentum=0.9)
    run(optimizer, [p], 1)
    twin = copy.deepcopy(optimizer)
    (q,) = twin.param_groups[0]["params"]
    assert q is not p and twin.state[q]["momentum_buffer"].tolist() == optimizer.state[p]["momentum_buffer"].tolist()
    run(twin, [q], 1)
    assert q.item() != p.item()


def test_users_optimizer():
    class Signs(Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @dlcore.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad.sign(), alpha=-group["lr"])

    p = parameter(1.0)
    set_grad(p, 5.0)
    Signs([p], 0.25).step()
    assert p.item() == 0.75
