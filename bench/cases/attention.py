"""Scaled dot product attention: inference, and forward with the gradients of query, key and value."""

from . import row, values


def add(group, name, lead, queries, keys, depth, width=None, **options):
    def inputs(d):
        shapes = [(*lead, queries, depth), (*lead, keys, depth), (*lead, keys, width or depth)]
        return [d.tensor(values(*s, seed=str(i))) for i, s in enumerate(shapes)]

    def attention(d):
        return d.nn.functional.scaled_dot_product_attention

    def forward(d):
        f, x = attention(d), inputs(d)

        def call():
            with d.no_grad():
                return f(*x, **options)

        return call

    def with_backward(d):
        f, x = attention(d), [t.requires_grad_() for t in inputs(d)]
        dy = d.tensor(values(*lead, queries, width or depth, seed="dy"))
        return lambda: d.autograd.grad(f(*x, **options), x, dy)

    row(group, name, forward, length=depth, random="dropout_p" in options)
    row(group, f"{name}, and backward", with_backward, length=depth * queries, random="dropout_p" in options)


for lead, rows, depth in [
    ((16, 8), 50, 64),
    ((8, 4), 64, 32),
    ((4, 8), 128, 64),
    ((2, 8), 256, 32),
    ((4, 12), 197, 64),
    ((2, 8), 512, 64),
    ((1, 8), 512, 128),
    ((2, 8), 1024, 64),
    ((1, 4), 2048, 64),
    ((1, 2), 4096, 128),
    ((1, 4), 4096, 32),
]:
    text = f"b{lead[0]} h{lead[1]} s{rows} d{depth}"
    add("attention", text, lead, rows, rows, depth)
    add("attention", f"{text} causal", lead, rows, rows, depth, is_causal=True)

for lead, rows, depth, width, options in [
    ((4, 8), 128, 64, 64, {"dropout_p": 0.1}),
    ((2, 8), 512, 64, 64, {"dropout_p": 0.1, "is_causal": True}),
    ((1, 8), 1024, 64, 64, {"dropout_p": 0.1}),
    ((32,), 100, 64, 64, {}),
    ((8,), 512, 64, 64, {}),
    ((8,), 1024, 64, 64, {"is_causal": True}),
    ((4, 8), 128, 64, 32, {}),
    ((2, 8), 512, 32, 64, {}),
    ((1, 8), 1024, 64, 96, {"is_causal": True}),
]:
    text = f"{' '.join(f'{c}{n}' for c, n in zip('bh', lead, strict=False))} s{rows} d{depth}"
    text += f" values {width}" if width != depth else ""
    text += " dropout" if "dropout_p" in options else ""
    text += " causal" if "is_causal" in options else ""
    add("attention, other", text, lead, rows, rows, depth, width, **options)


def window(rows, reach):
    """Neighbours up to `reach` away: for dlcore as structure, for PyTorch as a dense mask."""

    def with_backward(d):
        x = [d.tensor(values(1, 4, rows, 64, seed=str(i)), requires_grad=True) for i in range(3)]
        dy = d.tensor(values(1, 4, rows, 64, seed="dy"))
        if d.__name__ == "dlcore":
            from dlcore.nn.attention import SlidingWindow, attention

            return lambda: d.autograd.grad(attention(*x, SlidingWindow(reach, reach)), x, dy)
        at = d.arange(rows)
        mask = (at[:, None] - at).abs() <= reach
        f = d.nn.functional.scaled_dot_product_attention
        return lambda: d.autograd.grad(f(*x, attn_mask=mask), x, dy)

    return with_backward


row("attention, window", "b1 h4 s4096 d64 window 257, and backward", window(4096, 128), length=64 * 257)
