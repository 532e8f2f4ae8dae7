"""Transformers do what PyTorch's do: state, results and gradients, over all arguments; initial distributions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore
import dlcore.nn

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")
pytestmark = [
    pytest.mark.filterwarnings("ignore:enable_nested_tensor is True"),
    pytest.mark.filterwarnings("ignore:Support for mismatched"),
]

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
ACTIVATIONS = {
    "relu": lambda d, dtype: "relu",
    "gelu": lambda d, dtype: "gelu",
    "function": lambda d, dtype: d.tanh,
    "module": lambda d, dtype: d.nn.GELU("tanh"),
    "parametric": lambda d, dtype: d.nn.PReLU(dtype=dtype),
}
BUILD = {
    "encoder_layer": lambda nn, size, options, layers, norm: nn.TransformerEncoderLayer(*size, **options),
    "decoder_layer": lambda nn, size, options, layers, norm: nn.TransformerDecoderLayer(*size, **options),
    "encoder": lambda nn, size, options, layers, norm: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(*size, **options), layers, norm(nn)
    ),
    "decoder": lambda nn, size, options, layers, norm: nn.TransformerDecoder(
        nn.TransformerDecoderLayer(*size, **options), layers, norm(nn)
    ),
    "transformer": lambda nn, size, options, layers, norm: nn.Transformer(*size, layers, 1, **options),
}


def build(d, problem):
    (features, heads), dtype = problem["size"], getattr(d, problem["dtype"])
    options = problem["options"] | {"dtype": dtype}
    options["activation"] = ACTIVATIONS[options["activation"]](d, dtype)

    def norm(nn):
        return nn.LayerNorm(features, dtype=dtype) if problem["norm"] else None

    return BUILD[problem["kind"]](d.nn, (features, heads), options, problem["layers"], norm)


@st.composite
def problems(draw):
    heads = draw(st.sampled_from([1, 2, 3]))
    kind = draw(st.sampled_from(list(BUILD)))
    # Copies of PyTorch's decoder layers forget an activation that is a module, and use relu.
    copied = kind in ("decoder", "transformer")
    form, hint = st.sampled_from(["none", "2d", "3d", "causal"]), st.sampled_from([None, True, False])
    return {
        "kind": kind,
        "size": (heads * draw(st.sampled_from([1, 4, 5])), heads),
        "layers": draw(st.integers(1, 2)),
        "norm": draw(st.booleans()),
        "options": {
            "dim_feedforward": 3,
            "dropout": draw(st.sampled_from([0.0, 0.1])),
            "activation": draw(st.sampled_from(list(ACTIVATIONS)[: 3 if copied else None])),
            "layer_norm_eps": draw(st.sampled_from([1e-5, 1e-2])),
            "batch_first": draw(st.booleans()),
            "norm_first": draw(st.booleans()),
            "bias": draw(st.booleans()),
        },
        "dtype": draw(st.sampled_from(list(EPS))),
        "lengths": (draw(st.integers(1, 7)), draw(st.integers(1, 7))),
        "batch": draw(st.sampled_from([None, 1, 3])),
        "masks": (draw(form), draw(form), draw(form)),
        "padded": (draw(st.booleans()), draw(st.booleans()), draw(st.booleans())),
        "added": draw(st.booleans()),
        "hints": (draw(hint), draw(hint), draw(hint)),
    }


def arguments(problem, rng):
    """Inputs and keyword arguments, as arrays."""
    kind, (features, heads), dtype, batch = (problem[k] for k in "kind size dtype batch".split())
    s, t = problem["lengths"]
    middle = () if batch is None else (batch,)

    def made(excluded):
        return np.where(excluded, -np.inf, 0).astype(dtype) if problem["added"] else excluded

    def mask(form, rows, columns):
        shape = (rows, columns) if form != "3d" else ((batch or 1) * heads, rows, columns)
        excluded = ~np.tri(rows, columns, dtype=bool) if form == "causal" else rng.random(shape) < 0.3
        excluded[..., 0] = False
        return None if form == "none" else made(excluded)

    def padding(padded, length):
        excluded = rng.random((*middle, length)) < 0.3
        excluded[..., 0] = False
        return made(excluded) if padded else None

    def hint(i, optional):
        """A hint that is true, and None where that is an answer."""
        given = bool(problem["hints"][i]) and problem["masks"][i] == "causal"
        return None if optional and problem["hints"][i] is None else given

    def tensor(length):
        x = rng.standard_normal((length, *middle, features)).astype(dtype)
        return np.ascontiguousarray(x.swapaxes(0, 1)) if middle and problem["options"]["batch_first"] else x

    src, tgt = tensor(s), tensor(t)
    layer = kind.endswith("layer")
    encoder = {
        "src_mask" if kind != "encoder" else "mask": mask(problem["masks"][0], s, s),
        "src_key_padding_mask": padding(problem["padded"][0], s),
        "src_is_causal" if kind == "transformer" else "is_causal": hint(0, not layer),
    }
    decoder = {
        "tgt_mask": mask(problem["masks"][1], t, t),
        "memory_mask": mask(problem["masks"][2], t, s),
        "tgt_key_padding_mask": padding(problem["padded"][1], t),
        "memory_key_padding_mask": padding(problem["padded"][2], s),
        "tgt_is_causal": hint(1, not layer),
        "memory_is_causal": hint(2, False),
    }
    if kind.startswith("encoder"):
        return [src], encoder
    return ([tgt, src], decoder) if kind.startswith("decoder") else ([src, tgt], encoder | decoder)


def run(d, module, inputs, options, dy):
    inputs = [d.tensor(x, requires_grad=True) for x in inputs]
    options = {n: d.tensor(x) if isinstance(x, np.ndarray) else x for n, x in options.items()}
    y = module(*inputs, **options)
    leaves = [*inputs, *module.parameters()]
    total = (y * d.tensor(np.resize(dy, tuple(y.shape)), dtype=y.dtype)).sum()
    return [y, *d.autograd.grad(total, leaves, allow_unused=True)]


@settings(max_examples=200)
@given(problem=problems())
def test_transformers(problem):
    mine, theirs = build(dlcore, problem), build(torch, problem)
    shapes = [{n: tuple(p.shape) for n, p in m.state_dict().items()} for m in (mine, theirs)]
    assert list(shapes[0].items()) == list(shapes[1].items())
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.5)
    mine.load_state_dict({n: dlcore.tensor(p.detach().numpy()) for n, p in theirs.state_dict().items()})
    rng = np.random.default_rng(sum(problem["lengths"]))
    inputs, options = arguments(problem, rng)
    dy = rng.standard_normal(100)
    train = problem["options"]["dropout"] == 0
    results = [run(d, m.train(train), inputs, options, dy) for d, m in ((dlcore, mine), (torch, theirs))]
    scale = max(np.abs(b.detach().numpy()).max() for b in results[1] if b is not None)
    for a, b in zip(*results, strict=True):
        assert (a is None) == (b is None)
        if b is None:
            continue
        a, b = a.detach().numpy(), b.detach().numpy()
        assert a.shape == b.shape and a.dtype == b.dtype
        # Normalizations of a few features magnify the roundings of what comes before by 1 / (their deviation).
        magnified = 1 / problem["options"]["layer_norm_eps"] ** 0.5 if problem["size"][0] < 4 else 64
        assert np.abs(a - b).max() <= 64 * EPS[problem["dtype"]] * magnified * max(1.0, scale)


def test_initial_parameters():
    """Drawn from PyTorch's distributions."""
    for build in (
        lambda nn: nn.TransformerEncoderLayer(64, 4, 96),
        lambda nn: nn.TransformerDecoderLayer(64, 4, 96),
        lambda nn: nn.Transformer(64, 4, 2, 1, 96),
    ):
        mine, theirs = (dict(build(d.nn).named_parameters()) for d in (dlcore, torch))
        assert list(mine) == list(theirs)
        for name, p in mine.items():
            a, b = p.detach().numpy(), theirs[name].detach().numpy()
            assert a.shape == b.shape and p.requires_grad
            # Standard deviations of n draws differ by a few parts in the root of n.
            assert abs(a.std() - b.std()) <= 6 * b.std() / a.size**0.5
            assert np.abs(a).max() <= np.abs(b).max() * 1.3 + 1e-12


def test_square_subsequent_mask():
    for sz in (0, 1, 5):
        for dtype in (None, "float64"):
            a, b = (
                d.nn.Transformer.generate_square_subsequent_mask(sz, dtype=dtype and getattr(d, dtype)).numpy()
                for d in (dlcore, torch)
            )
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_errors_are_those_of_pytorch():
    def layer(nn):
        return nn.Transformer(8, 2, 1, 1, 16)

    for call in (
        lambda d: d.nn.TransformerEncoderLayer(8, 2, activation="silu"),
        lambda d: layer(d.nn)(d.zeros(3, 2, 8), d.zeros(3, 1, 8)),
        lambda d: layer(d.nn)(d.zeros(3, 2, 7), d.zeros(3, 2, 8)),
        lambda d: d.nn.TransformerEncoderLayer(8, 2)(d.zeros(3, 2, 8), is_causal=True),
        lambda d: d.nn.TransformerEncoderLayer(8, 2, dropout=1.5),
    ):
        with pytest.raises(Exception) as theirs:
            call(torch)
        with pytest.raises(type(theirs.value)):
            call(dlcore)
