"""dlcore.interop.torch: tensors and modules moved to PyTorch and back, and PyTorch's tensors in load_state_dict."""

import copy

import pytest

import dlcore
from dlcore import nn
from dlcore.interop.torch import from_torch, to_torch

torch = pytest.importorskip("torch", reason="the twins are PyTorch's")


def each(lib):
    """Modules of a library, each with the inputs that it takes."""
    n = lib.nn
    image, steps, tokens = lib.rand(2, 4, 7, 7), lib.rand(5, 3, 8), lib.tensor([[1, 2, 0], [3, 1, 1]])
    mha = n.MultiheadAttention(8, 2, bias=False, add_bias_kv=True, kdim=8, vdim=8, batch_first=True)
    encoder = n.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True)
    yield n.Linear(7, 3, bias=False), (image,)
    yield n.Bilinear(7, 7, 3), (image, image)
    yield n.Conv1d(3, 4, 3, padding="same"), (steps,)
    yield n.Conv2d(4, 6, (3, 2), 2, (1, 0), groups=2, padding_mode="reflect"), (image,)
    yield n.ConvTranspose2d(4, 6, 3, 2, output_padding=1, bias=False), (image,)
    yield n.MaxPool2d(3, 2, 1, ceil_mode=True), (image,)
    yield n.AvgPool2d(2, count_include_pad=False), (image,)
    yield n.AdaptiveAvgPool2d((3, 2)), (image,)
    yield n.BatchNorm2d(4, 1e-3, 0.2), (image,)
    yield n.BatchNorm1d(3, affine=False, track_running_stats=False), (steps,)
    yield n.GroupNorm(2, 4), (image,)
    yield n.InstanceNorm2d(4, affine=True), (image,)
    yield n.LayerNorm((7, 7), bias=False), (image,)
    yield n.RMSNorm(7), (image,)
    yield n.Embedding(5, 4, padding_idx=1), (tokens,)
    yield n.Dropout(0.3), (image,)
    yield n.Flatten(2), (image,)
    yield n.Hardtanh(-0.1, 0.3), (image,)
    yield n.LeakyReLU(0.2), (image,)
    yield n.PReLU(4), (image,)
    yield n.Softmax(1), (image,)
    yield n.Upsample(scale_factor=2.0), (image,)
    yield n.ZeroPad2d((1, 0, 2, 0)), (image,)
    yield n.LSTM(8, 5, 2, bidirectional=True, proj_size=3), (steps,)
    yield n.GRU(8, 5, bias=False, batch_first=True), (steps,)
    yield n.RNN(8, 5, nonlinearity="relu"), (steps,)
    yield n.LSTMCell(8, 5), (steps[0],)
    yield n.CrossEntropyLoss(weight=lib.rand(7), label_smoothing=0.1), (image[0, 0], lib.arange(7))
    yield mha, (steps, steps, steps)
    yield encoder, (steps,)
    yield n.TransformerEncoder(encoder, 2, n.LayerNorm(8), enable_nested_tensor=False), (steps,)
    yield n.TransformerDecoderLayer(8, 2, 16), (steps, steps)
    yield n.Transformer(8, 2, 1, 2, 16, 0.0, "gelu", batch_first=True), (steps, steps)
    yield n.Sequential(n.Conv2d(4, 2, 3), n.Sequential(n.ReLU(), n.Flatten()), n.Linear(50, 3)), (image,)


def numbers(result):
    """The values of a result, nested or not."""
    if isinstance(result, (tuple, list)):
        return [value for part in result for value in numbers(part)]
    return [] if result is None else result.detach().flatten().tolist()


def check_twins(move, back, module, inputs):
    """The twin computes the same, trains the same, has copies of the values, and comes back."""
    twin = move(module)
    assert type(twin).__name__ == type(module).__name__
    assert list(twin.state_dict()) == list(module.state_dict())
    arguments = [move(value) for value in inputs]
    for mode in (True, False):
        if mode and any("Dropout" in type(m).__name__ or getattr(m, "dropout", 0) for m in module.modules()):
            continue
        module.train(mode)
        twin.train(mode)
        want, got = numbers(module(*inputs)), numbers(twin(*arguments))
        assert got == pytest.approx(want, rel=1e-4, abs=1e-5)
    again = back(twin)
    assert numbers(again.eval()(*inputs)) == pytest.approx(numbers(module.eval()(*inputs)), rel=1e-4, abs=1e-5)
    assert repr(again) == repr(module)


COUNT = sum(1 for _ in each(torch))


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # PyTorch's, of its speed
@pytest.mark.parametrize("index", range(COUNT))
def test_modules_have_twins(index):
    module, inputs = list(each(torch))[index]
    check_twins(from_torch, to_torch, module, inputs)
    module, inputs = list(each(dlcore))[index]
    check_twins(to_torch, from_torch, module, inputs)


def test_state_moves_with_its_kind():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    net[0].weight.requires_grad_(False)
    net[1].eval()
    twin = from_torch(net)
    assert twin[0].weight.dtype == dlcore.float64 and not twin[0].weight.requires_grad and twin[0].bias.requires_grad
    assert twin[0].training and not twin[1].training and isinstance(twin[0].bias, nn.Parameter)
    with torch.no_grad():
        net[0].bias.zero_()
    assert twin[0].bias.abs().sum() > 0  # a copy
    twin(dlcore.ones(2, 3, dtype=dlcore.float64)).sum().backward()
    half = to_torch(twin.bfloat16())
    assert half[0].weight.dtype == torch.bfloat16 and half[1].num_batches_tracked.dtype == torch.int64


def test_containers_of_parameters():
    p = torch.nn.Parameter(torch.rand(2, 3))
    frozen = torch.nn.Parameter(torch.rand(2), requires_grad=False)
    moved = from_torch(torch.nn.ParameterList([p, frozen]))
    assert (
        isinstance(moved, nn.ParameterList) and moved[0].tolist() == p.tolist() and isinstance(moved[0], nn.Parameter)
    )
    assert [each.requires_grad for each in moved] == [True, False]
    named = to_torch(nn.ParameterDict({"a": nn.Parameter(dlcore.ones(2)), "b": nn.Parameter(dlcore.zeros(1))}))
    assert {key: value.tolist() for key, value in named.items()} == {"a": [1, 1], "b": [0]}
    assert isinstance(named["a"], torch.nn.Parameter)
    with torch.no_grad():
        p.zero_()
    assert moved[0].abs().sum() > 0  # a copy


def test_a_module_twice_stays_one():
    layer = torch.nn.Linear(2, 2)
    twin = from_torch(torch.nn.Sequential(layer, torch.nn.ReLU(), layer))
    assert twin[0] is twin[2]


def test_tensors_and_what_holds_them():
    x = torch.arange(6.0).reshape(2, 3).t()
    moved = from_torch({"a": [x, (1, None)], "dtype": torch.float16})
    assert moved["a"][0].tolist() == x.tolist() and moved["a"][1] == (1, None) and moved["dtype"] == dlcore.float16
    x[0, 0] = 7
    assert moved["a"][0][0, 0].item() == 7  # the same memory
    back = to_torch(dlcore.ones(2, requires_grad=True))
    assert back.requires_grad and back.is_leaf and isinstance(back, torch.Tensor)


def test_layers_without_a_twin_are_named():
    class Own(torch.nn.Module):
        pass

    with pytest.raises(TypeError, match=r"from_torch: obj\.1\.0 is a .*Own, which has no twin in dlcore\.nn"):
        from_torch(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Sequential(Own())))
    with pytest.raises(TypeError, match="which has no twin in torch.nn"):
        to_torch(nn.Sequential(nn.AlibiBias() if hasattr(nn, "AlibiBias") else type("Mine", (nn.Module,), {})()))
    tied = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    with pytest.raises(TypeError, match="share a parameter"):
        from_torch(tied)
    with pytest.raises(TypeError, match="can not be moved"):
        from_torch(torch.nn.LazyLinear(3))


def test_load_state_dict_takes_pytorchs_tensors():
    source = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = source.state_dict()
    state["0.weight"] = state["0.weight"].to(memory_format=torch.channels_last).double()
    for given in (state, dict(source.named_parameters()) | dict(source.named_buffers())):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        net.load_state_dict(given)
        assert net[0].weight.tolist() == source[0].weight.tolist() and net[0].weight.dtype == dlcore.float32
    assigned = copy.deepcopy(net)
    assigned.load_state_dict(source.state_dict(), assign=True)
    assert assigned[0].bias.tolist() == source[0].bias.tolist() and isinstance(assigned[0].bias, nn.Parameter)
    with pytest.raises(RuntimeError, match="size mismatch for 0.bias"):
        net.load_state_dict({**source.state_dict(), "0.bias": torch.ones(3)})
    with pytest.raises(RuntimeError, match='"0.bias"'):
        net.load_state_dict({**source.state_dict(), "0.bias": torch.ones(4, dtype=torch.complex64)})
    with pytest.raises(RuntimeError, match="expected a Tensor from checkpoint"):
        net.load_state_dict({**source.state_dict(), "0.bias": [1.0] * 4})


def test_pickles_say_how_to_convert_them(tmp_path):
    for name, options in (("zip", {}), ("old", {"_use_new_zipfile_serialization": False})):
        torch.save({"a": torch.ones(2)}, tmp_path / name, **options)
        with pytest.raises(ValueError, match="is a pickle.*interop.torch.from_torch"):
            dlcore.load(tmp_path / name)
    read = torch.load(tmp_path / "zip", weights_only=True)  # the advice works
    dlcore.save(from_torch(read), tmp_path / "new.safetensors")
    assert dlcore.load(tmp_path / "new.safetensors")["a"].tolist() == [1, 1]
