"""The pointer network: what must be equal to what, and that it learns."""

import numpy as np
import pytest

import dlcore
from dlcore.models.sequence import PointerNetwork, load_model, save_model
from dlcore.models.sequence.pointer import IGNORED

BOUND = {"rtol": 1e-11, "atol": 1e-11}  # sums of some tens of products, in another order
LENGTHS = dlcore.tensor([5, 3, 4])
SORTED = [[0, 1, 4, 2, 3], [2, 1, 0, IGNORED, IGNORED], [3, 1, 2, 0, IGNORED]]
ENDED = [[0, 1, 4, 5, IGNORED], [2, 1, 0, 5, IGNORED], [3, 5, IGNORED, IGNORED, IGNORED]]


def built(end):
    dlcore.manual_seed(0)
    model = PointerNetwork(2, 8, end).double()
    with dlcore.no_grad():
        model.attention.w_v.weight.mul_(5)
    return model, dlcore.randn(3, 5, 2, dtype=dlcore.float64), dlcore.tensor(ENDED if end else SORTED)


def close(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), **BOUND)


@pytest.mark.parametrize("end", [False, True])
def test_steps_are_the_whole(end):
    model, inputs, targets = built(end)
    want, got, tokens = model(inputs, targets, LENGTHS), [], dlcore.full((3,), -1, dtype=dlcore.int64)
    state = model.encode(inputs, LENGTHS)
    for t in range(5):
        logits, state = model.step(tokens, state)
        got.append(logits)
        tokens = targets[:, t].clamp(min=0)
    close(dlcore.stack(got, 1), want)


@pytest.mark.parametrize("end", [False, True])
def test_formula(end):
    """Of the first choices, in numpy: what was chosen and what lies behind a length is impossible."""
    model, inputs, targets = built(end)
    logits = model(inputs, targets, LENGTHS).detach().numpy()
    with dlcore.no_grad():
        h, (s, c) = model.encoder(model.embedding(inputs[1:2, :3]))
        keys = dlcore.cat([h, model.last.reshape(1, 1, -1)], 1) if end else h
        before = dlcore.cat([model.first.reshape(1, 1, -1), model.embedding(inputs[1:2, [2, 1]])], 1)
        out, _ = model.decoder(before, (s, c))
        w_q, w_k, w_v = (p.detach().numpy() for p in model.attention.parameters())
        u = np.tanh((out.numpy() @ w_q.T)[:, :, None] + (keys.numpy() @ w_k.T)[:, None]) @ w_v[0]
    possible = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], bool)
    columns = [0, 1, 2, 5] if end else [0, 1, 2]
    possible = np.hstack([possible, np.ones((3, 1), bool)]) if end else possible
    got = logits[1, :3][:, columns]
    np.testing.assert_allclose(got[possible], u[0][possible], **BOUND)
    assert (got[~possible] == np.finfo(float).min).all() and (logits[1, :3, 3:5] == np.finfo(float).min).all()


@pytest.mark.parametrize("end", [False, True])
def test_padding_is_not_looked_at(end):
    model, inputs, targets = built(end)
    want, answers = model(inputs, targets, LENGTHS), model.point(inputs, LENGTHS)
    other = inputs.masked_fill((dlcore.arange(5) >= LENGTHS.unsqueeze(1)).unsqueeze(2), 7.0)
    close(model(other, targets, LENGTHS), want)
    for i, n in enumerate(LENGTHS.tolist()):
        assert model.point(inputs[i : i + 1, :n]) == [answers[i]]


@pytest.mark.parametrize("end", [False, True])
def test_answers(end):
    model, inputs, _ = built(end)
    for i, answer in enumerate(model.point(inputs, LENGTHS)):
        n = int(LENGTHS[i])
        assert len(set(answer)) == len(answer) and all(0 <= p < n for p in answer)
        assert end or len(answer) == n
        ids = dlcore.tensor([[*answer, 5] if end else answer])
        logits = model(inputs[i : i + 1], ids, LENGTHS[i : i + 1])
        assert logits.argmax(-1)[0, : len(answer)].tolist() == answer
    assert all(len(answer) <= 2 for answer in model.point(inputs, LENGTHS, max_length=2))
    best, wide = (model.point(inputs, LENGTHS, beams=beams) for beams in (1, 200))
    for i, (a, b) in enumerate(zip(best, wide)):
        p, q = (
            model(inputs[i : i + 1], ids, LENGTHS[i : i + 1]).log_softmax(-1)[0].gather(1, ids.mT).sum().item()
            for ids in (dlcore.tensor([[*x, 5] if end else x]) for x in (a, b))
        )
        assert q >= p - 1e-9


def test_learns_to_sort():
    """95 of 100 rows of five numbers, exactly."""
    dlcore.manual_seed(0)
    model, generator = PointerNetwork(1, 32), dlcore.Generator().manual_seed(0)
    optimizer = dlcore.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(500):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 500)
        numbers = dlcore.rand(64, 5, 1, generator=generator)
        optimizer.zero_grad()
        loss = model.loss(numbers, numbers.squeeze(2).argsort(1))
        loss.backward()
        dlcore.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    numbers = dlcore.rand(400, 5, 1, generator=generator)
    right = [a == b for a, b in zip(model.point(numbers), numbers.squeeze(2).argsort(1).tolist())]
    assert losses[-1] < 0.1 * losses[0] and np.mean(right) >= 0.95


@pytest.mark.parametrize("end", [False, True])
def test_learns_answers(end):
    dlcore.manual_seed(0)
    model, inputs, targets = PointerNetwork(2, 16, end), dlcore.randn(3, 5, 2), dlcore.tensor(ENDED if end else SORTED)
    optimizer = dlcore.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(80):
        optimizer.zero_grad()
        model.loss(inputs, targets, LENGTHS).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.point(inputs, LENGTHS) == [[p for p in row if p not in (5, IGNORED)] for row in targets.tolist()]


def test_same_bits_for_any_number_of_threads():
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            dlcore.set_num_threads(threads)
            model, inputs, targets = built(True)
            loss = model.loss(inputs, targets, LENGTHS)
            loss.backward()
            results.append([loss, *(p.grad for p in model.parameters())])
    finally:
        dlcore.set_num_threads(before)
    assert all(dlcore.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("end", [False, True])
def test_files(end, tmp_path):
    model = PointerNetwork(2, 8, end)
    save_model(model, tmp_path / "model")
    again, _ = load_model(tmp_path / "model")
    inputs = dlcore.randn(3, 5, 2)
    assert again.end is end and model.point(inputs) == again.point(inputs)


def test_errors():
    model, inputs, targets = built(False)
    for args, error, message in [
        ((inputs[0], targets), ValueError, r"inputs must be a Tensor \(N, S, 2\), but got \(5, 2\)"),
        ((dlcore.zeros(1, 4, 3), targets), ValueError, r"\(N, S, 2\), but got \(1, 4, 3\)"),
        (("a", targets), ValueError, "but got str"),
        ((inputs[:, :0], targets), ValueError, "no size 0"),
        ((inputs, targets.double()), TypeError, "targets must be an int64 Tensor, but got .*float64"),
        ((inputs, targets[:2]), ValueError, r"targets must have shape \(3, T\), but got \(2, 5\)"),
        ((inputs, targets[:, :0]), ValueError, r"targets must have shape \(3, T\), but got \(3, 0\)"),
        ((inputs, targets + 1), ValueError, r"targets must be in \[0, 5\) or -100"),
        ((inputs, targets - 1), ValueError, r"targets must be in \[0, 5\) or -100"),
        ((inputs, targets, LENGTHS + 1), ValueError, r"lengths must be in \[1, 5\], but got 4 to 6"),
    ]:
        with pytest.raises(error, match="PointerNetwork: .*" + message):
            model(*args)
    with pytest.raises(ValueError, match="input_size must be an int in "):
        PointerNetwork(0)
    with pytest.raises(ValueError, match="hidden_size must be an int in "):
        PointerNetwork(2, 1.5)
    with pytest.raises(ValueError, match="beams must be an int in "):
        model.point(inputs, beams=-1)
    with pytest.raises(ValueError, match="max_length must be an int in "):
        model.point(inputs, max_length=0)
