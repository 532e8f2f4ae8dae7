"""Models of sequences: formulas in float64, padding, steps, files, errors."""

import math
import re

import numpy as np
import pytest
from toolchain import ROOT

import dlcore
from dlcore import nn
from dlcore.datasets import Vocabulary
from dlcore.models.sequence import (
    BERT,
    GPT,
    BidirectionalLanguageModel,
    LanguageModel,
    SequenceLabeller,
    beam_search,
    greedy,
    load_model,
    mask_tokens,
    sample,
    save_model,
)
from dlcore.nn import functional as F

V = 11
BOUND = {"rtol": 1e-11, "atol": 1e-12}  # of some tens of products each, through two layers
CELLS = ["rnn", "gru", "lstm"]


def tokens(*shape, seed=0):
    return dlcore.randint(V, shape, generator=dlcore.Generator().manual_seed(seed))


def language_model(**options):
    return LanguageModel(V, 6, 8, 2, **options).double().eval()


def gpt(**options):
    options = {"max_length": 16, "d_model": 12, "num_layers": 2, "num_heads": 2, **options}
    return wild(GPT(V, **options).double().eval())


def bert(**options):
    return wild(
        BERT(V, **{"max_length": 16, "d_model": 12, "num_layers": 2, "num_heads": 2, **options}).double().eval()
    )


def wild(model):
    """With parameters that matter: those drawn with 0.02 leave attention almost uniform."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


# --- references


def array(tensor):
    return tensor.detach().numpy()


def linear(x, module):
    return x @ array(module.weight).T + array(module.bias)


def norm(x, module):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + module.eps)
    return y * array(module.weight) + array(module.bias)


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def rotated(x):
    """Pairs of the features of (..., tokens, features) as complex numbers, turned."""
    z = x[..., ::2] + 1j * x[..., 1::2]
    t, i = np.arange(x.shape[-2])[:, None], np.arange(z.shape[-1])
    z = z * np.exp(1j * t * 10000.0 ** (-2 * i / x.shape[-1]))
    return np.stack([z.real, z.imag], -1).reshape(x.shape)


def attended(x, module, allowed, rotary):
    n, t, e = x.shape
    rows = x @ array(module.in_proj_weight).T + array(module.in_proj_bias)
    q, k, v = np.moveaxis(rows.reshape(n, t, 3, module.num_heads, -1), (2, 3), (0, 2))
    if rotary:
        q, k = rotated(q), rotated(k)
    s = np.where(allowed, q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]), -np.inf)
    p = np.exp(s - s.max(-1, keepdims=True))
    y = p / p.sum(-1, keepdims=True) @ v
    return linear(y.swapaxes(1, 2).reshape(n, t, e), module.out_proj)


def encoded(x, encoder, allowed, rotary=False):
    for layer in encoder.layers:

        def feed(x, layer=layer):
            return linear(gelu(linear(x, layer.linear1)), layer.linear2)

        if layer.norm_first:
            x = x + attended(norm(x, layer.norm1), layer.self_attn, allowed, rotary)
            x = x + feed(norm(x, layer.norm2))
        else:
            x = norm(x + attended(x, layer.self_attn, allowed, rotary), layer.norm1)
            x = norm(x + feed(x), layer.norm2)
    return x if encoder.norm is None else norm(x, encoder.norm)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_gpt(positions):
    model, x = gpt(positions=positions), tokens(3, 9)
    table = array(model.embedding.weight)
    h = table[x.numpy()]
    if positions == "learned":
        h = h + array(model.positions.weight)[:9]
    h = encoded(h, model.transformer, np.tri(9, dtype=bool), positions == "rotary")
    np.testing.assert_allclose(array(model(x)), h @ table.T, **BOUND)


def test_bert():
    model, x, lengths = bert(), tokens(3, 9), np.array([4, 9, 1])
    segments = (tokens(3, 9, seed=1) > 5).long()
    table = array(model.embedding.weight)
    h = table[x.numpy()] + array(model.segments.weight)[segments.numpy()] + array(model.positions.weight)[:9]
    inside = np.arange(9) < lengths[:, None]
    h = encoded(norm(h, model.norm), model.transformer, inside[:, None, None])
    features = model(x, segments, dlcore.tensor(lengths))
    np.testing.assert_allclose(array(features)[inside], h[inside], **BOUND)
    logits = norm(gelu(linear(h, model.transform[0])), model.transform[2]) @ table.T + array(model.masked.bias)
    np.testing.assert_allclose(array(model.masked_logits(features))[inside], logits[inside], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        array(model.next_logits(features)), linear(np.tanh(linear(h[:, 0], model.pooler)), model.next), **BOUND
    )
    labels = dlcore.where(dlcore.tensor(inside) & (tokens(3, 9, seed=2) > 4), x, -100)
    want = F.cross_entropy(dlcore.tensor(logits).flatten(0, 1), labels.flatten())
    assert model.masked_loss(features, labels).item() == pytest.approx(want.item(), rel=1e-10)


# --- what padding and the future change: nothing


@pytest.mark.parametrize("cell", CELLS)
def test_padded_batch_equals_single_sequences(cell):
    lengths = [5, 9, 1, 9, 3]
    labeller = SequenceLabeller(V, 4, 6, 8, 2, cell).double().eval()
    model, x, n = bert(), tokens(5, 9), dlcore.tensor(lengths)
    labels = tokens(5, 9, seed=1) % 4
    logits, features = labeller(x, n), model(x, lengths=n)
    losses = []
    for i, length in enumerate(lengths):
        one = x[i : i + 1, :length]
        np.testing.assert_allclose(array(labeller(one)[0]), array(logits[i, :length]), **BOUND)
        np.testing.assert_allclose(array(model(one)[0]), array(features[i, :length]), **BOUND)
        losses.append(labeller.loss(labeller(one), labels[i : i + 1, :length]).item() * length)
    assert labeller.loss(logits, labels, n).item() == pytest.approx(sum(losses) / sum(lengths), rel=1e-12)
    # What stands beyond the lengths is not looked at.
    other = dlcore.where(dlcore.arange(9) < n.unsqueeze(1), x, 0)
    assert dlcore.equal(labeller(other, n), logits)
    assert dlcore.equal(model(other, lengths=n)[0, :5], features[0, :5])


@pytest.mark.parametrize("build", [language_model, gpt, lambda: gpt(positions="rotary")])
def test_language_models_do_not_see_what_follows(build):
    model, x, y = build(), tokens(2, 9), tokens(2, 9, seed=1)
    y[:, :5] = x[:, :5]
    a, b = (model(each) if isinstance(model, GPT) else model(each)[0] for each in (x, y))
    np.testing.assert_allclose(array(a)[:, :5], array(b)[:, :5], **BOUND)
    assert not np.allclose(array(a)[:, 5:], array(b)[:, 5:])


# --- decoding


@pytest.mark.parametrize(
    "build",
    [
        *(lambda cell=cell: language_model(cell=cell) for cell in CELLS),
        gpt,
        lambda: gpt(positions="rotary"),
        lambda: gpt(num_layers=1, num_heads=1),
    ],
)
def test_steps_equal_the_whole_sequence(build):
    model, x = build(), tokens(3, 9)
    whole = array(model(x) if isinstance(model, GPT) else model(x)[0])
    with dlcore.no_grad():
        for begin in (0, 4):
            state = model.read(x[:, :begin]) if begin else None
            for t in range(begin, 9):
                logits, state = model.step(x[:, t], state)
                np.testing.assert_allclose(array(logits), whole[:, t], **BOUND)
        # all ways of decoding go on from a prompt, which beams share
        state, last = model.read(x[:, :4]), x[:, 4]
        chosen = greedy(model.step, state, last, None, 5)
        assert beam_search(model.step, model.read(x[:, :4]), last, None, 5, beams=1) == chosen
        assert sample(model.step, model.read(x[:, :4]), last, None, 5, top_k=1) == chosen

        def log_p(rows):
            y = dlcore.cat([x[:, :5], dlcore.tensor(rows)], 1)
            logits = model(y) if isinstance(model, GPT) else model(y)[0]
            return array(logits.log_softmax(-1)[:, 4:-1].gather(2, y[:, 5:].unsqueeze(2))).sum((1, 2))

        wide = beam_search(model.step, model.read(x[:, :4]), last, None, 3, beams=V**2)
        everything = [
            log_p([list(np.unravel_index(i, (V, V, V)))] * 3) for i in np.random.default_rng(0).permutation(V**3)[:200]
        ]
        assert (log_p(wide) >= np.max(everything, 0) - 1e-9).all()


def test_state_has_the_batch_first():
    model = language_model()
    state = model.read(tokens(3, 5))
    assert [part.shape for part in state] == [(3, 2, 8)] * 2
    assert [part.shape for part in language_model(cell="gru").read(tokens(3, 5))] == [(3, 2, 8)]


# --- learning


def trained(model, loss, steps=60, lr=0.02):
    optimizer = dlcore.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    return losses


def follow(model, x):
    """Each token follows from the one before it."""
    logits = model(x[:, :-1])
    logits = logits if isinstance(model, GPT) else logits[0]
    return F.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten())


CYCLE = (3 * dlcore.arange(12) + dlcore.arange(5).unsqueeze(1)) % V


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 3, "dropout": 0.1}, {"tied": True}])
def test_language_model_learns(cell, options):
    dlcore.manual_seed(0)
    model = LanguageModel(V, 24, 24, cell=cell, **options)
    losses = trained(model, lambda: follow(model, CYCLE), steps=100)
    assert losses[0] == pytest.approx(math.log(V), abs=0.3) and losses[-1] < 0.3
    shared = model.output.weight is model.embedding.weight
    assert shared == options.get("tied", False)
    assert greedy(model.eval().step, None, 2, None, 6) == [[5, 8, 0, 3, 6, 9]]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("length", [1, 2, 7])
def test_bidirectional_language_model(cell, length):
    """A token's logits come from the layers of each direction, run up to its neighbours, and not from itself."""
    dlcore.manual_seed(0)
    model = BidirectionalLanguageModel(V, 6, 8, 2, cell).double().eval()
    x = tokens(3, length)
    logits = model(x)
    e, zero = model.embedding(x), dlcore.zeros(3, 8, dtype=dlcore.float64)
    for t in range(length):
        before = model.forward_layers(e[:, :t])[0][:, -1] if t else zero
        after = model.backward_layers(e[:, t + 1 :].flip(1))[0][:, -1] if t + 1 < length else zero
        want = model.output(dlcore.cat([before, after], -1))
        np.testing.assert_allclose(logits[:, t].detach().numpy(), want.detach().numpy(), rtol=0, atol=1e-13)
    for t in range(length):
        other = x.clone()
        other[:, t] = (other[:, t] + 1) % V
        same = (model(other) == logits).all(-1)
        assert same[:, t].all() and not same[:, [i for i in range(length) if abs(i - t) == 1]].any()


def test_bidirectional_language_model_learns():
    dlcore.manual_seed(0)
    model = BidirectionalLanguageModel(V, 24, 24, 2, dropout=0.1)
    losses = trained(model, lambda: F.cross_entropy(model(CYCLE).flatten(0, 1), CYCLE.flatten()), steps=60)
    assert losses[0] == pytest.approx(math.log(V), abs=0.3) and losses[-1] < 0.2


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_gpt_learns(positions):
    dlcore.manual_seed(0)
    model = GPT(V, 16, 16, 2, 2, positions=positions)
    losses = trained(model, lambda: follow(model, CYCLE), lr=0.01)
    assert losses[0] == pytest.approx(math.log(V), abs=0.1) and losses[-1] < 0.3
    assert greedy(model.eval().step, None, 2, None, 6) == [[5, 8, 0, 3, 6, 9]]


def test_bert_learns():
    dlcore.manual_seed(0)
    x, mask, flipped = CYCLE + 4, V + 4, dlcore.tensor([0, 1, 0, 1, 0])
    inputs, labels = mask_tokens(x, mask, (4, V + 4), 0.2)
    segments = (dlcore.arange(12) >= 6).long().expand(5, 12)
    model = BERT(V + 5, 16, 16, 2, 2, dropout=0.0)

    def loss():
        features = model(inputs, segments, dlcore.full((5,), 12))
        return model.masked_loss(features, labels) + F.cross_entropy(model.next_logits(features), flipped)

    losses = trained(model, loss, lr=0.005)
    assert losses[0] == pytest.approx(math.log(V + 5) + math.log(2), abs=0.2) and losses[-1] < 0.3


@pytest.mark.parametrize("cell", CELLS)
def test_labeller_learns(cell):
    """Whether the next token, or the one before, is the same: neither direction knows alone."""
    dlcore.manual_seed(0)
    x, lengths = tokens(16, 10) % 3, dlcore.arange(16) % 8 + 3
    same = (x[:, 1:] == x[:, :-1]).long()
    labels = F.pad(same, (0, 1)) + 2 * F.pad(same, (1, 0))
    model = SequenceLabeller(3, 4, 8, 32, 2, cell)
    losses = trained(model, lambda: model.loss(model(x, lengths), labels, lengths), steps=60, lr=0.01)
    assert losses[0] > 1 and losses[-1] < 0.2


def test_initial_weights_of_gpt():
    dlcore.manual_seed(0)
    model = GPT(500, 64, 64, 8, 4)
    small = 0.02 / math.sqrt(16)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        elif "norm" in name:
            assert (parameter == 1).all()
        else:
            std = small if name.endswith(("out_proj.weight", "linear2.weight")) else 0.02
            assert parameter.std().item() == pytest.approx(std, rel=5 / math.sqrt(2 * parameter.numel())), name
    assert model.output.weight is model.embedding.weight
    e = 64
    layer = 12 * e**2 + 13 * e
    assert sum(p.numel() for p in model.parameters()) == 500 * e + 64 * e + 8 * layer + 2 * e


def test_thread_counts_give_the_same_bits():
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            dlcore.set_num_threads(threads)
            dlcore.manual_seed(0)
            model = GPT(V, 64, 32, 2, 4, positions="rotary")
            follow(model, tokens(4, 60)).backward()
            results.append([parameter.grad for parameter in model.parameters()])
    finally:
        dlcore.set_num_threads(before)
    assert all(dlcore.equal(a, b) for other in results[1:] for a, b in zip(results[0], other))


def test_mask_tokens():
    x = dlcore.randint(0, 104, (400, 500), generator=dlcore.Generator().manual_seed(0))
    y, labels = mask_tokens(x, 104, (4, 104), generator=dlcore.Generator().manual_seed(1))
    x, y, labels = x.numpy(), y.numpy(), labels.numpy()
    chosen = labels != -100
    assert (labels[chosen] == x[chosen]).all() and (y[~chosen] == x[~chosen]).all() and not chosen[x < 4].any()

    def near(count, total, p):
        assert abs(count - total * p) < 5 * math.sqrt(total * p * (1 - p))

    total = chosen.sum()
    near(total, (x >= 4).sum(), 0.15)
    near((y[chosen] == 104).sum(), total, 0.8)
    near((y[chosen] == x[chosen]).sum(), total, 0.1 + 0.1 / 100)  # a drawn token may be the same
    drawn = y[chosen & (y != 104) & (y != x)]
    counts = np.bincount(drawn, minlength=104)[4:]
    assert drawn.min() == 4 and drawn.max() == 103
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 99 + 5 * math.sqrt(2 * 99)
    same = mask_tokens(dlcore.tensor(x), 104, (4, 104), generator=dlcore.Generator().manual_seed(1))
    assert (same[0].numpy() == y).all()
    nothing = mask_tokens(dlcore.tensor(x), 104, (4, 104), p=0.0)
    assert (nothing[0].numpy() == x).all() and (nothing[1] == -100).all()
    every = mask_tokens(dlcore.tensor(x), 104, (4, 104), p=1.0)
    assert ((every[1] != -100).numpy() == (x >= 4)).all()


# --- files


@pytest.mark.parametrize(
    "build",
    [
        lambda: LanguageModel(V, 6, 6, 2, "gru", tied=True),
        lambda: SequenceLabeller(V, 3, 6, 8, cell="rnn"),
        lambda: BidirectionalLanguageModel(V, 6, 8, cell="gru"),
        lambda: GPT(V, 16, 12, 2, 2, positions="rotary"),
        lambda: BERT(V, 16, 12, 1, 2),
    ],
)
def test_saved_models(build, tmp_path):
    model, path = build().eval(), tmp_path / "model"
    vocabulary = Vocabulary("abacus")
    save_model(model, path, vocabulary=vocabulary, labels=["x", "y"], nothing=None)
    again, extra = load_model(path)
    assert type(again) is type(model) and again.options == model.options and not again.training
    assert extra["vocabulary"].tokens == vocabulary.tokens and extra["labels"] == ["x", "y"]
    assert extra["nothing"] is None
    x = tokens(2, 5)
    a, b = (each(x)[0] if isinstance(each, LanguageModel) else each(x) for each in (model, again))
    assert dlcore.equal(a, b)
    untied = isinstance(model, (SequenceLabeller, BidirectionalLanguageModel))
    if hasattr(model, "output") and hasattr(model, "embedding") and not untied:
        assert again.output.weight is again.embedding.weight


def test_the_example_of_the_documentation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    vocabulary = Vocabulary("Python is good")
    save_model(GPT(len(vocabulary), 128, 12, 1, 2), "gpt.safetensors", vocabulary=vocabulary)
    text = (ROOT / "docs" / "sequence-models.md").read_text()
    exec(next(code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "gpt" in code), {})
    assert len(capsys.readouterr().out) > 2


def test_files_that_hold_something_else(tmp_path):
    path = tmp_path / "model"
    model = GPT(V, 16, 12, 2, 2)
    good = {"kind": "GPT", "options": model.options, "extra": {}, "state": model.state_dict()}
    for content in (
        dlcore.ones(3),
        model.state_dict(),
        {**good, "kind": "greedy"},
        {**good, "kind": "dlcore"},
        {**good, "kind": 3},
        {**good, "options": {"bogus": 1}},
        {**good, "options": {**model.options, "d_model": 16}},
        {**good, "options": {**model.options, "d_model": -1}},
        {**good, "state": []},
        {**good, "extra": {"vocabulary": ["vocabulary", "a"]}},
        {**good, "extra": {"vocabulary": []}},
    ):
        dlcore.save(content, path)
        with pytest.raises(ValueError):
            load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nothing")


# --- errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: LanguageModel(0),
            ValueError,
            r"LanguageModel: vocabulary_size must be an int in \[1, .*\], but got 0",
        ),
        (lambda: LanguageModel(V, hidden_size=2.0), ValueError, "LanguageModel: hidden_size must be .* but got 2.0"),
        (lambda: LanguageModel(V, num_layers=2**40), ValueError, "num_layers must be an int in"),
        (
            lambda: BidirectionalLanguageModel(V, cell="tcn"),
            ValueError,
            "BidirectionalLanguageModel: cell must be one of",
        ),
        (lambda: LanguageModel(V, cell="tcn"), ValueError, "cell must be one of rnn, gru, lstm, but got 'tcn'"),
        (lambda: LanguageModel(V, 8, 9, tied=True), ValueError, "must be the same where tied, but got 8 and 9"),
        (lambda: LanguageModel(V, dropout=2), ValueError, "dropout"),
        (lambda: SequenceLabeller(V, -1), ValueError, "SequenceLabeller: num_labels must be"),
        (lambda: SequenceLabeller(V, 2, cell=3), ValueError, "cell must be one of"),
        (lambda: GPT(V, d_model=10, num_heads=3), ValueError, "num_heads must divide embed_dim"),
        (lambda: GPT(V, d_model=6, num_heads=2, positions="rotary"), ValueError, "dim must be positive and even"),
        (lambda: GPT(V, positions="sinusoidal"), ValueError, "positions must be one of learned, rotary"),
        (lambda: GPT(V, num_heads=0), ValueError, "GPT: num_heads must be"),
        (lambda: gpt()(tokens(2, 17)), ValueError, r"positions must be in \[0, 16\)"),
        (lambda: gpt()(tokens(17)), ValueError, r"GPT: tokens must have shape \(N, T\) and be int64, but got \(17,\)"),
        (lambda: gpt()(tokens(2, 3).float()), ValueError, "but got .* of dlcore.float32"),
        (lambda: gpt()(tokens(2, 3) + V), IndexError, "embedding"),
        (lambda: gpt()(tokens(2, 3), []), ValueError, "one for each of 2 layers"),
        (lambda: gpt().step(tokens(2), None), RuntimeError, "decode under no_grad"),
        (lambda: language_model()(tokens(2, 3), (dlcore.zeros(2, 2, 8),)), RuntimeError, "pair"),
        (lambda: SequenceLabeller(V, 3)(tokens(2, 3), dlcore.tensor([0, 3])), RuntimeError, r"must be in \[1, 3\]"),
        (lambda: SequenceLabeller(V, 3)(tokens(2, 3), dlcore.tensor([3])), RuntimeError, "2 lengths"),
        (lambda: bert()(tokens(2, 3), tokens(2, 4)), ValueError, r"segments must have the shape of tokens, \(2, 3\)"),
        (lambda: bert()(tokens(2, 3), lengths=dlcore.tensor([4, 1])), ValueError, "length"),
        (lambda: bert()(tokens(2, 3), dlcore.full((2, 3), 2)), IndexError, "embedding"),
        (lambda: mask_tokens(tokens(3), 1, (4, 4)), ValueError, r"ordinary must be \(low, high\) with low < high"),
        (lambda: mask_tokens(tokens(3), 1, (4, 9), p=1.5), ValueError, r"p must be in \[0, 1\], but got 1.5"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
