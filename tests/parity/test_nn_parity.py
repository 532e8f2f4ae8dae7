"""Modules next to PyTorch's of the same name: text, names of the state, values and gradients with the same weights."""

import inspect

import numpy as np
import pytest

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of these tests")

MODULES = [  # name, arguments, options, shapes of the inputs
    ("Linear", (5, 4), {}, [(3, 5)]),
    ("Linear", (5, 4), {"bias": False}, [(2, 3, 5)]),
    ("Bilinear", (5, 4, 3), {}, [(2, 5), (2, 4)]),
    ("Identity", (), {}, [(3,)]),
    ("Flatten", (), {}, [(2, 3, 4)]),
    ("Flatten", (0, 1), {}, [(2, 3, 4)]),
    ("Unflatten", (1, (2, 3)), {}, [(2, 6)]),
    ("Conv2d", (4, 6, 3), {}, [(2, 4, 7, 8)]),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}, [(2, 4, 9)]),
    ("Conv1d", (4, 6, 4), {"padding": "same", "padding_mode": "replicate"}, [(4, 9)]),
    ("Conv3d", (4, 6, (3, 2, 2)), {"stride": (1, 2, 1), "padding": 1, "groups": 2}, [(2, 4, 5, 6, 7)]),
    ("Conv3d", (2, 3, 3), {"padding": 1, "padding_mode": "circular"}, [(2, 4, 5, 6)]),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "output_padding": 1, "groups": 2}, [(2, 4, 9)]),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}, [(2, 4, 7, 8)]),
    ("ConvTranspose2d", (4, 6, (3, 2)), {"dilation": 2, "bias": False}, [(4, 7, 8)]),
    ("ConvTranspose3d", (2, 3, 2), {"stride": (2, 1, 2), "padding": (1, 0, 0)}, [(2, 2, 3, 4, 5)]),
    ("Conv2d", (4, 6, (3, 2)), {"stride": 2, "padding": (1, 0), "dilation": (1, 2), "groups": 2}, [(2, 4, 7, 8)]),
    ("Conv2d", (4, 6, 2), {"padding": "same", "padding_mode": "circular", "bias": False}, [(4, 7, 8)]),
    ("Conv2d", (4, 6, 2), {"padding": "same"}, [(4, 7, 8)]),
    ("Conv2d", (4, 6, 3), {"padding": (2, 1), "padding_mode": "reflect"}, [(2, 4, 7, 8)]),
    ("MaxPool2d", (2,), {}, [(2, 3, 6, 7)]),
    ("MaxPool2d", ((3, 2),), {"stride": (2, 1), "padding": 1, "ceil_mode": True}, [(2, 3, 6, 7)]),
    ("MaxPool2d", (2,), {"dilation": 2, "stride": 1}, [(3, 6, 7)]),
    ("AvgPool2d", (2,), {}, [(2, 3, 6, 7)]),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False, "ceil_mode": True}, [(2, 3, 6, 7)]),
    ("AvgPool2d", (2,), {"divisor_override": 3}, [(3, 6, 7)]),
    ("MaxPool1d", (2,), {"ceil_mode": True}, [(2, 3, 7)]),
    ("MaxPool3d", (2,), {"padding": 1, "stride": 1}, [(2, 3, 4, 5, 4)]),
    ("AvgPool1d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, [(2, 3, 7)]),
    ("AvgPool3d", (2,), {"divisor_override": 3}, [(3, 4, 5, 4)]),
    ("AdaptiveAvgPool1d", (3,), {}, [(2, 3, 7)]),
    ("AdaptiveAvgPool2d", ((3, None),), {}, [(2, 3, 7, 5)]),
    ("AdaptiveAvgPool3d", (2,), {}, [(3, 4, 5, 4)]),
    ("AdaptiveMaxPool1d", (3,), {}, [(2, 3, 7)]),
    ("AdaptiveMaxPool2d", ((3, None),), {}, [(2, 3, 7, 5)]),
    ("AdaptiveMaxPool3d", (2,), {}, [(3, 4, 5, 4)]),
    ("LPPool1d", (2, 3), {"ceil_mode": True}, [(2, 3, 7)]),
    ("LPPool2d", (2, 3), {"stride": 1}, [(2, 3, 7, 5)]),
    ("LPPool3d", (2, 2), {}, [(2, 3, 4, 5, 4)]),
    ("ConstantPad1d", (2, 3.5), {}, [(2, 3, 7)]),
    ("ConstantPad2d", ((1, 2, 0, -1), 3.5), {}, [(2, 3, 7, 4)]),
    ("ConstantPad3d", (1, 3.5), {}, [(2, 3, 2, 3, 4)]),
    ("ZeroPad1d", (2,), {}, [(2, 3, 7)]),
    ("ZeroPad2d", (2,), {}, [(2, 3, 7, 4)]),
    ("ZeroPad3d", (2,), {}, [(2, 3, 2, 3, 4)]),
    ("ReflectionPad1d", ((2, 1),), {}, [(2, 3, 7)]),
    ("ReflectionPad2d", (2,), {}, [(3, 7, 4)]),
    ("ReflectionPad3d", (1,), {}, [(2, 3, 2, 3, 4)]),
    ("ReplicationPad1d", (2,), {}, [(2, 3, 7)]),
    ("ReplicationPad2d", ((5, 0, 1, 2),), {}, [(3, 7, 4)]),
    ("ReplicationPad3d", (2,), {}, [(2, 3, 2, 3, 4)]),
    ("CircularPad1d", (2,), {}, [(2, 3, 7)]),
    ("CircularPad2d", ((1, 0, 2, 2),), {}, [(3, 7, 4)]),
    ("CircularPad3d", (2,), {}, [(2, 3, 2, 3, 4)]),
    ("Upsample", (), {"scale_factor": 2}, [(2, 3, 4, 3)]),
    ("Upsample", ((7, 5),), {"mode": "bicubic"}, [(2, 3, 4, 3)]),
    ("UpsamplingNearest2d", (), {"size": 5}, [(2, 3, 4, 3)]),
    ("UpsamplingBilinear2d", (), {"scale_factor": (2, 1.5)}, [(2, 3, 4, 3)]),
    ("PixelShuffle", (2,), {}, [(2, 8, 4, 3)]),
    ("PixelUnshuffle", (2,), {}, [(2, 2, 4, 6)]),
    ("ChannelShuffle", (2,), {}, [(2, 6, 4, 3)]),
    ("Unfold", (2,), {"padding": 1}, [(2, 3, 4, 5)]),
    ("Fold", ((4, 5), 2), {}, [(2, 12, 12)]),
    ("Dropout1d", (0.3,), {}, [(2, 3, 4)]),
    ("Dropout2d", (0.3,), {}, [(2, 3, 4, 3)]),
    ("Dropout3d", (0.3,), {}, [(2, 3, 4, 3, 2)]),
    ("AlphaDropout", (0.3,), {}, [(2, 3, 4)]),
    ("FeatureAlphaDropout", (0.3,), {}, [(2, 3, 4)]),
    ("Threshold", (0.1, 2.0), {}, [(20,)]),
    ("ReLU", (), {}, [(20,)]),
    ("ReLU", (), {"inplace": True}, [(20,)]),
    ("RReLU", (0.1, 0.2), {}, [(20,)]),
    ("Hardtanh", (-0.5, 0.7), {}, [(20,)]),
    ("ReLU6", (), {"inplace": True}, [(20,)]),
    ("Sigmoid", (), {}, [(20,)]),
    ("Hardsigmoid", (), {}, [(20,)]),
    ("Tanh", (), {}, [(20,)]),
    ("SiLU", (), {"inplace": True}, [(20,)]),
    ("Mish", (), {"inplace": True}, [(20,)]),
    ("Hardswish", (), {"inplace": True}, [(20,)]),
    ("ELU", (1.5,), {"inplace": True}, [(20,)]),
    ("CELU", (1.5,), {}, [(20,)]),
    ("SELU", (), {}, [(20,)]),
    ("GLU", (), {}, [(3, 6)]),
    ("GELU", (), {}, [(20,)]),
    ("GELU", ("tanh",), {}, [(20,)]),
    ("Hardshrink", (0.3,), {}, [(20,)]),
    ("LeakyReLU", (0.2,), {}, [(20,)]),
    ("LogSigmoid", (), {}, [(20,)]),
    ("Softplus", (2.0, 3.0), {}, [(20,)]),
    ("Softshrink", (0.3,), {}, [(20,)]),
    ("PReLU", (), {}, [(20,)]),
    ("PReLU", (4,), {}, [(3, 4, 5)]),
    ("Softsign", (), {}, [(20,)]),
    ("Tanhshrink", (), {}, [(20,)]),
    ("Softmin", (1,), {}, [(3, 4)]),
    ("Softmax", (0,), {}, [(3, 4)]),
    ("Softmax2d", (), {}, [(2, 3, 4, 5)]),
    ("LogSoftmax", (-1,), {}, [(3, 4)]),
    ("Dropout", (0.3,), {}, [(3, 4)]),
]


def identify(value):
    return value if isinstance(value, str) else None


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("name", "arguments", "options", "shapes"), MODULES, ids=identify)
def test_modules(name, arguments, options, shapes):
    ours = getattr(dlcore.nn, name)(*arguments, **options).double().eval()
    theirs = getattr(torch.nn, name)(*arguments, **options).double().eval()
    assert repr(ours) == repr(theirs)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict({key: dlcore.tensor(value.numpy()) for key, value in state.items()})
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape) * 2 for shape in shapes]

    def run(library, module, tensor):
        leaves = [tensor(value, requires_grad=True) for value in values]
        output = module(*(leaf * 1 for leaf in leaves))
        output.backward(tensor(np.random.default_rng(1).normal(size=tuple(output.shape))))
        gradients = [leaf.grad for leaf in leaves] + [parameter.grad for parameter in module.parameters()]
        return [output.detach().numpy()] + [gradient.numpy() for gradient in gradients]

    for a, b in zip(run(dlcore, ours, dlcore.tensor), run(torch, theirs, torch.tensor), strict=True):
        # PyTorch's gradient of hardsigmoid multiplies by 1/6 rounded to float32, in float64 too.
        np.testing.assert_allclose(a, b, rtol=2.0**-24 if name == "Hardsigmoid" else 1e-12, atol=1e-12)


LAZY_CONVOLUTIONS = {f"Lazy{kind}{n}d" for kind in ("Conv", "ConvTranspose") for n in (1, 2, 3)}
NAMES = sorted(
    {name for name, *_ in MODULES} | {"LazyLinear", *LAZY_CONVOLUTIONS, "CrossEntropyLoss", "NLLLoss", "MSELoss"}
)
NAMES += ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]
NAMES += ["Embedding", "EmbeddingBag", "Transformer", "TransformerEncoder", "TransformerDecoder"]
NAMES += ["TransformerEncoderLayer", "TransformerDecoderLayer", "MultiheadAttention"]
NAMES += ["L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss", "ParameterList"]


def parameters_of(function):
    return [
        (p.name, p.kind, p.default if p.default is None or isinstance(p.default, (int, float, str)) else ...)
        for p in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_signatures_of_modules(name):
    ours, theirs = getattr(dlcore.nn, name), getattr(torch.nn, name)
    assert parameters_of(ours.__init__) == parameters_of(theirs.__init__)


OWN = {"batch_norm_act", "conv2d_act", "stochastic_depth"}  # not in PyTorch


@pytest.mark.parametrize("name", sorted(set(dlcore.nn.functional.__all__) - OWN))
def test_signatures_of_functions(name):
    """Where both are written in Python, the arguments are the same."""
    ours, theirs = getattr(dlcore.nn.functional, name), getattr(torch.nn.functional, name)
    if not (inspect.isfunction(ours) and inspect.isfunction(theirs)):
        pytest.skip("built in")
    try:
        expected = parameters_of(theirs)
    except ValueError:
        pytest.skip("no signature")
    if expected[0][0] != "args":
        assert parameters_of(ours) == expected


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_signatures_of_optimizers(name):
    assert parameters_of(getattr(dlcore.optim, name).__init__) == parameters_of(getattr(torch.optim, name).__init__)


@pytest.mark.parametrize(
    "name", ["DataLoader", "RandomSampler", "WeightedRandomSampler", "BatchSampler", "Subset", "random_split"]
)
def test_signatures_of_data(name):
    ours, theirs = getattr(dlcore.utils.data, name), getattr(torch.utils.data, name)
    assert [p[0] for p in parameters_of(ours)] == [p[0] for p in parameters_of(theirs)]


def test_module_has_what_people_call():
    private = {"register_backward_hook", "ipu", "xpu", "mtia", "compile", "dump_patches", "T_destination"}
    public = {name for name in dir(torch.nn.Module) if not name.startswith("_")}
    assert public - private <= set(dir(dlcore.nn.Module))


LOSSES = [
    ("CrossEntropyLoss", {}, "classes"),
    ("CrossEntropyLoss", {"label_smoothing": 0.2, "ignore_index": 1}, "classes"),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, "shares"),
    ("CrossEntropyLoss", {"weight": True, "label_smoothing": 0.2}, "shares"),
    ("CrossEntropyLoss", {"weight": True, "ignore_index": 1, "label_smoothing": 0.2}, "classes"),
    ("NLLLoss", {"weight": True, "ignore_index": 1}, "classes"),
    ("MSELoss", {}, "same"),
    ("L1Loss", {}, "same"),
    ("SmoothL1Loss", {"beta": 0.7}, "same"),
    ("HuberLoss", {"delta": 0.7}, "same"),
    ("BCEWithLogitsLoss", {}, "shares"),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "options", "kind"), LOSSES)
def test_losses(name, options, kind, reduction):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 5, 3)) * 2
    shares = np.exp(rng.normal(size=x.shape))
    shares /= shares.sum(1, keepdims=True)
    target = {"classes": rng.integers(0, 5, size=(4, 3)), "shares": shares, "same": rng.normal(size=x.shape)}[kind]

    def run(library):
        given = dict(options, reduction=reduction)
        if options.get("weight"):
            given["weight"] = library.tensor(np.arange(1.0, 6.0))
        leaf = library.tensor(x, requires_grad=True)
        loss = getattr(library.nn, name)(**given)(leaf, library.tensor(target))
        loss.backward(library.tensor(np.random.default_rng(1).normal(size=tuple(loss.shape))))
        return loss.detach().numpy(), leaf.grad.numpy()

    for a, b in zip(run(dlcore), run(torch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
