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
