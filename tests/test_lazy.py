"""Lazy modules: shapes from the first input, or from a state_dict."""

import copy

import pytest

import dlcore
from dlcore import nn, optim
from dlcore.nn.lazy import LazyModuleMixin


@pytest.mark.parametrize(
    ("lazy", "real", "shape", "weight"),
    [
        (lambda: nn.LazyLinear(5), lambda: nn.Linear(7, 5), (2, 7), (5, 7)),
        (lambda: nn.LazyLinear(5, bias=False), lambda: nn.Linear(7, 5, bias=False), (7,), (5, 7)),
        (lambda: nn.LazyConv2d(6, 3, padding=1), lambda: nn.Conv2d(4, 6, 3, padding=1), (2, 4, 9, 9), (6, 4, 3, 3)),
        (
            lambda: nn.LazyConv2d(6, (3, 2), groups=2),
            lambda: nn.Conv2d(4, 6, (3, 2), groups=2),
            (4, 9, 9),
            (6, 2, 3, 2),
        ),
    ],
)
def test_becomes_real(lazy, real, shape, weight):
    module, expected = lazy(), real()
    assert type(module).__name__ in repr(module) and module.has_uninitialized_params()
    assert repr(module.weight) == "<UninitializedParameter>"
    held = module.weight
    output = module(dlcore.ones(shape))
    assert type(module) is type(expected) and repr(module) == repr(expected)
    assert module.weight is held and type(held) is nn.Parameter and held.shape == weight
    assert output.shape == expected(dlcore.ones(shape)).shape
    assert list(module.state_dict()) == list(expected.state_dict())
    assert not module._forward_pre_hooks and not module._load_state_dict_pre_hooks


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_convolutions_of_every_dimension(kind, dims):
    """With the weights of the real one it is the real one, with a batch and without."""
    name, options = f"{kind}{dims}d", {"stride": 2, "groups": 2, "padding": 1, "dilation": 2}
    shape = (4, *(7, 8, 9)[:dims])
    real = getattr(nn, name)(4, 6, 3, **options)
    for x in (dlcore.randn(shape), dlcore.randn(2, *shape)):
        lazy = getattr(nn, f"Lazy{name}")(6, 3, **options)
        lazy(x)
        assert type(lazy) is type(real) and repr(lazy) == repr(real)
        lazy.load_state_dict(real.state_dict())
        assert dlcore.equal(lazy(x), real(x))
    with pytest.raises(RuntimeError, match=name):
        getattr(nn, f"Lazy{name}")(6, 3, **options)(dlcore.ones(4))


def test_values_are_drawn_as_the_real_module_draws_them():
    dlcore.manual_seed(0)
    module = nn.LazyLinear(50)
    module(dlcore.ones(1, 100))
    assert module.weight.abs().max() <= 0.1 and module.weight.abs().max() > 0.09
    assert module.bias.abs().max() <= 0.1 and module.bias.std() > 0.03


def test_the_optimizer_sees_the_parameter_become_real():
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1))
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    x = dlcore.ones(3, 2)
    net(x)
    before = net[0].weight.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()
    assert optimizer.param_groups[0]["params"][0] is net[0].weight
    assert (net[2].weight.grad is not None) and not dlcore.equal(before, net[0].weight)


def test_use_before_the_shape_is_known():
    module = nn.LazyLinear(3)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized"):
        _ = module.weight.shape
    with pytest.raises(ValueError, match="uninitialized parameter in sum"):
        module.weight.sum()
    module.double()
    module(dlcore.ones(2, 4, dtype=dlcore.float64))
    assert module.weight.dtype == dlcore.float64


def test_load_into_a_lazy_module():
    saved = nn.Linear(7, 5)
    module = nn.LazyLinear(5)
    module.load_state_dict(saved.state_dict())
    assert dlcore.equal(module.weight, saved.weight) and not module.has_uninitialized_params()
    x = dlcore.ones(1, 7)
    assert dlcore.equal(module(x), saved(x))
    assert type(module) is nn.Linear and module.in_features == 7
    convolution = nn.LazyConv2d(4, 3, groups=2)
    convolution.load_state_dict(nn.Conv2d(6, 4, 3, groups=2).state_dict())
    convolution(dlcore.ones(1, 6, 5, 5))
    assert convolution.in_channels == 6


def test_lazy_state_round_trip():
    module, other = nn.LazyLinear(5), nn.LazyLinear(5)
    state = module.state_dict()
    assert isinstance(state["weight"], nn.UninitializedParameter)
    other.load_state_dict(state)
    assert other.has_uninitialized_params()
    with pytest.raises(RuntimeError, match="uninitialized"):
        nn.Linear(7, 5).load_state_dict(state)


def test_deepcopy_before_and_after():
    module = nn.LazyLinear(5)
    twin = copy.deepcopy(module)
    twin(dlcore.ones(1, 3))
    assert type(twin) is nn.Linear and type(module) is nn.LazyLinear and module.has_uninitialized_params()
    module(dlcore.ones(1, 4))
    assert module.in_features == 4 and twin.in_features == 3 and copy.deepcopy(module).weight.shape == (5, 4)


def test_wrong_inputs():
    with pytest.raises(RuntimeError, match="Expected 3D .unbatched. or 4D .batched. input to LazyConv2d"):
        nn.LazyConv2d(4, 3)(dlcore.ones(2, 2))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        nn.LazyConv2d(4, 3, groups=2)(dlcore.ones(1, 3, 5, 5))
    with pytest.raises(ValueError, match="out_channels must be divisible by groups"):
        nn.LazyConv2d(5, 3, groups=2)


def test_users_lazy_module():
    class Scale(LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.UninitializedParameter()
            self.register_buffer("seen", nn.UninitializedBuffer())

        def initialize_parameters(self, x):
            if self.has_uninitialized_params():
                with dlcore.no_grad():
                    self.scale.materialize(x.shape[1:])
                    self.scale.fill_(2)
                    self.seen.materialize((1,), dtype=dlcore.int64)
                    self.seen.fill_(0)

        def forward(self, x):
            return x * self.scale

    module = Scale()
    assert module(dlcore.ones(2, 3)).tolist() == [[2.0] * 3] * 2
    assert type(module) is Scale and type(module.seen) is nn.Buffer and module.seen.dtype == dlcore.int64

    class Forgets(Scale):
        def initialize_parameters(self, x):
            pass

    with pytest.raises(RuntimeError, match="has not been fully initialized"):
        Forgets()(dlcore.ones(2, 3))
