"""Transformers: formulas in float64, masks, dropout, copies, names, errors."""

import copy
import math

import numpy as np
import pytest

import dlcore
from dlcore import nn

INF = float("inf")


def normalized(x, norm):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + norm.eps)
    return y * norm.weight.detach().numpy() + norm.bias.detach().numpy()


def product(x, linear):
    return x @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()


def attended(q, k, module, excluded):
    """Attention of each head as written, of (batch, tokens, features)."""
    weights, biases = (
        p.detach().numpy().reshape(3, -1, *p.shape[1:]) for p in (module.in_proj_weight, module.in_proj_bias)
    )
    q, k, v = (x @ w.T + b for x, w, b in zip((q, k, k), weights, biases, strict=True))
    heads = []
    for columns in np.split(np.arange(q.shape[-1]), module.num_heads):
        scores = q[..., columns] @ k[..., columns].swapaxes(1, 2) / math.sqrt(len(columns))
        scores = np.exp(np.where(excluded, -INF, scores))
        heads.append(scores / scores.sum(-1, keepdims=True) @ v[..., columns])
    return product(np.concatenate(heads, -1), module.out_proj)


def encoded(x, layer, excluded):
    def ff(x):
        return product(np.maximum(product(x, layer.linear1), 0), layer.linear2)

    if layer.norm_first:
        y = normalized(x, layer.norm1)
        x = x + attended(y, y, layer.self_attn, excluded)
        return x + ff(normalized(x, layer.norm2))
    x = normalized(x + attended(x, x, layer.self_attn, excluded), layer.norm1)
    return normalized(x + ff(x), layer.norm2)


def decoded(x, memory, layer, excluded, memory_excluded):
    def ff(x):
        return product(np.maximum(product(x, layer.linear1), 0), layer.linear2)

    if layer.norm_first:
        y = normalized(x, layer.norm1)
        x = x + attended(y, y, layer.self_attn, excluded)
        x = x + attended(normalized(x, layer.norm2), memory, layer.multihead_attn, memory_excluded)
        return x + ff(normalized(x, layer.norm3))
    x = normalized(x + attended(x, x, layer.self_attn, excluded), layer.norm1)
    x = normalized(x + attended(x, memory, layer.multihead_attn, memory_excluded), layer.norm2)
    return normalized(x + ff(x), layer.norm3)


def shaken(module):
    """The module with parameters that all differ from 0 and 1."""
    with dlcore.no_grad():
        for p in module.parameters():
            p.add_(dlcore.randn_like(p) * 0.3)
    return module


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_transformer_is_its_formulas(norm_first, batch_first):
    dlcore.manual_seed(1)
    model = shaken(
        nn.Transformer(12, 3, 2, 2, 20, batch_first=batch_first, norm_first=norm_first, dtype=dlcore.float64)
    ).eval()
    rng = np.random.default_rng(2)
    src, tgt = rng.standard_normal((2, 7, 12)), rng.standard_normal((2, 5, 12))
    padding = np.arange(7) >= np.array([[7], [4]])
    causal = ~np.tri(5, dtype=bool)

    x = src
    for layer in model.encoder.layers:
        x = encoded(x, layer, padding[:, None])
    memory = normalized(x, model.encoder.norm)
    y = tgt
    for layer in model.decoder.layers:
        y = decoded(y, memory, layer, causal, padding[:, None])
    y = normalized(y, model.decoder.norm)

    turned = [dlcore.tensor(np.ascontiguousarray(a if batch_first else a.swapaxes(0, 1))) for a in (src, tgt)]
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=dlcore.float64)
    padding = dlcore.tensor(padding)
    result = model(*turned, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding)
    result = result.detach().numpy() if batch_first else result.detach().numpy().swapaxes(0, 1)
    np.testing.assert_allclose(result, y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [dlcore.bool, dlcore.float32, dlcore.float64])
def test_causal_masks_are_found(dtype, monkeypatch):
    """A causal mask, hinted at or found, is not read by the layers' attention; another mask is."""
    seen = []
    attend = nn.functional.attention.scaled_dot_product_attention

    def spy(q, k, v, mask, p, causal):
        seen.append((mask is None, causal))
        return attend(q, k, v, mask, p, causal)

    monkeypatch.setattr(nn.functional.attention, "scaled_dot_product_attention", spy)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2).eval()
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 1).eval()
    x, memory = dlcore.randn(6, 3, 8), dlcore.randn(4, 3, 8)
    mask = dlcore.ones(6, 6, dtype=dlcore.bool).triu(1)
    if dtype != dlcore.bool:
        mask = dlcore.zeros(6, 6, dtype=dtype).masked_fill(mask, -INF)

    found, read = encoder(x, mask=mask), encoder(x, mask=mask, is_causal=False)
    assert seen == [(True, True)] * 2 + [(False, False)] * 2
    np.testing.assert_allclose(found.detach().numpy(), read.detach().numpy(), atol=1e-5)
    del seen[:]
    found, read = decoder(x, memory, tgt_mask=mask), decoder(x, memory, tgt_mask=mask, tgt_is_causal=False)
    assert seen == [(True, True), (True, False), (False, False), (True, False)]
    np.testing.assert_allclose(found.detach().numpy(), read.detach().numpy(), atol=1e-5)

    other = mask.clone()
    other[5, 0] = True if dtype == dlcore.bool else -1.0
    for unlike in (other, mask.expand(6, 6, 6)):
        del seen[:]
        encoder(x, mask=unlike)
        assert seen == [(False, False)] * 2


def test_gradients_reach_a_mask_that_looks_causal():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1).eval()
    mask = nn.Transformer.generate_square_subsequent_mask(5).requires_grad_()
    (encoder(dlcore.randn(5, 2, 8), mask=mask) * dlcore.randn(5, 2, 8)).sum().backward()
    assert bool((mask.grad.tril() != 0).any())


def test_tokens_that_are_padded_change_nothing():
    """Neither result nor gradient of the others; their own output is finite."""
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    x, dy = dlcore.randn(1, 6, 8), dlcore.randn(1, 4, 8)
    padding = dlcore.tensor([[False] * 4 + [True] * 2])
    results = []
    for inputs, options in ((x, {"src_key_padding_mask": padding}), (x[:, :4], {})):
        inputs = inputs.detach().requires_grad_()
        y = model(inputs, **options)
        assert bool(y.isfinite().all())
        grads = dlcore.autograd.grad((y[:, :4] * dy).sum(), [inputs, *model.parameters()])
        results.append([y[:, :4], grads[0][:, :4], *grads[1:]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_a_sequence_of_padding_gives_finite_gradients():
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    x = dlcore.randn(2, 5, 8, requires_grad=True)
    y = model(x, src_key_padding_mask=dlcore.tensor([[True] * 5, [False] * 5]))
    y.square().sum().backward()
    assert all(bool(g.isfinite().all()) for g in (y, x.grad, *(p.grad for p in model.parameters())))


def test_dropout_is_on_by_default_and_off_in_eval():
    model = nn.Transformer(8, 2, 1, 1, 16)
    src, tgt = dlcore.randn(6, 2, 8), dlcore.randn(5, 2, 8)
    assert all(m.p == 0.1 for m in model.modules() if isinstance(m, nn.Dropout))
    assert all(m.dropout == 0.1 for m in model.modules() if isinstance(m, nn.MultiheadAttention))
    dlcore.manual_seed(1)
    a, b = model(src, tgt), model(src, tgt)
    dlcore.manual_seed(1)
    assert bool((a == model(src, tgt)).all()) and not bool((a == b).all())
    model.eval()
    assert bool((model(src, tgt) == model(src, tgt)).all())


@pytest.mark.parametrize("norm_first", [False, True])
def test_every_branch_has_its_own_parts(norm_first):
    """A user who changes a dropout or puts a hook on it meets the branch that it belongs to."""
    ff = ["linear1", "dropout", "linear2"]
    for layer, inputs, attentions in (
        (nn.TransformerEncoderLayer, 1, ["self_attn"]),
        (nn.TransformerDecoderLayer, 2, ["self_attn", "multihead_attn"]),
    ):
        layer = layer(8, 2, 16, norm_first=norm_first)
        called = []
        for name, part in layer.named_children():
            part.register_forward_hook(lambda *_, name=name, called=called: called.append(name))
        layer(*[dlcore.randn(3, 2, 8)] * inputs)
        expected = []
        for i, branch in enumerate([*([a] for a in attentions), ff], 1):
            branch = [*branch, f"dropout{i}"]
            expected += [f"norm{i}", *branch] if norm_first else [*branch, f"norm{i}"]
        assert called == expected


def test_layers_are_copies():
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation=nn.PReLU())
    stack = nn.TransformerEncoder(layer, 3)
    states = [part.state_dict() for part in (layer, *stack.layers)]
    for name in states[0]:
        assert len({s[name].data_ptr() for s in states}) == 4
        assert all(bool((s[name] == states[0][name]).all()) for s in states)
    assert len(list(stack.parameters())) == 3 * len(list(layer.parameters()))
    twin = copy.deepcopy(stack)
    x = dlcore.randn(3, 2, 8)
    assert bool((twin.eval()(x) == stack.eval()(x)).all())
    with dlcore.no_grad():
        twin.layers[0].linear1.weight.zero_()
    assert not bool((twin(x) == stack(x)).all())


def test_names_of_the_state():
    names = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    linears = [f"linear{i}.{p}" for i in (1, 2) for p in ("weight", "bias")]
    norms = [f"norm{i}.{p}" for i in (1, 2, 3) for p in ("weight", "bias")]
    encoder = [f"self_attn.{n}" for n in names] + linears + norms[:4]
    decoder = [f"{m}.{n}" for m in ("self_attn", "multihead_attn") for n in names] + linears + norms
    ends = ["norm.weight", "norm.bias"]
    expected = [f"encoder.layers.{i}.{n}" for i in (0, 1) for n in encoder] + [f"encoder.{n}" for n in ends]
    expected += [f"decoder.layers.0.{n}" for n in decoder] + [f"decoder.{n}" for n in ends]
    assert list(nn.Transformer(8, 2, 2, 1, 16).state_dict()) == expected
    without = nn.Transformer(8, 2, 2, 1, 16, bias=False).state_dict()
    assert list(without) == [n for n in expected if not n.endswith("bias")]


def test_repr():
    assert repr(nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 1, nn.LayerNorm(4))) == (
        """TransformerEncoder(
  (layers): ModuleList(
    (0): TransformerEncoderLayer(
      (self_attn): MultiheadAttention(
        (out_proj): Linear(in_features=4, out_features=4, bias=True)
      )
      (linear1): Linear(in_features=4, out_features=8, bias=True)
      (dropout): Dropout(p=0.1, inplace=False)
      (linear2): Linear(in_features=8, out_features=4, bias=True)
      (norm1): LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)
      (norm2): LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)
      (dropout1): Dropout(p=0.1, inplace=False)
      (dropout2): Dropout(p=0.1, inplace=False)
    )
  )
  (norm): LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)
)"""
    )


def test_custom_parts():
    class Doubled(nn.Module):
        def forward(self, *inputs, **masks):
            return inputs[-1] * 2

    model = nn.Transformer(4, 2, custom_encoder=Doubled(), custom_decoder=Doubled())
    x = dlcore.randn(3, 1, 4)
    assert bool((model(x, x[:2]) == x * 4).all()) and not list(model.parameters())


def test_memory_may_stay_empty():
    """A decoder without memory to attend to gives what its biases are."""
    layer = nn.TransformerDecoderLayer(8, 2, 16).eval()
    y = layer(dlcore.randn(3, 2, 8), dlcore.randn(0, 2, 8))
    assert tuple(y.shape) == (3, 2, 8) and bool(y.isfinite().all())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.TransformerEncoderLayer(9, 2), ValueError, "num_heads must divide embed_dim"),
        (lambda: nn.TransformerEncoderLayer(0, 1), ValueError, "must be positive"),
        (lambda: nn.TransformerDecoderLayer(8, 2, dropout=-0.1), ValueError, "between 0 and 1"),
        (lambda: nn.TransformerDecoderLayer(8, 2, activation="tanh"), RuntimeError, "relu/gelu, not tanh"),
        (lambda: nn.Transformer(8, 2, 1, 1)(dlcore.ones(3, 2, 8), dlcore.ones(3, 1, 8)), RuntimeError, "batch number"),
        (lambda: nn.Transformer(8, 2, 1, 1)(dlcore.ones(3, 2, 8), dlcore.ones(3, 2, 6)), RuntimeError, "d_model = 8"),
        (lambda: nn.Transformer(8, 2, 1, 1)(dlcore.ones(3, 2, 8), dlcore.ones(3, 8)), RuntimeError, "2-D or 3-D"),
        (lambda: nn.Transformer(8, 2, 1, 1)(dlcore.ones(8), dlcore.ones(8)), RuntimeError, "2-D or 3-D"),
        (lambda: encoder()(dlcore.ones(3, 2, 7)), RuntimeError, "8"),
        (lambda: encoder()(dlcore.ones(3, 2, 8), mask=dlcore.zeros(3, 4)), RuntimeError, "attn_mask must have shape"),
        (lambda: encoder()(dlcore.ones(3, 2, 8), mask=dlcore.zeros(4, 4)), RuntimeError, "attn_mask must have shape"),
        (lambda: encoder()(dlcore.ones(3, 2, 8), mask=dlcore.zeros(3)), RuntimeError, "attn_mask must have shape"),
        (lambda: encoder()(dlcore.ones(3, 2, 8), mask=dlcore.ones(3, 3).long()), RuntimeError, "bool or floating"),
        (lambda: encoder()(dlcore.ones(3, 2, 8), is_causal=True), RuntimeError, "is_causal is a hint"),
        (
            lambda: encoder()(dlcore.ones(3, 2, 8), src_key_padding_mask=dlcore.zeros(3, 2)),
            RuntimeError,
            "key_padding_mask must have shape",
        ),
        (
            lambda: nn.TransformerDecoderLayer(8, 2, 16)(dlcore.ones(3, 2, 8), dlcore.ones(3, 1, 8)),
            RuntimeError,
            "batch size 2",
        ),
        (
            lambda: nn.TransformerDecoderLayer(8, 2, 16)(dlcore.ones(3, 2, 8), dlcore.ones(3, 2, 6)),
            RuntimeError,
            "6",
        ),
        (lambda: nn.Transformer.generate_square_subsequent_mask(-1), RuntimeError, "-1"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def encoder():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1)


@pytest.mark.parametrize("count", [-1, 2**31, 2.0])
def test_counts_of_layers_are_checked(count):
    with pytest.raises(ValueError, match="num_layers must be an int"):
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8), count)


def test_what_is_repeated_is_a_module():
    with pytest.raises(TypeError, match="must be a Module, but got str"):
        nn.TransformerDecoder("layer", 2**31)
