"""nn.Module: attributes, registration, traversal, conversion, copies."""

import abc
import copy
import gc
import weakref

import pytest

import dlcore
from dlcore import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.out = nn.Linear(4, 2, bias=False)
        self.register_buffer("mean", dlcore.zeros(3))
        self.register_buffer("scratch", dlcore.ones(1), persistent=False)

    def forward(self, x, scale=1):
        return self.out(self.hidden(x)) * scale


def names(pairs):
    return [name for name, _ in pairs]


# --- calling


def test_call_runs_forward():
    net = Net()
    x = dlcore.ones(2, 3)
    expected = net.forward(x)
    assert dlcore.equal(net(x), expected)
    assert dlcore.equal(net(x, 2), expected * 2)
    assert dlcore.equal(net(x, scale=2), expected * 2)
    assert dlcore.equal(net(x=x), expected)


def test_forward_of_the_instance_and_many_arguments():
    class Count(nn.Module):
        def forward(self, *args, **kwargs):
            return len(args), sorted(kwargs)

    module = Count()
    assert module(*range(12), a=1) == (12, ["a"])
    assert module() == (0, [])
    module.forward = lambda x: x + 1
    assert module(1) == 2
    del module.forward
    assert module(1) == (1, [])


def test_forward_may_be_any_descriptor():
    class Static(nn.Module):
        @staticmethod
        def forward(x):
            return x + 1

    class Class(nn.Module):
        @classmethod
        def forward(cls, x):
            return cls, x

    assert Static()(1) == 2
    assert Class()(1) == (Class, 1)


def test_forward_is_required():
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        nn.Module()(1)


def test_errors_of_forward_pass_through():
    class Fails(nn.Module):
        def forward(self):
            raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        Fails()()
    with pytest.raises(TypeError, match="forward"):
        Fails()(1)


# --- attributes


def test_registered_names_are_attributes():
    net = Net()
    assert net.hidden is net._modules["hidden"]
    assert net.mean is net._buffers["mean"]
    assert net.hidden.weight is net.hidden._parameters["weight"]
    assert "weight" not in net.hidden.__dict__
    assert {"hidden", "mean", "training", "forward"} <= set(dir(net))
    assert "0" not in dir(nn.Sequential(net))
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'missing'"):
        _ = net.missing
    assert not hasattr(net, "missing")
    assert getattr(net, "missing", 5) == 5


def test_assignment_moves_a_name_between_kinds():
    module = nn.Module()
    parameter, child = nn.Parameter(dlcore.ones(2)), nn.Identity()
    module.x = 3
    assert module.__dict__["x"] == 3
    module.x = parameter
    assert "x" not in module.__dict__ and list(module.parameters()) == [parameter]
    module.x = child
    assert not list(module.parameters()) and list(module.children()) == [child]
    module.x = nn.Buffer(dlcore.ones(2), persistent=False)
    assert not list(module.children()) and names(module.named_buffers()) == ["x"]
    assert not module.state_dict()
    module.x = None
    assert module.x is None and "x" in module._buffers
    del module.x
    assert not hasattr(module, "x")
    with pytest.raises(AttributeError):
        del module.x


def test_none_keeps_the_place_of_a_parameter_and_a_child():
    net = Net()
    net.hidden.bias = None
    assert net.hidden.bias is None and names(net.named_parameters()) == ["hidden.weight", "out.weight"]
    net.hidden = None
    assert net.hidden is None and names(net.named_parameters()) == ["out.weight"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weight", 1, "as parameter 'weight' .nn.Parameter or None expected"),
        ("weight", "text", "as parameter 'weight'"),
        ("child", 1, "as child module 'child' .nn.Module or None expected"),
        ("mean", 1, "as buffer 'mean' .nn.Buffer, Tensor or None expected"),
    ],
)
def test_assigning_another_type_is_an_error(name, value, message):
    module = nn.Linear(2, 2)
    module.child = nn.Identity()
    module.register_buffer("mean", dlcore.ones(2))
    with pytest.raises(TypeError, match=message):
        setattr(module, name, value)


def test_a_tensor_does_not_replace_a_parameter():
    with pytest.raises(TypeError, match="as parameter 'weight'"):
        nn.Linear(2, 2).weight = dlcore.ones(2, 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (nn.Parameter(dlcore.ones(1)), "cannot assign parameters before Module"),
        (nn.Identity(), "cannot assign module before Module"),
        (nn.Buffer(dlcore.ones(1)), "cannot assign buffers before Module"),
    ],
)
def test_nothing_is_registered_before_init(value, message):
    class Early(nn.Module):
        def __init__(self):
            self.x = value

    with pytest.raises(AttributeError, match=message):
        Early()


def test_plain_attributes_may_be_set_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.x = 1
            super().__init__()

    assert Early().x == 1


@pytest.mark.parametrize("register", ["register_buffer", "register_parameter", "add_module", "register_module"])
def test_register_checks_the_name(register):
    module = nn.Linear(2, 2)
    call = getattr(module, register)
    with pytest.raises(KeyError, match=r'contain "\."'):
        call("a.b", None)
    with pytest.raises(KeyError, match="be empty string"):
        call("", None)
    with pytest.raises(TypeError, match="name should be a string. Got int"):
        call(3, None)
    with pytest.raises(KeyError, match="attribute 'in_features' already exists"):
        call("in_features", None)
    with pytest.raises(KeyError, match="attribute 'forward' already exists"):
        call("forward", None)


def test_register_checks_the_value():
    module = nn.Module()
    with pytest.raises(TypeError, match="to buffer 'x'"):
        module.register_buffer("x", 3)
    with pytest.raises(TypeError, match="to parameter 'x'"):
        module.register_parameter("x", dlcore.ones(2))
    with pytest.raises(TypeError, match="is not a Module subclass"):
        module.add_module("x", 3)
    leaf = dlcore.ones(2, requires_grad=True)
    with pytest.raises((TypeError, ValueError)):
        module.register_parameter("x", leaf * 2)
    with pytest.raises(AttributeError, match="cannot assign buffer before"):
        nn.Module.__new__(nn.Module).register_buffer("x", None)


def test_init_takes_no_arguments():
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        nn.Module(size=3)
    with pytest.raises(TypeError, match="takes 1 positional argument but 3 were given"):
        nn.Module(1, 2)


def test_properties():
    class WithProperty(nn.Module):
        def __init__(self):
            super().__init__()
            self._size = 1

        @property
        def size(self):
            return self._size

        @size.setter
        def size(self, value):
            self._size = value

        @property
        def broken(self):
            return self.nothing

    module = WithProperty()
    module.size = 7
    assert module.size == 7 and module._size == 7
    with pytest.raises(AttributeError, match="nothing"):  # what really was missing
        _ = module.broken


class Mixin:
    def __init__(self):
        self.mixed = True

    def greet(self):
        return "hello"


@pytest.mark.parametrize("order", ["mixin first", "module first"])
def test_mixins(order):
    bases = (Mixin, nn.Module) if order == "mixin first" else (nn.Module, Mixin)

    def init(self):
        nn.Module.__init__(self)
        Mixin.__init__(self)
        self.layer = nn.Linear(2, 2)

    kind = type("Mixed", bases, {"__init__": init, "forward": lambda self, x: self.layer(x)})
    module = kind()
    assert module.mixed and module.greet() == "hello"
    assert module(dlcore.ones(1, 2)).shape == (1, 2)
    assert names(module.named_parameters()) == ["layer.weight", "layer.bias"]
    twin = copy.deepcopy(module)
    assert twin.mixed and twin.layer.weight is not module.layer.weight


def test_abstract_base_and_slots_of_mixins():
    class Abstract(nn.Module, abc.ABC):
        @abc.abstractmethod
        def forward(self, x): ...

    class Slotted:
        __slots__ = ()

    class Real(Slotted, Abstract):
        def forward(self, x):
            return x

    with pytest.raises(TypeError, match="abstract"):
        Abstract()
    assert Real()(3) == 3


def test_call_super_init():
    class Takes:
        def __init__(self, value):
            self.value = value

    class Cooperative(nn.Module, Takes):
        call_super_init = True

    assert Cooperative(4).value == 4


def test_init_subclass_of_others_still_runs():
    seen = []

    class Registry:
        def __init_subclass__(cls, tag=None, **kwargs):
            super().__init_subclass__(**kwargs)
            seen.append((cls.__name__, tag))

    class Tagged(nn.Module, Registry, tag="x"):
        pass

    assert seen == [("Tagged", "x")]


def test_getattr_of_a_subclass():
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.module, name)

    inner = nn.Linear(2, 3)
    wrapper = Wrapper(inner)
    assert wrapper.module is inner and wrapper.in_features == 2 and wrapper.weight is inner.weight
    with pytest.raises(AttributeError, match="missing"):
        _ = wrapper.missing


def test_getattribute_of_a_subclass():
    class Loud(nn.Linear):
        def __getattribute__(self, name):
            if name == "answer":
                return 42
            return super().__getattribute__(name)

    module = Loud(2, 2)
    assert module.answer == 42 and module.weight.shape == (2, 2)


# --- walking


def test_walks():
    net = Net()
    assert names(net.named_parameters()) == ["hidden.weight", "hidden.bias", "out.weight"]
    assert names(net.named_parameters(prefix="net")) == ["net.hidden.weight", "net.hidden.bias", "net.out.weight"]
    assert names(net.named_parameters(recurse=False)) == []
    assert names(net.named_buffers()) == ["mean", "scratch"]
    assert names(net.named_modules()) == ["", "hidden", "out"]
    assert names(net.named_children()) == ["hidden", "out"]
    assert [type(module) for module in net.modules()] == [Net, nn.Linear, nn.Linear]


def test_shared_members_appear_once():
    net = Net()
    net.again = net.hidden
    assert names(net.named_modules()) == ["", "hidden", "out"]
    assert names(net.named_modules(remove_duplicate=False)) == ["", "hidden", "out", "again"]
    assert len(list(net.parameters())) == 3
    assert names(net.named_parameters(remove_duplicate=False))[-2:] == ["again.weight", "again.bias"]
    net.out.weight = net.hidden.weight
    assert names(net.named_parameters()) == ["hidden.weight", "hidden.bias"]


def test_get_by_dotted_name():
    net = nn.Sequential(Net(), nn.ReLU())
    assert net.get_submodule("") is net
    assert net.get_submodule("0.hidden") is net[0].hidden
    assert net.get_parameter("0.hidden.weight") is net[0].hidden.weight
    assert net.get_buffer("0.mean") is net[0].mean
    for get, target, message in [
        (net.get_submodule, "0.nothing", "Net has no attribute `nothing`"),
        (net.get_submodule, "0.mean", "`mean` is not an nn.Module"),
        (net.get_parameter, "0.mean", "`mean` is not an nn.Parameter"),
        (net.get_parameter, "0.nothing", "Net has no attribute `nothing`"),
        (net.get_buffer, "0.hidden.weight", "`weight` is not a buffer"),
    ]:
        with pytest.raises(AttributeError, match=message):
            get(target)


def test_set_submodule():
    net = nn.Sequential(Net(), nn.ReLU())
    net.set_submodule("0.hidden", nn.Identity())
    assert isinstance(net[0].hidden, nn.Identity)
    with pytest.raises(ValueError, match="without a target name"):
        net.set_submodule("", nn.Identity())
    with pytest.raises(AttributeError, match="no attribute `other`"):
        net.set_submodule("0.other", nn.Identity(), strict=True)


def test_apply_visits_children_first():
    seen = []
    net = Net()
    assert net.apply(seen.append) is net
    assert seen == [net.hidden, net.out, net]


# --- changing the whole


def test_train_and_eval():
    net = nn.Sequential(Net(), nn.Dropout())
    assert net.training
    assert net.eval() is net and not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")


def test_requires_grad_and_zero_grad():
    net = Net()
    net(dlcore.ones(1, 3)).sum().backward()
    gradient = net.out.weight.grad
    assert gradient is not None
    net.zero_grad(set_to_none=False)
    assert net.out.weight.grad is not None and not net.out.weight.grad.any()
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())
    net.requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert not net(dlcore.ones(1, 3)).requires_grad


@pytest.mark.parametrize(
    ("convert", "dtype"),
    [
        (lambda m: m.double(), dlcore.float64),
        (lambda m: m.half(), dlcore.float16),
        (lambda m: m.bfloat16(), dlcore.bfloat16),
        (lambda m: m.double().float(), dlcore.float32),
        (lambda m: m.to(dlcore.float64), dlcore.float64),
        (lambda m: m.to(dtype=dlcore.float64), dlcore.float64),
        (lambda m: m.to("cpu", dlcore.float64), dlcore.float64),
        (lambda m: m.to(dlcore.zeros(1, dtype=dlcore.float64)), dlcore.float64),
        (lambda m: m.to("cpu"), dlcore.float32),
        (lambda m: m.cpu(), dlcore.float32),
    ],
)
def test_conversion_keeps_the_parameters(convert, dtype):
    net = Net()
    net.register_buffer("count", dlcore.zeros(1, dtype=dlcore.int64))
    net(dlcore.ones(1, 3)).sum().backward()
    before = list(net.parameters())
    values = [parameter.tolist() for parameter in before]
    assert convert(net) is net
    after = list(net.parameters())
    assert all(a is b for a, b in zip(after, before, strict=True))
    assert all(p.dtype == dtype and p.grad.dtype == dtype and p.requires_grad and p.is_leaf for p in after)
    assert net.mean.dtype == dtype and net.count.dtype == dlcore.int64
    if dtype != dlcore.float16 and dtype != dlcore.bfloat16:
        assert [parameter.tolist() for parameter in after] == values


def test_to_refuses():
    with pytest.raises(TypeError, match="only accepts floating point"):
        Net().to(dlcore.int32)
    with pytest.raises(TypeError):
        Net().to(dtype="float32")


def test_to_empty_and_type():
    net = Net().to_empty(device="cpu")
    assert net.hidden.weight.shape == (4, 3)
    assert Net().type(dlcore.float64).mean.dtype == dlcore.float64


# --- text


def test_repr():
    net = nn.Sequential(Net(), nn.ReLU(inplace=True))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Net(\n"
        "    (hidden): Linear(in_features=3, out_features=4, bias=True)\n"
        "    (out): Linear(in_features=4, out_features=2, bias=False)\n"
        "  )\n"
        "  (1): ReLU(inplace=True)\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"

    class Lines(nn.Module):
        def extra_repr(self):
            return "a=1\nb=2"

    assert repr(Lines()) == "Lines(\n  a=1\n  b=2\n)"


# --- copies and lifetime


def test_deepcopy():
    net = Net()
    net.tied = net.hidden
    net.register_forward_hook(lambda module, args, output: output * 0)
    twin = copy.deepcopy(net)
    assert twin.tied is twin.hidden and twin.hidden is not net.hidden
    assert isinstance(twin.hidden.weight, nn.Parameter) and twin.hidden.weight.requires_grad
    assert all(dlcore.equal(a, b) for a, b in zip(twin.parameters(), net.parameters(), strict=True))
    assert not twin(dlcore.ones(1, 3)).any()  # the hook came along
    with dlcore.no_grad():
        twin.hidden.weight.fill_(0)
    assert net.hidden.weight.any()
    assert names(twin.named_buffers()) == names(net.named_buffers())
    assert list(twin.state_dict()) == list(net.state_dict())


def test_copy_shares():
    net = Net()
    twin = copy.copy(net)
    assert twin.hidden is net.hidden and twin(dlcore.ones(1, 3)).shape == (1, 2)


def test_modules_are_collected():
    net = Net()
    net.itself = [net]
    ref = weakref.ref(net)
    del net
    gc.collect()
    assert ref() is None


def test_parameter():
    data = dlcore.ones(2)
    parameter = nn.Parameter(data)
    assert parameter.requires_grad and parameter.is_leaf and parameter.data_ptr() == data.data_ptr()
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert isinstance(parameter, dlcore.Tensor) and nn.Parameter().numel() == 0
    assert repr(parameter).startswith("Parameter containing:\n")
    assert not isinstance(parameter * 2, nn.Parameter)
    with pytest.raises(TypeError, match="must be a Tensor"):
        nn.Parameter([1.0])
    kept = nn.Parameter(dlcore.ones(2), requires_grad=False)
    twin = copy.deepcopy(kept)
    assert isinstance(twin, nn.Parameter) and not twin.requires_grad and twin.data_ptr() != kept.data_ptr()
