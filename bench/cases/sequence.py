"""Layers of sequence models with backward, whole training steps of language models and encoders, and decoding."""

from . import integers, row, values
from .models import STEPS, filled, training

# ---- layers, forward and backward


def layer(name, call, *shapes, length=8, **options):
    """Row for the result of call(d, *tensors) and the gradients of the tensors."""

    def make(d):
        inputs = [d.tensor(values(*shape, seed=str(i))).requires_grad_() for i, shape in enumerate(shapes)]
        dy = d.tensor(values(*call(d, *inputs).shape, seed="dy"))

        def with_gradients():
            y = call(d, *inputs)
            return y.detach(), *d.autograd.grad(y, inputs, dy)

        return with_gradients

    row("sequence layers", name, make, length=length, **options)


def embedding(tokens, features, *shape):
    def make(d):
        table = d.tensor(values(tokens, features)).requires_grad_()
        places = d.tensor(integers(tokens, *shape))
        dy = d.tensor(values(*shape, features, seed="dy"))
        return lambda: d.autograd.grad(d.nn.functional.embedding(places, table), [table], dy)

    row("sequence layers", f"embedding {tokens} tokens of {features}, {shape[0]}x{shape[1]} of them", make, length=16)


for n, t, e in ((32, 128, 256), (8, 512, 1024), (1, 128, 256)):
    shape = f"{n}x{t}x{e}"
    layer(
        f"layer norm {shape}",
        lambda d, x, w, b: d.nn.functional.layer_norm(x, w.shape, w, b),
        (n, t, e),
        (e,),
        (e,),
        length=n * t,
    )
    layer(f"RMS norm {shape}", lambda d, x, w: d.nn.functional.rms_norm(x, w.shape, w), (n, t, e), (e,), length=n * t)
    layer(f"dropout {shape}", lambda d, x: d.nn.functional.dropout(x, 0.1), (n, t, e), random=True)
    layer(f"gelu {n}x{t}x{4 * e}", lambda d, x: d.nn.functional.gelu(x), (n, t, 4 * e), length=16)
    layer(f"silu {n}x{t}x{4 * e}", lambda d, x: d.nn.functional.silu(x), (n, t, 4 * e))
layer("softmax 32x8x128x128", lambda d, x: d.softmax(x, -1), (32, 8, 128, 128), length=128)
layer("softmax 64x32000", lambda d, x: d.softmax(x, -1), (64, 32000), length=32000)
layer("softmax 1x8x128x128", lambda d, x: d.softmax(x, -1), (1, 8, 128, 128), length=128)
embedding(5000, 256, 32, 128)
embedding(32000, 256, 32, 128)
embedding(100, 128, 32, 100)


# ---- training steps of language models


def predicting(d, model, tokens, batch, steps):
    """A training step that predicts each next token."""
    text = d.tensor(integers(tokens, batch, steps + 1))
    return training(
        d,
        filled(d, model),
        text[:, :-1].contiguous(),
        text[:, 1:].contiguous(),
        lambda logits, target: d.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten()),
    )


def recurrent_step(kind, tokens, features, layers, batch, steps):
    def make(d):
        class LanguageModel(d.nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding = d.nn.Embedding(tokens, features)
                self.rnn = getattr(d.nn, kind)(features, features, num_layers=layers, batch_first=True)
                self.output = d.nn.Linear(features, tokens)

            def forward(self, x):
                return self.output(self.rnn(self.embedding(x))[0])

        return predicting(d, LanguageModel(), tokens, batch, steps)

    name = f"{kind} language model, {tokens} tokens, {layers} x {features}, batch {batch}, {steps} steps"
    row(f"{kind.lower()} model step", name, make, length=64 * features * steps, calls=STEPS)


def gpt(d, tokens, length, features=256, layers=4, heads=4):
    """A decoder-only Transformer, pre-norm, written with what both libraries have."""
    nn, F = d.nn, d.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(features), nn.LayerNorm(features)
            self.qkv, self.out = nn.Linear(features, 3 * features), nn.Linear(features, features)
            self.up, self.down = nn.Linear(features, 4 * features), nn.Linear(4 * features, features)

        def forward(self, x, cache=None, at=0):
            n, t, _ = x.shape
            q, k, v = (y.view(n, t, heads, -1).transpose(1, 2) for y in self.qkv(self.norm1(x)).split(features, dim=-1))
            if cache is None:
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                for kept, new in zip(cache, (k, v)):
                    kept[:, :, at : at + t] = new
                y = F.scaled_dot_product_attention(q, cache[0][:, :, : at + t], cache[1][:, :, : at + t])
            x = x + self.out(y.transpose(1, 2).reshape(n, t, features))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.positions = nn.Embedding(tokens, features), nn.Embedding(length, features)
            self.blocks = nn.ModuleList([Block() for _ in range(layers)])
            self.norm, self.output = nn.LayerNorm(features), nn.Linear(features, tokens, bias=False)

        def forward(self, x, caches=None, at=0):
            x = self.embedding(x) + self.positions(d.arange(at, at + x.shape[1]))
            for i, block in enumerate(self.blocks):
                x = block(x, caches and caches[i], at)
            return self.output(self.norm(x))

    return GPT()


def gpt_step(tokens, batch, steps):
    row(
        "gpt step",
        f"GPT d256 l4, {tokens} tokens, batch {batch}, {steps} steps",
        lambda d: predicting(d, gpt(d, tokens, steps), tokens, batch, steps),
        length=64 * 1024 * 4,
        calls=STEPS,
    )


def encoder_step(batch, steps):
    def make(d):
        inside = d.nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.1, batch_first=True)
        model = filled(d, d.nn.TransformerEncoder(inside, 4, enable_nested_tensor=False))
        x, target = (d.tensor(values(batch, steps, 256, seed=seed)) for seed in ("x", "target"))
        return training(d, model, x, target, d.nn.MSELoss())

    row("encoder step", f"4 encoder layers d256, dropout 0.1, batch {batch}, {steps} steps", make, random=True)


def decode(batch, at, tokens=1000):
    """The logits after one more token, the `at`-th, with the keys and values of those before."""

    def make(d):
        model = filled(d, gpt(d, tokens, at + 1)).eval()
        token = d.tensor(integers(tokens, batch, 1))
        caches = [[d.tensor(values(batch, 4, at + 1, 64, seed=f"{layer} {i}")) for i in range(2)] for layer in range(4)]

        def step():
            with d.inference_mode():
                return model(token, caches, at)

        return step

    row("decode", f"GPT d256 l4, one token with cache, batch {batch}, after {at}", make, length=1024 * 4)


for kind in ("LSTM", "GRU"):
    recurrent_step(kind, 100, 256, 1, 32, 64)
    recurrent_step(kind, 5000, 200, 2, 20, 35)
gpt_step(100, 8, 128)
gpt_step(5000, 4, 256)
encoder_step(16, 64)
encoder_step(4, 256)
for batch in (1, 16):
    for at in (32, 512):
        decode(batch, at)
