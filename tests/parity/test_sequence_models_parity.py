"""Language models, labeller, GPT and BERT do what the same layers of PyTorch do, in results and gradients."""

import numpy as np
import pytest

import dlcore
from dlcore.models.sequence import BERT, GPT, LanguageModel, SequenceLabeller

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

V, BOUND = 9, {"rtol": 1e-10, "atol": 1e-12}  # float64, through three layers
CELLS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def twin(module, parts):
    """PyTorch's modules with the parameters of dlcore's."""
    other = torch.nn.ModuleDict(parts).double()
    state = {name: torch.from_numpy(value.numpy().copy()) for name, value in module.state_dict().items()}
    other.load_state_dict(state)
    return other


def compare(model, other, ours, theirs):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **BOUND)
    weights = np.random.default_rng(0).standard_normal(tuple(ours.shape))
    (ours * dlcore.tensor(weights)).sum().backward()
    (theirs * torch.from_numpy(weights)).sum().backward()
    found = dict(other.named_parameters())
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), found[name].grad.numpy(), err_msg=name, **BOUND)


def tokens():
    x = np.random.default_rng(1).integers(0, V, (4, 7))
    return dlcore.tensor(x), torch.from_numpy(x)


@pytest.mark.parametrize("cell", CELLS)
def test_language_model(cell):
    model = LanguageModel(V, 5, 6, 2, cell).double()
    other = twin(
        model,
        {
            "embedding": torch.nn.Embedding(V, 5),
            "layers": CELLS[cell](5, 6, 2, batch_first=True),
            "output": torch.nn.Linear(6, V),
        },
    )
    x, y = tokens()
    h, state = other["layers"](other["embedding"](y))
    logits, kept = model(x)
    for a, b in zip(kept, state if cell == "lstm" else (state,), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().transpose(0, 1).numpy(), **BOUND)
    compare(model, other, logits, other["output"](h))


@pytest.mark.parametrize("cell", CELLS)
def test_labeller(cell):
    model = SequenceLabeller(V, 3, 5, 6, 2, cell).double()
    other = twin(
        model,
        {
            "embedding": torch.nn.Embedding(V, 5),
            "layers": CELLS[cell](5, 6, 2, batch_first=True, bidirectional=True),
            "output": torch.nn.Linear(12, 3),
        },
    )
    (x, y), lengths = tokens(), [3, 7, 1, 5]
    rnn = torch.nn.utils.rnn
    packed = rnn.pack_padded_sequence(other["embedding"](y), torch.tensor(lengths), True, enforce_sorted=False)
    h, _ = rnn.pad_packed_sequence(other["layers"](packed)[0], batch_first=True, total_length=7)
    compare(model, other, model(x, dlcore.tensor(lengths)), other["output"](h))


def test_gpt():
    model = GPT(V, 16, 12, 2, 2, dropout=0.0).double()
    layer = torch.nn.TransformerEncoderLayer(12, 2, 48, 0.0, "gelu", batch_first=True, norm_first=True)
    output, embedding = torch.nn.Linear(12, V, bias=False), torch.nn.Embedding(V, 12)
    output.weight = embedding.weight
    other = twin(
        model,
        {
            "embedding": embedding,
            "positions": torch.nn.ParameterDict({"weight": torch.zeros(16, 12)}),
            "transformer": torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(12), enable_nested_tensor=False),
            "output": output,
        },
    )
    x, y = tokens()
    mask = torch.nn.Transformer.generate_square_subsequent_mask(7, dtype=torch.float64)
    h = other["transformer"](other["embedding"](y) + other["positions"]["weight"][:7], mask, is_causal=True)
    compare(model, other, model(x), other["output"](h))


@pytest.mark.parametrize("padded", [False, True])
def test_bert(padded):
    model = BERT(V, 16, 12, 2, 2, 3, dropout=0.0).double()
    layer = torch.nn.TransformerEncoderLayer(12, 2, 48, 0.0, "gelu", batch_first=True)
    masked, embedding = torch.nn.Linear(12, V), torch.nn.Embedding(V, 12)
    masked.weight = embedding.weight
    other = twin(
        model,
        {
            "embedding": embedding,
            "segments": torch.nn.Embedding(3, 12),
            "positions": torch.nn.ParameterDict({"weight": torch.zeros(16, 12)}),
            "norm": torch.nn.LayerNorm(12),
            "transformer": torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
            "transform": torch.nn.Sequential(torch.nn.Linear(12, 12), torch.nn.GELU(), torch.nn.LayerNorm(12)),
            "masked": masked,
            "pooler": torch.nn.Linear(12, 12),
            "next": torch.nn.Linear(12, 2),
        },
    )
    (x, y), segments, lengths = tokens(), np.arange(28).reshape(4, 7) % 3, np.array([3, 7, 1, 5])
    h = other["embedding"](y) + other["segments"](torch.tensor(segments)) + other["positions"]["weight"][:7]
    padding = torch.tensor(np.arange(7) >= lengths[:, None]) if padded else None
    h = other["transformer"](other["norm"](h), src_key_padding_mask=padding)
    ours = model(x, dlcore.tensor(segments), dlcore.tensor(lengths) if padded else None)
    # What stands beyond a sequence's end is nobody's: it is left out of what is compared.
    inside = np.arange(7) < lengths[:, None] if padded else np.ones((4, 7), dtype=bool)
    mine = model.masked_logits(ours[dlcore.tensor(inside)]), model.next_logits(ours)
    theirs = (
        other["masked"](other["transform"](h[torch.tensor(inside)])),
        other["next"](other["pooler"](h[:, 0]).tanh()),
    )
    compare(model, other, *(d.cat([t.flatten() for t in heads]) for d, heads in ((dlcore, mine), (torch, theirs))))
