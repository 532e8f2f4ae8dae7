"""Translators and the pointer network compute what the same modules of PyTorch compute: logits, losses, gradients."""

import numpy as np
import pytest

import dlcore
from dlcore.models.sequence import NonAutoregressiveTranslator, PointerNetwork, Seq2Seq, TransformerTranslator

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")
F = torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")

# Sums of some tens of products, in another order and through some layers; gradients sum over tokens besides.
BOUND = {"rtol": 1e-9, "atol": 1e-10}
LENGTHS = [7, 1, 4]


def inputs():
    rng = np.random.default_rng(0)
    source, target = rng.integers(4, 12, (3, 7)), rng.integers(4, 15, (3, 6))
    target[:, 0], target[1, 4:] = 1, 0
    return source, target


def weights(model):
    return {name: torch.tensor(p.detach().numpy(), requires_grad=True) for name, p in model.named_parameters()}


def loaded(module, weights, prefix):
    """A module of PyTorch with weights of that prefix, as a function that gradients go through."""
    own = {name[len(prefix) + 1 :]: w for name, w in weights.items() if name.startswith(prefix + ".")}
    return lambda *args, **options: torch.func.functional_call(module.double(), own, args, options)


def compare(model, loss, w, want):
    loss.backward()
    want.backward()
    np.testing.assert_allclose(loss.item(), want.item(), **BOUND)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), w[name].grad.numpy(), err_msg=name, **BOUND)


def inside(lengths, size):
    return torch.arange(size) < torch.tensor(lengths)[:, None]


def softmax_inside(scores, lengths):
    return scores.masked_fill(~inside(lengths, scores.shape[-1])[:, None], -torch.inf).softmax(-1)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell, layers", [("gru", 1), ("lstm", 2)])
def test_seq2seq(cell, layers, bidirectional, attention):
    dlcore.manual_seed(0)
    model = Seq2Seq(12, 15, 5, 6, layers, cell, bidirectional, attention).double()
    w, (x, y) = weights(model), inputs()
    kind, both = getattr(torch.nn, cell.upper()), 2 if bidirectional else 1
    encoder = loaded(kind(5, 6, layers, batch_first=True, bidirectional=bidirectional), w, "encoder")
    decoder = loaded(kind(5 + 6 * both * attention, 6, layers, batch_first=True), w, "decoder")
    embedded = F.embedding(torch.tensor(x), w["source_embedding.weight"], 0)
    packed = torch.nn.utils.rnn.pack_padded_sequence(embedded, LENGTHS, True, enforce_sorted=False)
    h, states = encoder(packed)
    h, _ = torch.nn.utils.rnn.pad_packed_sequence(h, batch_first=True)
    states = list(states) if cell == "lstm" else [states]
    if bidirectional:
        states = [
            torch.tanh(F.linear(torch.cat([s[0::2], s[1::2]], -1), w[f"bridges.{i}.weight"], w[f"bridges.{i}.bias"]))
            for i, s in enumerate(states)
        ]
    rows = []
    for t in range(5):
        step = F.embedding(torch.tensor(y[:, t : t + 1]), w["target_embedding.weight"], 0)
        context = step[:, :, :0]
        if attention:
            sums = (states[0][-1] @ w["attention.W_q.weight"].T)[:, None] + h @ w["attention.W_k.weight"].T
            scores = (torch.tanh(sums) @ w["attention.w_v.weight"][0])[:, None]
            context = softmax_inside(scores, LENGTHS) @ h
        out, new = decoder(torch.cat([step, context], -1), tuple(states) if cell == "lstm" else states[0])
        states = list(new) if cell == "lstm" else [new]
        rows.append(torch.cat([out, context], -1))
    logits = F.linear(torch.cat(rows, 1), w["output.weight"], w["output.bias"])
    want = F.cross_entropy(logits.flatten(0, 1), torch.tensor(y[:, 1:]).flatten(), ignore_index=0)
    compare(model, model.loss(*map(dlcore.tensor, (x, y, LENGTHS))), w, want)


def transformer(w, options, x):
    """Encoder and decoder of PyTorch for a source."""
    twin = torch.nn.Transformer(8, 2, 2, 2, 12, 0.0, batch_first=True, **options)
    memories, h = [], x
    for i in range(2):
        layer = loaded(twin.encoder.layers[i], w, f"transformer.encoder.layers.{i}")
        h = layer(h, src_key_padding_mask=~inside(LENGTHS, 7))
        memories.append(loaded(twin.encoder.norm, w, "transformer.encoder.norm")(h))

    def decode(y, chosen, **masks):
        for i, memory in enumerate(chosen):
            layer = loaded(twin.decoder.layers[i], w, f"transformer.decoder.layers.{i}")
            y = layer(y, memories[memory], memory_key_padding_mask=~inside(LENGTHS, 7), **masks)
        y = loaded(twin.decoder.norm, w, "transformer.decoder.norm")(y)
        return F.linear(y, w["output.weight"], w["output.bias"])

    return memories, decode


def positions(length):
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, 8, 2) / 8)
    return torch.tensor(np.stack([np.sin(angles), np.cos(angles)], -1).reshape(length, 8).astype("f").astype("d"))


OPTIONS = {"d_model": 8, "num_heads": 2, "dim_feedforward": 12, "dropout": 0.0, "max_length": 9}


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("chosen", [[1, 1], [0, 1], [1, 0]])
def test_transformer(norm_first, chosen):
    dlcore.manual_seed(0)
    model = TransformerTranslator(12, 15, **OPTIONS, norm_first=norm_first, memory_layers=chosen).double()
    w, (x, y) = weights(model), inputs()
    scale = 8**0.5
    source = F.embedding(torch.tensor(x), w["source_embedding.weight"], 0) * scale + positions(7)
    _, decode = transformer(w, {"norm_first": norm_first}, source)
    target = F.embedding(torch.tensor(y[:, :-1]), w["target_embedding.weight"], 0) * scale + positions(5)
    logits = decode(target, chosen, tgt_mask=torch.ones(5, 5, dtype=torch.bool).triu(1))
    want = F.cross_entropy(logits.flatten(0, 1), torch.tensor(y[:, 1:]).flatten(), ignore_index=0)
    compare(model, model.loss(*map(dlcore.tensor, (x, y, LENGTHS))), w, want)


def test_nonautoregressive():
    dlcore.manual_seed(0)
    model = NonAutoregressiveTranslator(12, 15, **OPTIONS).double()
    w, (x, y) = weights(model), inputs()
    sizes, scale = [6, 2, 5], 8**0.5
    tokens = F.embedding(torch.tensor(x), w["source_embedding.weight"], 0) * scale
    memories, decode = transformer(w, {}, tokens + positions(7))
    copies = torch.stack(
        [torch.stack([tokens[n, min(t * LENGTHS[n] // sizes[n], 6)] for t in range(6)]) for n in range(3)]
    )
    target = copies + w["hidden"] * scale + positions(6)
    logits = decode(target, [1, 1], tgt_key_padding_mask=~inside(sizes, 6))
    mean = torch.stack([memories[1][n, :length].mean(0) for n, length in enumerate(LENGTHS)])
    lengths = F.linear(mean, w["length.weight"], w["length.bias"])[:, 1:]
    want = F.cross_entropy(lengths, torch.tensor(sizes) - 1)
    want = want + F.cross_entropy(logits[inside(sizes, 6)], torch.tensor(y)[inside(sizes, 6)])
    w["target_embedding.weight"].grad = torch.zeros(15, 8, dtype=torch.float64)  # no token is known
    compare(model, model.loss(*map(dlcore.tensor, (x, y, LENGTHS, sizes))), w, want)


@pytest.mark.parametrize("end", [False, True])
def test_pointer(end):
    dlcore.manual_seed(0)
    model = PointerNetwork(2, 6, end).double()
    w, points = weights(model), np.random.default_rng(0).random((3, 7, 2))
    answers = [[3, 6, 0, 1], [0, -100, -100, -100], [2, 1, 3, -100]]
    if end:
        answers = [[3, 6, 0, 7], [7, -100, -100, -100], [2, 1, 7, -100]]
    encoder, decoder = (loaded(torch.nn.LSTM(6, 6, batch_first=True), w, name) for name in ("encoder", "decoder"))
    total, count = 0, 0
    for row, answer, n in zip(points, answers, LENGTHS):
        embedded = F.linear(torch.tensor(row[None, :n]), w["embedding.weight"], w["embedding.bias"])
        h, states = encoder(embedded)
        keys = torch.cat([h[0], w["last"][None]]) if end else h[0]
        before, possible = w["first"], torch.ones(len(keys), dtype=torch.bool)
        for p in (p for p in answer if p >= 0):
            out, states = decoder(before[None, None], states)
            sums = out[0] @ w["attention.W_q.weight"].T + keys @ w["attention.W_k.weight"].T
            u = (torch.tanh(sums) @ w["attention.w_v.weight"][0]).masked_fill(~possible, -torch.inf)
            where = n if p == 7 else p
            total, count = total - u.log_softmax(0)[where], count + 1
            if p < 7:
                before, possible = embedded[0, p], possible.clone()
                possible[p] = False
    compare(model, model.loss(dlcore.tensor(points), dlcore.tensor(answers), dlcore.tensor(LENGTHS)), w, total / count)
