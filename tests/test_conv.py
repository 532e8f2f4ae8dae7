"""Convolutions of any shape against their definition."""

import numpy as np
import pytest
from cases.conv import conv2d
from hypothesis import assume, given
from hypothesis import strategies as st

import dlcore as d

PAIR = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
def test_conv2d(dtype, data):
    groups, mine, others = (
        data.draw(st.sampled_from([1, 1, 2, 4])),
        data.draw(st.integers(1, 40)),
        data.draw(st.integers(1, 40)),
    )
    options = {"stride": data.draw(PAIR), "dilation": data.draw(PAIR), "groups": groups}
    options["padding"] = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    size = [data.draw(st.integers(1, 12)) for _ in range(2)]
    window = [data.draw(st.integers(1, 4)) for _ in range(2)]
    dilation = np.broadcast_to(options["dilation"], 2)
    assume(all(n + 2 * p > e * (k - 1) for n, p, e, k in zip(size, options["padding"], dilation, window)))
    x = rng.standard_normal((data.draw(st.integers(1, 3)), groups * mine, *size)).astype(dtype)
    w = rng.standard_normal((groups * others, mine, *window)).astype(dtype)
    b = rng.standard_normal(groups * others).astype(dtype)
    args = [a.astype(np.float64) for a in (x, w, b)]
    terms = mine * window[0] * window[1] + 1
    bound = (terms + 4) * np.finfo(dtype).eps * conv2d(*(np.abs(a) for a in args), **options)
    got = d.conv2d(d.tensor(x), d.tensor(w), d.tensor(b), **options)
    assert np.all(np.abs(got.numpy() - conv2d(*args, **options)) <= bound)
    fused = d.nn.functional.conv2d_act(d.tensor(x), d.tensor(w), d.tensor(b), **options)
    np.testing.assert_array_equal(fused.numpy(), got.relu().numpy())


def test_output_size_of_transposed_layers():
    layer, x = d.nn.ConvTranspose2d(2, 3, 3, stride=2), d.ones(1, 2, 4, 5)
    for size in ((9, 11), (10, 12)):
        y = layer(x, output_size=size)
        assert y.shape == (1, 3, *size) and d.equal(layer(x, output_size=(1, 3, *size)), y)
        np.testing.assert_allclose(y[:, :, :9, :11].detach().numpy(), layer(x).detach().numpy(), rtol=0, atol=2.0**-20)
    for size in ((8, 11), (11, 11)):
        with pytest.raises(ValueError, match=r"output_size must be in \[9, 10\] in dimension 0"):
            layer(x, output_size=size)
    with pytest.raises(ValueError, match=r"output_size must have 2 or 4 elements \(got 1\)"):
        layer(x, output_size=(9,))
