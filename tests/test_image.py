"""Layers on images: what the case table and PyTorch do not show."""

import numpy as np
import pytest

import dlcore
import dlcore.nn.functional as F

IMAGE = np.arange(2 * 6 * 5 * 4, dtype=np.float32).reshape(2, 6, 5, 4)


def channels_last(x):
    return x.contiguous(memory_format=dlcore.channels_last)


@pytest.mark.parametrize(
    "op",
    [
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.adaptive_avg_pool2d(x, 3),
        lambda x: F.adaptive_max_pool2d(x, 3),
        lambda x: F.pad(x, (1, 1, 1, 1)),
        lambda x: F.pad(x, (1, 1, 1, 1), "reflect"),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: F.grid_sample(x, dlcore.zeros((2, 3, 3, 2))),
    ],
)
def test_results_keep_the_order_in_memory(op):
    x = dlcore.tensor(IMAGE)
    assert op(x).is_contiguous()
    assert op(channels_last(x)).is_contiguous(memory_format=dlcore.channels_last)
    # sums of up to four terms, in another order
    np.testing.assert_allclose(op(x).numpy(), op(channels_last(x)).numpy(), rtol=8 * 2.0**-23)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.max_pool2d(x, 0), RuntimeError, "max_pool2d: kernel_size must be positive"),
        (lambda x: F.max_pool2d(x, 2, padding=2), RuntimeError, "padding must be at most half"),
        (lambda x: F.avg_pool2d(x, 9), RuntimeError, "avg_pool2d: the output must not be empty"),
        (lambda x: F.avg_pool2d(x, (1, 2, 3)), RuntimeError, "avg_pool2d: kernel_size"),
        (lambda x: F.max_pool1d(x, 2), RuntimeError, "max_pool1d: input must have 2 or 3 dimensions"),
        (lambda x: F.max_pool3d(x[0, 0, 0], 2), RuntimeError, "max_pool3d: input must have 4 or 5 dimensions"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=0), RuntimeError, "divisor_override must not be zero"),
        (lambda x: F.adaptive_avg_pool2d(x, -1), RuntimeError, "output_size must be non-negative"),
        (lambda x: F.adaptive_max_pool2d(x, (1, 2, 3)), RuntimeError, "output_size"),
        (lambda x: F.adaptive_avg_pool2d(x.long(), 2), NotImplementedError, "must be floating point"),
        (lambda x: F.max_unpool2d(x, x.long(), 2), RuntimeError, "indices must be in"),
        (lambda x: F.max_unpool2d(x, x, 2), RuntimeError, "indices must be of dtype int64"),
        (lambda x: F.max_unpool2d(x, x.long(), 2, output_size=(3, 3)), ValueError, "invalid output_size"),
        (lambda x: F.pad(x, (1, 1, 1)), RuntimeError, "two numbers a dimension"),
        (lambda x: F.pad(x, (1,) * 10), RuntimeError, "at most two numbers"),
        (lambda x: F.pad(x, (-3, -2)), RuntimeError, "must not be negative"),
        (lambda x: F.pad(x, (4, 1, 1, 1), "reflect"), RuntimeError, "needs a padding of at most 3"),
        (lambda x: F.pad(x, (1, 1), "reflect"), NotImplementedError, "pads all spatial dimensions"),
        (lambda x: F.pad(x, (1, 1, 1, 1), "mirror"), NotImplementedError, "mode must be"),
        (lambda x: F.pad(x, (1, 1, 1, 1), "reflect", 1.0), RuntimeError, "takes no value"),
        (lambda x: F.interpolate(x), ValueError, "either size or scale_factor"),
        (lambda x: F.interpolate(x, 3, 2.0), ValueError, "only one of size or scale_factor"),
        (lambda x: F.interpolate(x, (1, 2, 3)), ValueError, "one number for each spatial dimension"),
        (lambda x: F.interpolate(x, 3, mode="linear"), NotImplementedError, "takes inputs of 3 dimensions"),
        (lambda x: F.interpolate(x, 3, mode="nearest", align_corners=True), ValueError, "align_corners"),
        (lambda x: F.interpolate(x, 0, mode="bilinear"), RuntimeError, "should be greater than 0"),
        (lambda x: F.grid_sample(x, dlcore.zeros((2, 3, 3, 3))), RuntimeError, "must have 2 coordinates"),
        (lambda x: F.grid_sample(x, dlcore.zeros((1, 3, 3, 2))), RuntimeError, "batch size"),
        (lambda x: F.grid_sample(x, dlcore.zeros((2, 3, 3, 2)), "cubic"), ValueError, "mode must be"),
        (lambda x: F.affine_grid(dlcore.zeros((2, 2, 3)), (2, 1, 3)), NotImplementedError, "4 or 5 dimensions"),
        (lambda x: F.affine_grid(dlcore.zeros((2, 3, 3)), (2, 1, 3, 3)), ValueError, "theta must have shape"),
        (lambda x: F.pixel_shuffle(x, 4), RuntimeError, "divisible by upscale_factor"),
        (lambda x: F.pixel_unshuffle(x, 3), RuntimeError, "divisible by downscale_factor"),
        (lambda x: F.channel_shuffle(x, 4), RuntimeError, "divisible by groups"),
        (lambda x: F.unfold(x, 9), RuntimeError, "there must be a window"),
        (lambda x: F.unfold(x[:, :0], 2), RuntimeError, "unfold: only the batch of input may be empty"),
        (lambda x: F.fold(x[0], 4, 2), RuntimeError, "fold: input"),
        (lambda x: F.fold(x[0, :, :0], 4, 2), RuntimeError, "fold: only the batch of input may be empty"),
        (
            lambda x: F.pad(x, (-3, -1, 0, 0), "reflect"),
            RuntimeError,
            "pad: the padded size of dimension 3 must be pos",
        ),
        (lambda x: F.pad(x, (0, -4, 0, 0), "replicate"), RuntimeError, "pad: the padded size of dimension 3 must be p"),
        (lambda x: F.adaptive_max_pool2d(x[:, :0], 2), RuntimeError, "only the batch of input may be empty"),
        (lambda x: F.max_unpool2d(x, x.long(), 2, output_size=(12, 8)), ValueError, "between 8 and 12 but got 12"),
        (lambda x: F.max_unpool2d(x, x.long(), 2, output_size=(10, 6)), ValueError, "between 6 and 10 but got 6"),
        (lambda x: F.max_unpool2d(x, x.long(), 1, 1, 9), ValueError, "max_unpool2d: output_size must not be negative"),
        (lambda x: F.max_unpool2d(x, x.long() - 1, 2), RuntimeError, r"indices must be in \[0, 80\)"),
        (lambda x: F.dropout2d(x, 1.5), ValueError, "between 0 and 1"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(dlcore.tensor(IMAGE))


def test_points_that_are_not_numbers_read_no_memory():
    x = dlcore.tensor(IMAGE)
    for value in (np.nan, np.inf, -np.inf, 1e30):
        grid = dlcore.full((2, 1, 1, 2), value)
        for mode in ("bilinear", "nearest", "bicubic"):
            for outside in ("zeros", "border", "reflection"):
                assert F.grid_sample(x, grid, mode, outside).shape == (2, 6, 1, 1)


def test_windows_of_nothing_but_padding():
    """Taps at -1 and 1 of an image with one row: no maximum, and no gradient."""
    for order in (lambda x: x, channels_last):
        x = dlcore.ones((2, 3, 1, 5), requires_grad=True)
        y, places = F.max_pool2d(order(x), 2, 1, 1, 2, return_indices=True)
        assert (y == -np.inf).all() and (places == 0).all()
        y.backward(dlcore.ones(tuple(y.shape)))
        assert (x.grad == 0).all()


def test_integers_are_padded():
    x = dlcore.arange(6).reshape(1, 2, 3)
    np.testing.assert_array_equal(F.pad(x, (1, 2), "circular")[0, 0].numpy(), [2, 0, 1, 2, 0, 1])
    np.testing.assert_array_equal(F.pad(x, (1, 0), value=7)[0, 1].numpy(), [7, 3, 4, 5])


@pytest.mark.parametrize(
    ("layer", "shape"), [("Dropout1d", (8, 100, 3)), ("Dropout2d", (8, 100, 3, 2)), ("Dropout3d", (8, 100, 2, 1, 2))]
)
def test_channels_are_dropped_whole(layer, shape):
    dlcore.manual_seed(0)
    x = dlcore.ones(shape, requires_grad=True)
    y = getattr(dlcore.nn, layer)(0.25)(x)
    kept = y.detach().numpy().reshape(shape[0], shape[1], -1)
    assert set(np.unique(kept)) == {0.0, np.float32(1 / 0.75)}
    assert (kept == kept[:, :, :1]).all()
    # 800 channels, each kept with probability 3/4: six standard deviations
    assert abs((kept[:, :, 0] > 0).mean() - 0.75) < 6 * (0.75 * 0.25 / 800) ** 0.5
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_alpha_dropout_keeps_mean_and_variance():
    dlcore.manual_seed(0)
    x = dlcore.randn((200, 500))
    y = dlcore.nn.AlphaDropout(0.3)(x).numpy().astype(np.float64)
    # n = 1e5 independent values with mean 0 and variance 1: six standard deviations (the fourth moment is below 6)
    assert abs(y.mean()) < 6 / len(y.ravel()) ** 0.5
    assert abs(y.var() - 1) < 6 * (5 / len(y.ravel())) ** 0.5
    # y = a (x m + alpha' (1 - m)) + b, as the paper has it
    low, q = -1.0507009873554805 * 1.6732632423543772, 0.7
    a = (q + low**2 * q * (1 - q)) ** -0.5
    b = -a * (1 - q) * low
    kept, dropped = a * x.numpy().astype(np.float64) + b, a * low + b
    near = np.minimum(np.abs(y - kept), np.abs(y - dropped))
    assert (near <= 4 * 2.0**-23 * (np.abs(kept) + abs(b) + abs(dropped))).all()
    z = dlcore.nn.FeatureAlphaDropout(0.5)(dlcore.ones((4, 50, 3, 3))).numpy().reshape(4, 50, -1)
    assert (z == z[:, :, :1]).all() and len(np.unique(z)) == 2


def test_dropout_in_place_and_in_evaluation():
    x = dlcore.ones((4, 5, 6, 7))
    assert dlcore.nn.Dropout2d(0.5, inplace=True)(x) is x
    assert set(np.unique(x.numpy())) == {0.0, 2.0}
    assert dlcore.nn.Dropout2d(0.5).eval()(x) is x
    np.testing.assert_array_equal(F.dropout2d(x, 1.0).numpy(), np.zeros(x.shape))
