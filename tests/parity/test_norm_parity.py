"""Normalization layers against PyTorch's: running statistics, states, text, errors, accuracy, combinations."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

LAYERS = [f"{lazy}{kind}Norm{n}d" for kind in ("Batch", "Instance") for lazy in ("", "Lazy") for n in (1, 2, 3)]
LAYERS += ["LayerNorm", "RMSNorm", "GroupNorm", "LocalResponseNorm"]
FUNCTIONS = ["batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "local_response_norm"]
EPS32 = 2.0**-24


@pytest.mark.parametrize("name", LAYERS)
def test_arguments_of_layers(name):
    mine = inspect.signature(getattr(dlcore.nn, name).__init__).parameters.values()
    theirs = inspect.signature(getattr(torch.nn, name).__init__).parameters.values()
    assert [(p.name, p.default, p.kind) for p in mine] == [(p.name, p.default, p.kind) for p in theirs]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_of_functions(name):
    mine = inspect.signature(getattr(dlcore.nn.functional, name)).parameters.values()
    theirs = inspect.signature(getattr(torch.nn.functional, name)).parameters.values()
    assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in theirs]


@pytest.mark.parametrize(
    "name, args, options",
    [
        ("BatchNorm2d", (3,), {}),
        ("BatchNorm1d", (3,), {"affine": False, "momentum": None}),
        ("BatchNorm3d", (3,), {"track_running_stats": False, "bias": False, "eps": 0.25}),
        ("LazyBatchNorm2d", (), {}),
        ("InstanceNorm2d", (3,), {}),
        ("InstanceNorm1d", (3,), {"affine": True, "track_running_stats": True}),
        ("LazyInstanceNorm3d", (), {}),
        ("GroupNorm", (2, 4), {}),
        ("GroupNorm", (2, 4), {"affine": False}),
        ("LayerNorm", (4,), {}),
        ("LayerNorm", ((4, 5),), {"bias": False}),
        ("LayerNorm", ([4],), {"elementwise_affine": False}),
        ("RMSNorm", (4,), {}),
        ("RMSNorm", ((4, 5),), {"eps": 0.5, "elementwise_affine": False}),
        ("LocalResponseNorm", (5,), {"k": 2.0}),
    ],
)
def test_text_and_state(name, args, options):
    mine, theirs = (getattr(d.nn, name)(*args, **options) for d in (dlcore, torch))
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert [k for k, _ in mine.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    assert mine.state_dict()._metadata == theirs.state_dict()._metadata
    if name.startswith("Lazy"):
        return
    for a, b in zip(mine.state_dict().values(), theirs.state_dict().values()):
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def both(*arrays, dtype="float32", grad=()):
    """The arrays as dlcore's tensors and as PyTorch's."""
    for d in (dlcore, torch):
        yield [d.tensor(a).to(getattr(d, dtype)).requires_grad_(i in grad) for i, a in enumerate(arrays)]


def close(mine, theirs, bound):
    mine, theirs = mine.detach().numpy().astype(np.float64), theirs.detach().numpy().astype(np.float64)
    assert mine.shape == theirs.shape
    scale = max(np.abs(theirs).max(), 1.0) if theirs.size else 1.0
    assert theirs.size == 0 or np.abs(mine - theirs).max() <= bound * scale


@pytest.mark.parametrize(
    "name, shape, options",
    [
        ("BatchNorm1d", (6, 5), {}),
        ("BatchNorm1d", (6, 5, 3), {"momentum": None}),
        ("BatchNorm2d", (4, 5, 3, 3), {"momentum": 0.3}),
        ("BatchNorm2d", (4, 5, 3, 3), {"affine": False}),
        ("BatchNorm2d", (4, 5, 3, 3), {"track_running_stats": False}),
        ("BatchNorm3d", (2, 3, 2, 3, 4), {}),
        ("LazyBatchNorm2d", (4, 5, 3, 3), {}),
        ("InstanceNorm1d", (6, 5, 3), {"affine": True, "track_running_stats": True}),
        ("InstanceNorm1d", (5, 7), {"affine": True}),
        ("InstanceNorm2d", (4, 5, 3, 3), {"track_running_stats": True}),
        ("InstanceNorm3d", (5, 2, 2, 3), {"affine": True, "track_running_stats": True, "momentum": 0.5}),
        ("LazyInstanceNorm2d", (4, 5, 3, 3), {}),
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_steps_of_training_and_evaluation(name, shape, options, channels_last):
    if channels_last and len(shape) != 4:
        pytest.skip("channels_last is a format of four dimensions")
    rng = np.random.default_rng(3)
    channels = shape[0] if name.startswith("Instance") and len(shape) == int(name[-2]) + 1 else shape[1]
    args = () if name.startswith("Lazy") else (channels,)
    mine, theirs = (getattr(d.nn, name)(*args, **options) for d in (dlcore, torch))
    weight, bias = rng.standard_normal((2, channels)).astype(np.float32)

    def set_parameters(d, layer):
        if layer.weight is not None:
            with d.no_grad():
                layer.weight.copy_(d.tensor(weight))
                layer.bias.copy_(d.tensor(bias))

    for step in range(7):
        x, dy = (rng.standard_normal(shape) * 2 + step).astype(np.float32), rng.standard_normal(shape)
        results = []
        for d, layer in ((dlcore, mine), (torch, theirs)):
            layer.train(step < 5)
            t = d.tensor(x)
            t = t.contiguous(memory_format=d.channels_last) if channels_last else t
            t.requires_grad_()
            y = layer(t)
            y.backward(d.tensor(dy.astype(np.float32)))
            results.append([y, t.grad, *(p.grad for p in layer.parameters()), *layer.buffers()])
            if step == 0:
                set_parameters(d, layer)
        # sums of n terms of size |step| + 2, and their square roots; gradients add up over the steps
        for a, b in zip(*results, strict=True):
            close(a, b, 64 * EPS32 * np.sqrt(x.size / channels) * (step + 2))
    assert type(mine).__name__ == type(theirs).__name__
    assert mine.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.parametrize(
    "expression",
    [
        "F.batch_norm(x, None, None)",
        "F.batch_norm(x, z(3), None)",
        "F.batch_norm(x, None, z(3), training=True)",
        "F.batch_norm(x, z(4), z(3))",
        "F.batch_norm(x, z(3), z(3), z(4))",
        "F.batch_norm(x, z(3), z(3), z(3), z(2))",
        "F.batch_norm(x.long(), z(3), z(3))",
        "F.batch_norm(x, z(3), z(3), z(3).double())",
        "F.batch_norm(z(3), z(3), z(3))",
        "F.batch_norm(z(1, 3), None, None, training=True)",
        "F.batch_norm(x, z(3), z(3), training=True, eps=0.0)",
        "F.instance_norm(z(2, 3))",
        "F.instance_norm(z(2, 3, 1))",
        "F.instance_norm(x, use_input_stats=False)",
        "F.instance_norm(x, z(4), z(4))",
        "F.instance_norm(x, weight=z(4))",
        "F.instance_norm(x.long())",
        "F.group_norm(x, 2)",
        "F.group_norm(x, -1)",
        "F.group_norm(z(1, 3), 3)",
        "F.group_norm(z(3), 3)",
        "F.group_norm(x, 3, z(4))",
        "F.group_norm(x, 3, z(3), z(4))",
        "F.group_norm(x.long(), 3)",
        "F.layer_norm(x, 4)",
        "F.layer_norm(x, (3, 4))",
        "F.layer_norm(x, ())",
        "F.layer_norm(x, (4,), z(3))",
        "F.layer_norm(x, (4,), z(4), z(3))",
        "F.layer_norm(x.long(), (4,))",
        "F.layer_norm(x, (1, 2, 3, 4, 4))",
        "F.rms_norm(x, 4)",
        "F.rms_norm(x, ())",
        "F.rms_norm(x, (3,))",
        "F.rms_norm(x, (4,), z(3))",
        "F.rms_norm(x.long(), (4,))",
        "F.local_response_norm(z(2, 3), 2)",
        "F.local_response_norm(x, 0)",
        "F.local_response_norm(x, -2)",
        "nn.BatchNorm2d(3)(z(2, 3, 4))",
        "nn.BatchNorm2d(3)(z(2, 4, 4, 4))",
        "nn.BatchNorm1d(3)(z(3))",
        "nn.BatchNorm3d(3)(z(3))",
        "nn.InstanceNorm2d(3, affine=True)(z(2, 5, 4, 4))",
        "nn.InstanceNorm1d(3)(z(3))",
        "nn.GroupNorm(2, 3)",
    ],
)
def test_same_kind_of_error(expression):
    kinds = []
    for d in (dlcore, torch):
        names = {"nn": d.nn, "F": d.nn.functional, "x": d.zeros(2, 3, 4, 4), "z": d.zeros}
        with pytest.raises((RuntimeError, ValueError, TypeError)) as error:
            eval(expression, names)
        kinds.append(error.type)
    assert kinds[0] == kinds[1], str(error.value)


@pytest.mark.parametrize(
    "expression",
    [
        "F.batch_norm(z(0, 3), None, None, w, w, training=True)",
        "F.batch_norm(z(0, 3, 2, 2), r, r, w, w, training=True)",
        "F.batch_norm(z(0, 3, 2, 2), r, r, w, w)",
        "F.batch_norm(z(2, 3, 0), None, None, w, w, training=True)",
        "F.batch_norm(z(2, 0, 2, 2), None, None, training=True)",
        "F.instance_norm(z(0, 3, 4))",
        "F.instance_norm(z(2, 3, 0), weight=w)",
        "F.group_norm(z(0, 3, 4), 3, w, w)",
        "F.group_norm(z(2, 3, 0), 3, w)",
        "F.group_norm(z(2, 0, 3), 1)",
        "F.layer_norm(z(0, 3), (3,), w, w)",
        "F.layer_norm(z(2, 0), (0,))",
        "F.rms_norm(z(0, 3), (3,), w)",
        "F.local_response_norm(z(0, 3, 4), 2)",
        "F.local_response_norm(z(2, 0, 4), 2)",
    ],
)
def test_nothing_to_normalize(expression):
    results = []
    for d in (dlcore, torch):
        w, r = d.ones(3).requires_grad_(), d.ones(3)
        x = []

        def z(*sizes, d=d, x=x):
            x.append(d.zeros(*sizes).requires_grad_())
            return x[-1]

        y = eval(expression, {"F": d.nn.functional, "w": w, "r": r, "z": z})
        y.sum().backward()
        results.append([tuple(y.shape), tuple(x[0].grad.shape), r.tolist()])
        # without elements a sum of gradients is zero; PyTorch leaves some of them unset, or NaN
        assert d is torch or w.grad is None or w.grad.tolist() == [0, 0, 0]
    assert results[0] == results[1]


LARGE = 1e4


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", ["batch_norm", "instance_norm", "group_norm", "layer_norm"])
def test_mean_large_against_spread(name, channels_last):
    """A mean of 1e4 and a spread of 1 leave the error that a mean of 0 leaves: x^ is as exact as x is."""
    rng = np.random.default_rng(5)
    shape = (6, 20, 17, 19)
    x = (rng.standard_normal(shape) + LARGE).astype(np.float32)
    dy = rng.standard_normal(shape).astype(np.float32)

    def run(d, dtype, name=name):
        t = d.tensor(x).to(getattr(d, dtype))
        t = (t.contiguous(memory_format=d.channels_last) if channels_last else t).requires_grad_()
        f = d.nn.functional
        y = {
            "batch_norm": lambda: f.batch_norm(t, None, None, training=True),
            "instance_norm": lambda: f.instance_norm(t),
            "group_norm": lambda: f.group_norm(t, 4),
            "layer_norm": lambda: f.layer_norm(t, shape[2:]),
        }[name]()
        (dx,) = d.autograd.grad(y, t, d.tensor(dy).to(getattr(d, dtype)))
        return [v.detach().numpy().astype(np.float64) for v in (y, dx)]

    for got, want in zip(run(dlcore, "float32"), run(torch, "float64")):
        # a few roundings of numbers up to |x^| and of sums that were joined in float64
        assert np.abs(got - want).max() <= 32 * EPS32 * np.abs(want).max()


@st.composite
def problems(draw):
    name = draw(st.sampled_from(FUNCTIONS + ["batch_norm evaluation", "instance_norm running"]))
    shape = [draw(st.integers(1, 5)), draw(st.integers(1, 40)), *draw(st.lists(st.integers(1, 9), max_size=3))]
    dtype = draw(st.sampled_from(["float32", "float64"]))
    return name, tuple(shape), dtype, draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 2**31))


@settings(max_examples=150)
@given(problems())
def test_combinations(problem):
    name, shape, dtype, has_weight, channels_last, seed = problem
    rng = np.random.default_rng(seed)
    channels, count = shape[1], int(np.prod(shape)) // shape[1]
    spatial = int(np.prod(shape[2:]))
    groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
    per_statistic = {
        "batch_norm": count,
        "instance_norm": spatial,
        "instance_norm running": spatial,
        "group_norm": channels // groups * spatial,
        "layer_norm": shape[-1],
        "rms_norm": shape[-1],
    }.get(name, 2)
    if per_statistic < 2 or (name == "local_response_norm" and len(shape) < 3):
        return
    x, dy = rng.standard_normal((2, *shape))
    size = shape[-1] if name in ("layer_norm", "rms_norm") else channels
    w, b = rng.standard_normal((2, size))
    running = rng.random((2, channels)) + 0.5
    window, alpha, beta = int(rng.integers(1, 8)), rng.random(), float(rng.choice([0.5, 0.75, 1.3]))

    def run(d, dtype):
        t = [d.tensor(a).to(getattr(d, dtype)) for a in (x, w, b, *running, dy)]
        if channels_last and len(shape) == 4:
            t[0] = t[0].contiguous(memory_format=d.channels_last)
        xs = [v.requires_grad_() for v in t[:3]]
        weight, bias, f = (xs[1] if has_weight else None), (xs[2] if has_weight else None), d.nn.functional
        y = {
            "batch_norm": lambda: f.batch_norm(xs[0], t[3], t[4], weight, bias, True, 0.3, 0.01),
            "batch_norm evaluation": lambda: f.batch_norm(xs[0], t[3], t[4], weight, bias),
            "instance_norm": lambda: f.instance_norm(xs[0], t[3], t[4], weight, bias, eps=0.01),
            "instance_norm running": lambda: f.instance_norm(xs[0], t[3], t[4], weight, bias, False),
            "group_norm": lambda: f.group_norm(xs[0], groups, weight, bias, 0.01),
            "layer_norm": lambda: f.layer_norm(xs[0], shape[-1:], weight, bias, 0.01),
            "rms_norm": lambda: f.rms_norm(xs[0], shape[-1:], weight, 0.01),
            "local_response_norm": lambda: f.local_response_norm(xs[0], window, alpha, beta, 1.5),
        }[name]()
        wanted = xs if has_weight and name not in ("rms_norm", "local_response_norm") else xs[:1]
        return [y, *d.autograd.grad(y, wanted, t[5]), t[3], t[4]]

    exact = run(torch, "float64")
    eps = {"float32": 2.0**-24, "float64": 2.0**-53}[dtype]
    for got, want in zip(run(dlcore, dtype), exact, strict=True):
        # sums of `count` terms, and 1 / spread <= 10 as a factor of roundings, squared where dx goes through x^ twice
        close(got, want, 8 * 100 * eps * np.sqrt(count + 16))


@pytest.mark.parametrize("kind", ["conv", "linear"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_fusion(kind, affine, bias):
    rng = np.random.default_rng(1)

    def make(d):
        layer, norm, x = (
            (d.nn.Conv2d(3, 5, 3, bias=bias), d.nn.BatchNorm2d(5, affine=affine), (2, 3, 6, 6))
            if kind == "conv"
            else (d.nn.Linear(3, 5, bias=bias), d.nn.BatchNorm1d(5, affine=affine), (4, 3))
        )
        return layer, norm, d.tensor(np.random.default_rng(2).standard_normal(x).astype(np.float32))

    layer, norm, x = make(dlcore)
    with dlcore.no_grad():
        for tensor in (norm.running_mean, norm.running_var, *norm.parameters()):
            tensor.copy_(dlcore.tensor((rng.random(5) + 0.5).astype(np.float32)))
    fuse = getattr(dlcore.nn.utils, f"fuse_{kind}_bn_eval")
    with pytest.raises(AssertionError):
        fuse(layer, norm)
    layer.eval(), norm.eval()
    fused = fuse(layer, norm)
    close(fused(x), norm(layer(x)), 64 * EPS32)
    assert isinstance(fused.bias, dlcore.nn.Parameter) and fused is not layer
    if kind == "conv" or affine:
        theirs, their_norm, _ = make(torch)
        theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in layer.state_dict().items()})
        their_norm.load_state_dict({k: torch.tensor(v.numpy()) for k, v in norm.state_dict().items()})
        want = getattr(torch.nn.utils, f"fuse_{kind}_bn_eval", None) or getattr(
            torch.nn.utils.fusion, f"fuse_{kind}_bn_eval"
        )
        want = want(theirs.eval(), their_norm.eval())
        close(fused.weight, want.weight, 8 * EPS32)
        close(fused.bias, want.bias, 8 * EPS32)
        assert [p.requires_grad for p in fused.parameters()] == [p.requires_grad for p in want.parameters()]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_input(dtype):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((4, 6, 5, 5))
    for name, options in [("batch_norm", {"training": True}), ("group_norm", {"num_groups": 2}), ("instance_norm", {})]:
        results = []
        for d in (dlcore, torch):
            t = d.tensor(x).to(getattr(d, dtype)).requires_grad_()
            running = (None, None) if name == "batch_norm" else ()
            y = getattr(d.nn.functional, name)(t, *running, **options, weight=d.ones(6), bias=d.zeros(6))
            assert str(y.dtype).endswith(dtype)
            results.append(y.float())
        close(*results, {"bfloat16": 2.0**-8, "float16": 2.0**-11}[dtype] * 2)
