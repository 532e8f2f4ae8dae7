"""state_dict and load_state_dict: keys, reports, hooks, extra state."""

from collections import OrderedDict

import pytest

import dlcore
from dlcore import nn


def make():
    net = nn.Sequential(OrderedDict(first=nn.Linear(3, 4), act=nn.ReLU(), last=nn.Linear(4, 2, bias=False)))
    net.first.register_buffer("mean", dlcore.arange(3.0))
    net.first.register_buffer("scratch", dlcore.ones(1), persistent=False)
    net.first.register_buffer("none", None)
    return net


KEYS = ["first.weight", "first.bias", "first.mean", "last.weight"]


def test_state_dict():
    net = make()
    state = net.state_dict()
    assert isinstance(state, OrderedDict) and list(state) == KEYS
    assert state._metadata["first"] == {"version": 1}
    assert not state["first.weight"].requires_grad
    assert state["first.weight"].data_ptr() == net.first.weight.data_ptr()
    assert net.state_dict(keep_vars=True)["first.weight"] is net.first.weight
    assert list(net.state_dict(prefix="net.")) == ["net." + key for key in KEYS]
    mine = {}
    assert net.state_dict(destination=mine) is mine and list(mine) == KEYS


def test_load_copies_the_values():
    net, other = make(), make()
    before = list(net.parameters())
    result = net.load_state_dict(other.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert result.missing_keys == [] and result.unexpected_keys == []
    assert all(a is b for a, b in zip(net.parameters(), before, strict=True))
    for key, value in other.state_dict().items():
        assert dlcore.equal(net.state_dict()[key], value)
        assert net.state_dict()[key].data_ptr() != value.data_ptr()


def test_assign_takes_the_tensors():
    net = make()
    net.first.bias.requires_grad_(False)
    state = make().double().state_dict()
    net.load_state_dict(state, assign=True)
    assert net.first.weight.data_ptr() == state["first.weight"].data_ptr()
    assert net.first.weight.dtype == dlcore.float64
    assert isinstance(net.first.weight, nn.Parameter)
    assert net.first.weight.requires_grad and not net.first.bias.requires_grad
    assert net.first.mean is state["first.mean"]


def test_report_of_strict_loading():
    net, state = make(), make().state_dict()
    del state["first.bias"]
    state["first.extra"] = state["first.weight"]
    state["nowhere.weight"] = state["first.weight"]
    state["last.weight"] = dlcore.zeros(5, 5)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    lines = str(caught.value).split("\n\t")
    assert lines[0] == "Error(s) in loading state_dict for Sequential:"
    assert lines[1] == 'Missing key(s) in state_dict: "first.bias". '
    assert lines[2] == 'Unexpected key(s) in state_dict: "nowhere.weight", "first.extra". '
    assert lines[3].startswith("size mismatch for last.weight: copying a param with shape")
    assert lines[3].endswith("[2, 4]).") and len(lines) == 4


def test_loading_that_is_not_strict():
    net, state = make(), make().state_dict()
    del state["first.bias"]
    state["extra"] = dlcore.ones(1)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["first.bias"] and result.unexpected_keys == ["extra"]
    assert "missing_keys" in repr(result)
    state["last.weight"] = dlcore.zeros(5, 5)
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(state, strict=False)


def test_values_that_are_no_tensors():
    net, state = make(), make().state_dict()
    state["first.weight"] = [1, 2]
    with pytest.raises(RuntimeError, match='the parameter named "first.weight", expected a Tensor'):
        net.load_state_dict(state)
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>"):
        net.load_state_dict([])


def test_a_number_loads_from_one_element():
    module = nn.Module()
    module.scale = nn.Parameter(dlcore.tensor(1.0))
    module.load_state_dict({"scale": dlcore.tensor([4.0])})
    assert module.scale.shape == () and module.scale.item() == 4.0


def test_loading_does_not_change_the_dictionary_and_converts():
    net, state = make(), make().double().state_dict()
    net.load_state_dict(state)
    assert net.first.weight.dtype == dlcore.float32 and list(state) == KEYS


def test_hooks():
    net = make()
    seen = []
    net.first.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append(("pre", prefix, keep_vars)))

    def add(module, state, prefix, metadata):
        state[prefix + "added"] = dlcore.ones(1)

    handle = net.first.register_state_dict_post_hook(add)
    assert "first.added" in net.state_dict() and seen == [("pre", "first.", False)]
    handle.remove()
    assert "first.added" not in net.state_dict()
    with net.register_state_dict_post_hook(lambda *_: {}):
        with pytest.raises(RuntimeError, match="must return None"):
            net.state_dict()


def test_load_hooks():
    net, state = make(), make().state_dict()
    state["first.old"] = state.pop("first.weight")

    def rename(module, state, prefix, metadata, strict, missing, unexpected, errors):
        state[prefix + "weight"] = state.pop(prefix + "old")

    seen = []
    net.first.register_load_state_dict_pre_hook(rename)
    net.register_load_state_dict_post_hook(lambda module, keys: seen.append(keys.missing_keys))
    net.load_state_dict(state)
    assert seen == [[]]

    def forgive(module, keys):
        keys.missing_keys.clear()

    other = make()
    other.register_load_state_dict_post_hook(forgive)
    del state["first.bias"]
    state["first.weight"] = state.pop("first.old")
    other.load_state_dict(state)


def test_extra_state():
    class Extra(nn.Module):
        value = 1

        def get_extra_state(self):
            return {"value": self.value}

        def set_extra_state(self, state):
            self.value = state["value"]

    net, other = nn.Sequential(Extra()), nn.Sequential(Extra())
    net[0].value = 7
    state = net.state_dict()
    assert list(state) == ["0._extra_state"]
    other.load_state_dict(state)
    assert other[0].value == 7
    with pytest.raises(RuntimeError, match='Missing key.*"0._extra_state"'):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match='Unexpected key.*"_extra_state"'):
        nn.ReLU().load_state_dict({"_extra_state": 1})


def test_a_parameter_that_is_off_is_unexpected():
    net = nn.Linear(3, 2, bias=False)
    with pytest.raises(RuntimeError, match='Unexpected key.*"bias"'):
        net.load_state_dict(nn.Linear(3, 2).state_dict())
