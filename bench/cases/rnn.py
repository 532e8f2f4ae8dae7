"""Recurrent layers: inference, and forward with the gradients of input and parameters."""

from . import row, values


def layer(kind, steps, batch, features, hidden, dtype, packed, **options):
    def build(d):
        module = getattr(d.nn, kind)(features, hidden, dtype=getattr(d, dtype), **options)
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
        scale = hidden**-0.5
        module.load_state_dict(
            {name: d.tensor(values(*s, seed=name, scale=scale, dtype=dtype)) for name, s in shapes.items()}
        )
        x = d.tensor(values(steps, batch, features, dtype=dtype))
        if not packed:
            return module, x, x
        lengths = d.tensor([steps - i * steps // (2 * batch) for i in range(batch)])  # down to half of the longest
        pack = d.nn.utils.rnn.pack_padded_sequence(x, lengths)
        return module, pack.data, pack

    def output(result):
        return result[0].data if packed else result[0]

    def forward(d):
        module, _, argument = build(d)

        def call():
            with d.no_grad():
                return output(module(argument))

        return call

    def with_backward(d):
        module, x, argument = build(d)
        inputs = (x.requires_grad_(), *module.parameters())
        dy = d.tensor(values(*output(module(argument)).shape, seed="dy", dtype=dtype))
        return lambda: d.autograd.grad(output(module(argument)), inputs, dy)

    return forward, with_backward


def add(group, kind, steps, batch, features, hidden, dtype="float32", packed=False, **options):
    text = [f"t{steps} b{batch} i{features} h{hidden}"]
    text += [f"{name.replace('num_', '')} {value}" for name, value in options.items() if name != "bidirectional"]
    text += ["both directions"] if options.get("bidirectional") else []
    text += [dtype] if dtype != "float32" else []
    text += ["packed"] if packed else []
    forward, with_backward = layer(kind, steps, batch, features, hidden, dtype, packed, **options)
    name = f"{kind} {', '.join(text)}"
    depth = options.get("num_layers", 1) * (hidden + features)
    row(group, name, forward, length=depth, dtype=dtype)
    row(group, f"{name}, and backward", with_backward, length=steps * batch + depth * steps, dtype=dtype)


SHAPES = [
    ((20, 1, 64, 64), {}),
    ((100, 1, 256, 256), {}),
    ((50, 1, 512, 512), {}),
    ((100, 4, 128, 128), {}),
    ((100, 8, 64, 64), {"bidirectional": True}),
    ((35, 16, 128, 128), {"num_layers": 2}),
    ((35, 32, 128, 256), {}),
    ((64, 32, 64, 256), {"num_layers": 2}),
    ((50, 32, 128, 128), {"num_layers": 2, "bidirectional": True}),
    ((100, 64, 64, 64), {}),
    ((20, 64, 256, 256), {"bidirectional": True}),
    ((20, 64, 512, 512), {}),
]
for shape, options in SHAPES:
    add("lstm", "LSTM", *shape, **options)
for shape, options in SHAPES:
    add("gru and rnn", "GRU", *shape, **options)
for shape, options in SHAPES[::3]:
    add("gru and rnn", "RNN", *shape, **options)
for kind in ("LSTM", "GRU"):
    add("recurrent, other", kind, 50, 32, 128, 256, packed=True)
    add("recurrent, other", kind, 35, 16, 64, 128, packed=True, bidirectional=True)
    add("recurrent, other", kind, 35, 16, 64, 128, dtype="float64")
add("recurrent, other", "LSTM", 35, 32, 128, 256, proj_size=128)
add("recurrent, other", "LSTM", 100, 8, 64, 128, proj_size=64, num_layers=2)
add("recurrent, other", "LSTM", 50, 1, 256, 256, dtype="float64")
