"""Translators: what must be equal to what, and that they learn."""

import numpy as np
import pytest

import dlcore
from dlcore.models.sequence import (
    NonAutoregressiveTranslator,
    Seq2Seq,
    TransformerTranslator,
    load_model,
    reorder,
    save_model,
)

V, W = 12, 15  # tokens of sources and targets
# Sums of some tens of products, in another order and through a few layers.
BOUND = {"rtol": 1e-11, "atol": 1e-11}
RECURRENT = {
    "gru": {},
    "lstm, two layers": {"cell": "lstm", "num_layers": 2},
    "gru, both directions": {"bidirectional": True},
    "gru, attention": {"attention": True},
    "lstm, all": {"cell": "lstm", "num_layers": 2, "bidirectional": True, "attention": True},
}
LAYERS = {
    "last": {},
    "chosen": {"memory_layers": [0, -1]},
    "first, pre-norm": {"memory_layers": [0, 0], "norm_first": True},
}


def seq2seq(**options):
    return Seq2Seq(V, W, 6, 10, **options)


def transformer(**options):
    return TransformerTranslator(V, W, 8, 2, dim_feedforward=12, **{"max_length": 20, **options})


def nat(**options):
    return NonAutoregressiveTranslator(V, W, d_model=8, num_heads=2, dim_feedforward=12, **{"max_length": 9, **options})


AUTOREGRESSIVE = {name: (seq2seq, options) for name, options in RECURRENT.items()}
AUTOREGRESSIVE |= {f"transformer, {name}": (transformer, options) for name, options in LAYERS.items()}
ALL = {**AUTOREGRESSIVE, "nat": (nat, {}), "nat, refined": (nat, {"iterations": 3})}


@pytest.fixture(params=AUTOREGRESSIVE)
def model(request):
    dlcore.manual_seed(0)
    build, options = AUTOREGRESSIVE[request.param]
    return build(**options).double().eval()


def batch(n=4, s=7, t=6):
    dlcore.manual_seed(1)
    source, target = dlcore.randint(4, V, (n, s)), dlcore.randint(4, W, (n, t))
    target[:, 0] = 1
    return source, target, dlcore.tensor([s, 1, 3, s][:n])


def close(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), **BOUND)


def test_steps_are_the_whole(model):
    source, target, lengths = batch()
    want, got = model(source, target, lengths), []
    with dlcore.no_grad():
        state = model.encode(source, lengths)
        for t in range(target.shape[1]):
            logits, state = model.step(target[:, t], state)
            got.append(logits)
    close(dlcore.stack(got, 1), want)


def test_padding_is_not_looked_at(model):
    source, target, lengths = batch()
    want = model(source, target, lengths)
    for i, length in enumerate(lengths.tolist()):
        close(model(source[i : i + 1, :length], target[i : i + 1]), want[i : i + 1])
    other = dlcore.where(dlcore.arange(source.shape[1]) < lengths.unsqueeze(1), source, 4)
    close(model(other, target, lengths), want)


def test_position_is_given_what_was_before(model):
    source, target, lengths = batch()
    other = target.clone()
    other[:, 3] = (target[:, 3] - 3) % (W - 4) + 4
    a, b = model(source, target, lengths), model(source, other, lengths)
    close(a[:, :3], b[:, :3])
    assert bool(((a - b)[:, 3:].abs().amax((1, 2)) > 1e-6).all())


def test_state_can_be_reordered(model):
    source, target, lengths = batch()
    index = dlcore.tensor([2, 0, 2, 1, 3])
    with dlcore.no_grad():
        _, state = model.step(target[:, 0], model.encode(source, lengths))
        got, _ = model.step(target[index, 1], reorder(state, index))
    close(got, model(source, target, lengths)[index, 1])


def probability(model, source, lengths, answer, eos=2):
    """log p of an answer."""
    ids = dlcore.tensor([[1, *answer, eos]])
    logits = model(source, ids[:, :-1], lengths).log_softmax(-1)
    return logits[0, dlcore.arange(ids.shape[1] - 1), ids[0, 1:]].sum().item()


def test_beam_search_finds_no_less_than_greedy():
    dlcore.manual_seed(3)
    better = 0
    for build, options in AUTOREGRESSIVE.values():
        model = build(**options).double().eval()
        with dlcore.no_grad():
            model.output.bias[2] += 1.5  # short answers, that end by themselves
            model.output.weight.mul_(3)
        source, _, lengths = batch()
        greedy = model.translate(source, lengths, max_length=19)
        found = model.translate(source, lengths, max_length=19, beams=50, length_penalty=0.0)
        for i, (a, b) in enumerate(zip(greedy, found)):
            if len(a) < 19:
                p, q = (probability(model, source[i : i + 1], lengths[i : i + 1], answer) for answer in (a, b))
                assert q >= p - 1e-9
                better += q > p + 1e-9
    assert better


def test_greedy_feeds_itself(model):
    source, _, lengths = batch()
    answers = model.translate(source, lengths, eos=None, max_length=5)
    ids = dlcore.tensor([[1, *answer] for answer in answers])
    logits = model(source, ids[:, :-1], lengths)
    assert logits.argmax(-1).tolist() == [list(answer) for answer in answers]


@pytest.mark.parametrize("name", RECURRENT)
def test_scheduled_sampling(name):
    dlcore.manual_seed(0)
    model = seq2seq(**RECURRENT[name]).double()
    source, target, lengths = batch()
    close(model(source, target, lengths, sampling=0.0), model(source, target, lengths))
    other = target.clone()
    other[:, 1:] = 5
    alone = model(source, target, lengths, sampling=1.0)
    close(alone, model(source, other, lengths, sampling=1.0))  # nothing of the target but its first token
    own = alone.argmax(-1)[:, :-1]
    close(alone, model(source, dlcore.cat([target[:, :1], own], 1), lengths))
    half = [model(source, target, lengths, 0.5, dlcore.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert dlcore.equal(half[0], half[1]) and not dlcore.equal(half[0], half[2])
    half[0].sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_memory_layers():
    """The decoder's layers attend to those that are named, and gradients stop above the highest one."""
    dlcore.manual_seed(0)
    source, target, lengths = batch()
    model = transformer(memory_layers=[0, 0], dropout=0.0)
    assert transformer(memory_layers=[-2, 1]).memory_layers == [0, 1] and transformer().memory_layers == [1, 1]
    model.loss(source, target, lengths).backward()
    used = [any(p.grad is not None for p in layer.parameters()) for layer in model.transformer.encoder.layers]
    assert used == [True, False]


def test_nat_knows_only_what_it_is_told():
    dlcore.manual_seed(0)
    model = nat().double().eval()
    source, target, lengths = batch()
    target_lengths, other = dlcore.tensor([6, 2, 1, 4]), dlcore.full_like(target, 5)
    nothing = model(source, target, lengths, target_lengths)
    close(nothing, model(source, other, lengths, target_lengths))
    known = dlcore.rand(target.shape) < 0.5
    some = model(source, target, lengths, target_lengths, known)
    close(some, model(source, dlcore.where(known, target, other), lengths, target_lengths, known))
    assert (some - nothing).abs().max() > 1e-3
    for i, (s, t) in enumerate(zip(lengths.tolist(), target_lengths.tolist())):
        alone = model(source[i : i + 1, :s], target[i : i + 1, :t], known=known[i : i + 1, :t])
        close(alone, some[i : i + 1, :t])


def test_nat_refines():
    """One pass is the argmax of a forward; later ones predict the least certain again, given the others, and keep what
    is more probable than it was."""
    dlcore.manual_seed(2)
    model = nat().double().eval()
    source, _, lengths = batch()
    with dlcore.no_grad():
        sizes = model.lengths(model.encode(source, lengths)).argmax(1)
        inside = dlcore.arange(int(sizes.max())) < sizes.unsqueeze(1)
        empty = dlcore.zeros(inside.shape, dtype=dlcore.int64)
        p, tokens = model(source, empty, lengths, sizes).softmax(-1).max(-1)
        cut = [row[:n] for row, n in zip(tokens.tolist(), sizes.tolist())]
        assert model.translate(source, lengths, iterations=1) == model.translate(source, lengths) == cut
        known = dlcore.ones(inside.shape, dtype=dlcore.bool)
        for i, n in enumerate(sizes.tolist()):
            known[i, p[i, :n].argsort()[: n // 2]] = False
        new_p, new = model(source, tokens, lengths, sizes, known).softmax(-1).max(-1)
        better = ~known & inside & (new_p > p)
        assert better.any() and (~known & inside & (new_p < p)).any()
        again = dlcore.where(better, new, tokens)
        want = [row[:n] for row, n in zip(again.tolist(), sizes.tolist())]
        assert model.translate(source, lengths, iterations=2) == want
    assert all(1 <= len(row) <= 9 for row in model.translate(source, lengths, iterations=20))


def test_nat_learns_from_its_own_answers():
    """The loss is that of the first pass, and of the hidden tokens given the model's own ones."""
    dlcore.manual_seed(0)
    model = nat(iterations=3, dropout=0.0).double()
    source, target, lengths = batch()
    target_lengths = dlcore.tensor([6, 2, 1, 4])
    inside = dlcore.arange(6) < target_lengths.unsqueeze(1)
    first = model(source, target, lengths, target_lengths)
    sizes = dlcore.nn.functional.cross_entropy(model.lengths(model.encode(source, lengths)), target_lengths)
    one_pass = sizes + dlcore.nn.functional.cross_entropy(first[inside], target[inside])
    counts = set()
    for seed in range(20):
        got = model.loss(source, target, lengths, target_lengths, dlcore.Generator().manual_seed(seed))
        generator = dlcore.Generator().manual_seed(seed)
        share, draws = dlcore.rand(4, 1, generator=generator), dlcore.rand(4, 6, generator=generator)
        draws = dlcore.where(inside, draws, 2.0)
        hidden = (draws < share) | (draws == draws.amin(1, keepdim=True))
        counts |= set(hidden.sum(1).tolist())
        assert bool((hidden & ~inside).sum() == 0)
        again = model(source, first.argmax(-1), lengths, target_lengths, ~hidden)
        close(got, one_pass + dlcore.nn.functional.cross_entropy(again[hidden], target[hidden]))
    assert counts == set(range(1, 7))


def loss_of(model, source, target, lengths):
    if isinstance(model, NonAutoregressiveTranslator):
        return model.loss(source, target[:, 1:], lengths)
    return model.loss(source, target, lengths)


@pytest.mark.parametrize("name", ALL)
def test_loss_falls(name):
    dlcore.manual_seed(0)
    build, options = ALL[name]
    model = build(**options, dropout=0.0)
    source, target, lengths = batch()
    target = target.clone()
    target[:, -1] = 2
    optimizer = dlcore.optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = loss_of(model, source, target, lengths)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.35 * losses[0]
    assert all(p.grad is not None for p in model.parameters()) or options.get("memory_layers") == [0, 0]
    if name == "nat":
        assert model.eval().translate(source, lengths) == target[:, 1:].tolist()


@pytest.mark.parametrize("name", ALL)
def test_same_bits_for_any_number_of_threads(name):
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            dlcore.set_num_threads(threads)
            dlcore.manual_seed(0)
            build, options = ALL[name]
            model = build(**options, dropout=0.1)
            loss = loss_of(model, *batch())
            loss.backward()
            results.append([loss, *(p.grad for p in model.parameters() if p.grad is not None)])
    finally:
        dlcore.set_num_threads(before)
    assert all(dlcore.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", ALL)
def test_files(name, tmp_path):
    build, options = ALL[name]
    model = build(**options).eval()
    save_model(model, tmp_path / "model", note="kept")
    again, extra = load_model(tmp_path / "model")
    source, target, lengths = batch()
    assert extra == {"note": "kept"} and type(again) is type(model)
    assert dlcore.equal(model(source, target, lengths), again(source, target, lengths))


def test_loss_leaves_padding_out():
    source, target, lengths = batch()
    model = seq2seq().double()
    target[1, 3:] = 0
    logits = model(source, target[:, :-1], lengths).log_softmax(-1)
    p = [logits[i, t, target[i, t + 1]] for i in range(4) for t in range(5) if target[i, t + 1] != 0]
    assert len(p) == 17
    np.testing.assert_allclose(model.loss(source, target, lengths).item(), -dlcore.stack(p).mean().item(), rtol=1e-12)


@pytest.mark.parametrize(
    "build, options, message",
    [
        (seq2seq, {"num_layers": 0}, "Seq2Seq: num_layers must be an int in "),
        (seq2seq, {"num_layers": 2**40}, "Seq2Seq: num_layers must be an int in "),
        (seq2seq, {"cell": "rnn"}, "Seq2Seq: cell must be one of gru, lstm, but got 'rnn'"),
        (seq2seq, {"cell": []}, "Seq2Seq: cell must be one of gru, lstm, but got "),
        (seq2seq, {"dropout": 1.5}, r"Seq2Seq: dropout must be a number in \[0, 1\], but got 1.5"),
        (seq2seq, {"dropout": "a"}, r"Seq2Seq: dropout must be a number in \[0, 1\], but got 'a'"),
        (seq2seq, {"pad": 99}, "padding_idx"),
        (transformer, {"num_decoder_layers": -1}, "num_decoder_layers must be an int in "),
        (transformer, {"num_encoder_layers": 10**9}, "num_encoder_layers must be an int in "),
        (transformer, {"memory_layers": [0]}, r"memory_layers must be 2 ints.* in \[-2, 2\), but got \[0\]"),
        (transformer, {"memory_layers": [0, 2]}, r"memory_layers must be 2 ints.*but got \[0, 2\]"),
        (transformer, {"memory_layers": 3}, "memory_layers must be 2 ints.*but got 3"),
        (transformer, {"activation": "tanh"}, "activation must be one of relu, gelu, but got 'tanh'"),
        (nat, {"iterations": 0}, "iterations must be an int in "),
        (nat, {"max_length": 0}, "max_length must be an int in "),
    ],
)
def test_wrong_options(build, options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


@pytest.mark.parametrize("build", [seq2seq, transformer, nat])
def test_wrong_input(build):
    model = build()
    source, target, lengths = batch()
    for args, error, message in [
        ((source[0], target), ValueError, r"source must have shape \(N, length\)"),
        ((source.float(), target), TypeError, "source must be int64 or int32, but got .*float32"),
        (([[1]], target), TypeError, "source must be a Tensor, but got list"),
        ((source, target[:2]), ValueError, r"target must have shape \(4, length\)"),
        ((source[:, :0], target), ValueError, "no size 0"),
        ((source, target[:, :0]), ValueError, "no size 0"),
        ((source, target, lengths + 1), ValueError, r"lengths must be in \[1, 7\], but got 2 to 8"),
        ((source, target, lengths - 1), ValueError, r"lengths must be in \[1, 7\], but got 0 to 6"),
        ((source, target, lengths[:2]), ValueError, r"lengths must have shape \(4,\), but got \(2,\)"),
        ((source, target, lengths.float()), TypeError, "lengths must be integers, but got .*float32"),
        ((source + V, target, lengths), IndexError, None),
    ]:
        with pytest.raises(error, match=message):
            model(*args)
    if build is not seq2seq:
        long = dlcore.full((1, 30), 5)
        with pytest.raises(ValueError, match="positions must be in"):
            model(long, target[:1])
    if build is nat:
        with pytest.raises(ValueError, match="known must be a bool Tensor of shape"):
            model(source, target, known=target)
        with pytest.raises(ValueError, match="target must have at most 9 tokens, but got 12"):
            model.loss(source, dlcore.full((4, 12), 5))
        with pytest.raises(ValueError, match="iterations must be an int"):
            model.translate(source, iterations=0)
        return
    with pytest.raises(ValueError, match="target must have two tokens or more, but got one"):
        model.loss(source, target[:, :1])
    with pytest.raises(ValueError, match="beams must be an int"):
        model.translate(source, beams=0)
    if build is seq2seq:
        with pytest.raises(ValueError, match=r"sampling must be a number in \[0, 1\], but got 2"):
            model(source, target, sampling=2)
    else:
        assert max(map(len, model.eval().translate(source, eos=None))) == 20  # the positions that there are
