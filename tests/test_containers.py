"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

import copy
from collections import OrderedDict

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.profiler import profile


def layers(count):
    return [nn.Linear(i + 1, i + 2) for i in range(count)]


# --- Sequential


def test_sequential_chains():
    a, b = nn.Linear(3, 4), nn.Linear(4, 2)
    net = nn.Sequential(a, nn.ReLU(), b)
    x = dlcore.ones(5, 3)
    assert dlcore.equal(net(x), b(a(x).relu()))
    assert nn.Sequential()(x) is x
    named = nn.Sequential(OrderedDict(first=a, second=b))
    assert named.first is a and list(named._modules) == ["first", "second"]


def test_sequential_is_a_list():
    a, b, c, d = layers(4)
    net = nn.Sequential(a, b, c)
    assert len(net) == 3 and list(net) == [a, b, c] and net[0] is a and net[-1] is c
    part = net[1:]
    assert type(part) is nn.Sequential and list(part) == [b, c] and list(part._modules) == ["1", "2"]
    assert list(net + nn.Sequential(d)) == [a, b, c, d]
    assert list(net * 2) == [a, b, c] * 2 == list(2 * net)
    assert net.append(d) is net and list(net) == [a, b, c, d]
    assert net.pop(0) is a and list(net) == [b, c, d] and list(net._modules) == ["0", "1", "2"]
    net.insert(1, a)
    assert list(net) == [b, a, c, d]
    net.insert(-1, a)
    assert list(net) == [b, a, c, a, d]
    del net[1:4]
    assert list(net) == [b, d] and list(net._modules) == ["0", "1"]
    net[0] = c
    assert net[0] is c
    net += nn.Sequential(a)
    net.extend([b])
    assert list(net) == [c, d, a, b]
    net *= 2
    assert len(net) == 8
    net.extend(net[:1])
    assert len(net) == 9


def test_slices_of_a_subclass():
    class Mine(nn.Sequential):
        pass

    assert type(Mine(*layers(3))[:2]) is Mine


def test_sequential_errors():
    net = nn.Sequential(*layers(2))
    for index in (2, -3):
        with pytest.raises(IndexError, match=f"index {index} is out of range"):
            _ = net[index]
    with pytest.raises(IndexError, match="out of range"):
        net.insert(5, nn.Identity())
    with pytest.raises(AssertionError):
        net.insert(0, 3)
    with pytest.raises(ValueError, match="Sequential"):
        _ = net + [1]
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = net * 1.5
    with pytest.raises(ValueError, match="Non-positive"):
        _ = net * 0
    with pytest.raises(TypeError, match="not a Module subclass"):
        nn.Sequential(3)


# --- ModuleList


def test_module_list():
    a, b, c, d = layers(4)
    held = nn.ModuleList([a, b])
    assert held.append(c) is held and len(held) == 3 and list(held) == [a, b, c] and held[-1] is c
    assert type(held[1:]) is nn.ModuleList and list(held[1:]) == [b, c]
    held.insert(0, d)
    assert list(held) == [d, a, b, c]
    held.extend(iter([a]))
    held += [b]
    assert list(held) == [d, a, b, c, a, b]
    assert list(held + [c])[-1] is c
    del held[0]
    assert held.pop(1) is b and list(held) == [a, c, a, b]
    held[1] = d
    assert list(held) == [a, d, a, b] and [name for name, _ in held.named_children()] == ["0", "1", "3"]
    with pytest.raises(IndexError):
        _ = held[4]
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable, but got int"):
        held.extend(3)
    with pytest.raises(NotImplementedError):
        held(1)


def test_module_list_repr_counts_neighbours():
    held = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU()])
    assert repr(held) == (
        "ModuleList(\n  (0-1): 2 x Linear(in_features=1, out_features=1, bias=True)\n  (2): ReLU()\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    nested = nn.ModuleList([nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())])
    assert repr(nested) == "ModuleList(\n  (0-1): 2 x Sequential(\n    (0): ReLU()\n  )\n)"


# --- ModuleDict


def test_module_dict():
    a, b, c, _ = layers(4)
    held = nn.ModuleDict({"a": a, "b": b})
    assert held["a"] is a and "b" in held and len(held) == 2 and list(held) == ["a", "b"] == list(held.keys())
    held["c"] = c
    assert list(held.values()) == [a, b, c] and dict(held.items())["c"] is c
    held.update([("d", a), ["e", b]])
    assert list(held) == ["a", "b", "c", "d", "e"]
    held.update(nn.ModuleDict({"a": c}))
    assert held["a"] is c
    assert held.pop("b") is b and "b" not in held
    del held["c"]
    held.clear()
    assert len(held) == 0
    with pytest.raises(KeyError):
        held["keys"] = a  # a name the class itself uses
    with pytest.raises(TypeError, match="key/value pairs, but got int"):
        held.update(3)
    with pytest.raises(ValueError, match="#0 has length 3; 2 is required"):
        held.update([(1, 2, 3)])
    with pytest.raises(TypeError, match="#0 should be Iterable"):
        held.update([1])


# --- ParameterList and ParameterDict


def test_parameter_list():
    held = nn.ParameterList([dlcore.ones(2), nn.Parameter(dlcore.zeros(3)), "text"])
    assert all(isinstance(held[i], nn.Parameter) for i in (0, 1)) and held[2] == "text"
    assert [name for name, _ in held.named_parameters()] == ["0", "1"] and len(held) == 3
    held.append(dlcore.ones(1)).extend([dlcore.ones(1)])
    held += [dlcore.ones(1)]
    assert len(held) == 6 and len(held[:2]) == 2 and type(held[:2]) is nn.ParameterList
    held[0] = dlcore.full((2,), 5.0)
    assert held[0].tolist() == [5.0, 5.0] and held[-1].shape == (1,)
    assert [p.shape for p in held if isinstance(p, nn.Parameter)][:2] == [(2,), (3,)]
    assert repr(held[:3]).replace("torch", "dlcore") == (
        "ParameterList(\n"
        "    (0): Parameter containing: [dlcore.float32 of size 2]\n"
        "    (1): Parameter containing: [dlcore.float32 of size 3]\n"
        "    (2): Object of type: str\n"
        ")"
    )
    with pytest.raises(IndexError):
        _ = held[6]
    with pytest.raises(TypeError, match="but got Tensor|but got Parameter"):
        held.extend(dlcore.ones(2))
    with pytest.raises(RuntimeError, match="should not be called"):
        held(1)


def test_parameter_dict():
    held = nn.ParameterDict({"b": dlcore.ones(2), "a": dlcore.ones(1)})
    assert list(held) == ["a", "b"]  # a plain dictionary is taken in sorted order
    assert list(nn.ParameterDict(OrderedDict(b=dlcore.ones(2), a=dlcore.ones(1)))) == ["b", "a"]
    assert isinstance(held["a"], nn.Parameter) and [name for name, _ in held.named_parameters()] == ["a", "b"]
    held["n"] = 3
    assert held["n"] == 3 and "n" in held and len(held) == 3 and list(reversed(held)) == ["n", "b", "a"]
    assert held.get("zzz") is None and held.get("n") == 3
    assert held.setdefault("m", 4) == 4 and held.setdefault("m", 5) == 4
    assert held.popitem() == ("m", 4) and held.pop("n") == 3
    twin = held.copy()
    assert twin["a"] is held["a"]
    joined = held | nn.ParameterDict({"z": dlcore.ones(1)})
    assert list(joined) == ["a", "b", "z"] and list(held) == ["a", "b"]
    held |= {"y": dlcore.ones(1)}
    assert list(held.keys()) == ["a", "b", "y"]
    assert [value.shape for value in held.values()] == [(1,), (2,), (1,)]
    del held["y"]
    assert list(held.fromkeys(["p", "q"], 1).items()) == [("p", 1), ("q", 1)]
    held.clear()
    assert len(held) == 0 and not list(held.parameters())
    with pytest.raises(TypeError, match="must be a string"):
        held[1] = dlcore.ones(1)
    with pytest.raises(RuntimeError, match="should not be called"):
        held(1)


def test_containers_can_be_copied():
    net = nn.Sequential(nn.ModuleList(layers(2)), nn.ModuleDict({"a": nn.ReLU()}), nn.ParameterList([dlcore.ones(2)]))
    twin = copy.deepcopy(net)
    assert repr(twin) == repr(net) and list(twin.state_dict()) == list(net.state_dict())
    assert twin[2][0] is not net[2][0]


# --- a chain's ReLUs and ReLU6s run with the layer before them


def chain():
    dlcore.manual_seed(3)
    first = nn.Conv2d(3, 16, 3), nn.ReLU()
    return nn.Sequential(*first, nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.ReLU())


def outcome(net, x):
    net.zero_grad()
    x = x.clone().requires_grad_()
    y = net(x)
    y.square().sum().backward()
    return [t.detach().numpy().copy() for t in (y, x.grad, *(p.grad for p in net.parameters()), *net.buffers())]


def test_a_chain_computes_what_its_modules_compute():
    x = dlcore.randn(2, 3, 9, 8)
    watched = chain()
    seen = []
    for module in watched:
        module.register_forward_hook(lambda module, args, y: seen.append((type(module), float(y.min()))))
    apart = outcome(watched, x)
    assert [kind for kind, _ in seen] == [type(m) for m in watched]
    assert seen[0][1] < 0 and seen[1][1] == 0  # what hooks see is not yet the ReLU's result
    for got, expected in zip(outcome(chain(), x), apart):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)


def test_a_chain_respects_subclasses_and_replaced_methods():
    class Doubled(nn.Conv2d):
        def forward(self, input):
            return 2 * super().forward(input)

    x = dlcore.randn(2, 3, 6, 6)
    net = nn.Sequential(Doubled(3, 4, 3), nn.ReLU())
    expected = (2 * nn.functional.conv2d(x, net[0].weight, net[0].bias)).relu()
    np.testing.assert_array_equal(net(x).detach().numpy(), expected.detach().numpy())
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    net[0].forward = lambda input: input - 1
    np.testing.assert_array_equal(net(x).numpy(), (x - 1).relu().numpy())


def test_a_chain_runs_a_relu6_with_the_layer_before_it():
    conv, norm, x = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), 9 * dlcore.randn(2, 3, 6, 6)
    expected = nn.functional.relu6(conv(x))
    with profile() as p:
        y = nn.Sequential(conv, nn.ReLU6())(x)
    assert dlcore.equal(y, expected) and {e.name for e in p.events()} == {"conv2d"}
    expected = nn.functional.relu6(norm(conv(x)))
    with profile() as p:
        y = nn.Sequential(conv, norm, nn.ReLU6(inplace=True))(x)
    names = {e.name for e in p.events()}
    assert dlcore.equal(y, expected) and "batch_norm_act" in names and "hardtanh" not in names
