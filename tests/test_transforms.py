"""Augmentation: what each transform does to known images, and that the seed decides everything."""

import colorsys
import math

import numpy as np
import pytest

import dlcore
from dlcore import transforms as T
from dlcore.transforms.images import _turns
from dlcore.utils.data import TensorDataset

EPS = 2.0**-23


def seeded(seed=0):
    return dlcore.Generator().manual_seed(seed)


def numbered(n=6, c=3, h=5, w=7):
    """Images in which every pixel has its own value."""
    return dlcore.arange(n * c * h * w, dtype=dlcore.float32).reshape(n, c, h, w)


def uniform(n=50, c=3, h=6, w=6):
    return dlcore.rand(n, c, h, w, generator=seeded(5))


RANDOM = [
    T.RandomHorizontalFlip(),
    T.RandomCrop(5, padding=2),
    T.RandomAffine(20, (0.8, 1.2), (0.1, 0.1)),
    T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    T.RandomErasing(),
]


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_the_seed_decides(transform):
    x = uniform()
    first, again, other = (transform(x, generator=seeded(seed)) for seed in (1, 1, 2))
    assert dlcore.equal(first, again) and not dlcore.equal(first, other)
    dlcore.manual_seed(1)
    a = transform(x)
    dlcore.manual_seed(1)
    assert dlcore.equal(transform(x), a)
    assert len({tuple(image.flatten().tolist()) for image in transform(x[:1].expand(50, -1, -1, -1))}) > 1
    labels = dlcore.arange(50)
    images, same = transform(x, labels, seeded(1))
    assert dlcore.equal(images, first) and same is labels
    assert transform(x.double()).dtype == dlcore.float64
    assert transform(x[:0]).shape == (0, *first.shape[1:])
    assert dlcore.equal(x, uniform())  # what comes in stays as it is


@pytest.mark.parametrize("transform", [*RANDOM, T.Normalize([0.0], [1.0])], ids=repr)
def test_wrong_images(transform):
    name = type(transform).__name__
    with pytest.raises(TypeError, match=f"{name}: images must be floating point, but got .*uint8"):
        transform(dlcore.zeros(1, 3, 8, 8, dtype=dlcore.uint8))
    with pytest.raises(ValueError, match=rf"{name}: images must have shape \(N, C, H, W\), but got \(3, 8, 8\)"):
        transform(dlcore.zeros(3, 8, 8))


def test_compose():
    compose = T.Compose([T.RandomCrop(4), T.RandomHorizontalFlip()], seed=3)
    x = uniform()

    def epoch(number, compose=compose):
        compose.set_epoch(number)
        return [compose(x), compose(x)]

    (a, b), (c, _), (again, _) = epoch(0), epoch(1), epoch(0)
    assert dlcore.equal(a, again) and not dlcore.equal(a, b) and not dlcore.equal(a, c)
    other = T.Compose(compose.transforms, seed=4)
    assert not dlcore.equal(epoch(0, other)[0], a)
    dlcore.rand(10)  # the library's own generator plays no part
    assert dlcore.equal(epoch(0)[0], a)
    assert dlcore.equal(compose(x, generator=seeded(1)), compose(x, generator=seeded(1)))
    assert dlcore.equal(T.Compose([])(x), x)
    images, labels = T.Compose([T.RandomCrop(4), T.Mixup(5)], seed=0)(x, dlcore.zeros(50, dtype=dlcore.int64))
    assert images.shape == (50, 3, 4, 4) and labels.shape == (50, 5)


def test_normalize():
    rng = np.random.default_rng(0)
    images = (rng.normal(size=(70, 3, 4, 5)) * [[[3]], [[1e-3]], [[0]]] + [[[10]], [[1000]], [[5]]]).astype("f4")
    normalize = T.Normalize.of(TensorDataset(dlcore.tensor(images), dlcore.zeros(70)), batch_size=32)
    exact = images.astype("f8")
    assert np.allclose(normalize.mean, exact.mean((0, 2, 3)), rtol=1e-12, atol=0)
    assert np.allclose(normalize.std[:2], exact.std((0, 2, 3))[:2], rtol=1e-9) and normalize.std[2] == 1
    y = normalize(dlcore.tensor(exact))
    assert np.allclose(y.mean((0, 2, 3)).numpy(), 0, atol=1e-9)
    assert np.allclose(y.std((0, 2, 3), correction=0).numpy(), [1, 1, 0])
    with pytest.raises(ValueError, match="images must have 3 channels"):
        normalize(dlcore.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match="2 means, but 1 standard"):
        T.Normalize([0, 0], [1])
    with pytest.raises(ValueError, match="std must be positive"):
        T.Normalize([0], [0])
    with pytest.raises(ValueError, match="the data set is empty"):
        T.Normalize.of(TensorDataset(dlcore.zeros(0, 1, 2, 2)))


def test_flip():
    x = numbered(200, 1, 2, 3)
    y = T.RandomHorizontalFlip(0.25)(x, generator=seeded())
    flipped = [dlcore.equal(b, a.flip(-1)) for a, b in zip(x, y)]
    assert all(f or dlcore.equal(a, b) for a, b, f in zip(x, y, flipped)) and 25 < sum(flipped) < 75
    assert dlcore.equal(T.RandomHorizontalFlip(1)(x), x.flip(-1)) and dlcore.equal(T.RandomHorizontalFlip(0)(x), x)
    with pytest.raises(ValueError, match="RandomHorizontalFlip: p must be from 0 to 1"):
        T.RandomHorizontalFlip(1.5)


def test_crop():
    x = numbered(300, 2, 5, 7)
    y = T.RandomCrop((4, 6), padding=1, fill=-1)(x, generator=seeded())
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-1)
    places = set()
    for before, after in zip(padded, y.numpy()):
        found = [(i, j) for i in range(4) for j in range(4) if np.array_equal(before[:, i : i + 4, j : j + 6], after)]
        assert len(found) == 1
        places.update(found)
    assert len(places) == 16  # every place occurs
    assert dlcore.equal(T.RandomCrop((5, 7))(x), x)
    with pytest.raises(ValueError, match=r"images with padding are \(5, 7\), smaller than the window \(6, 6\)"):
        T.RandomCrop(6)(x)


def test_affine():
    x = numbered(3, 2, 6, 6)
    close = {"rtol": 0, "atol": 64 * EPS * x.max().item()}
    for degrees in (0, 90, 180, 270):
        y = T.RandomAffine((degrees, degrees))(x)
        turned = dlcore.rot90(x, degrees // 90, (2, 3))
        assert np.allclose(y.numpy(), turned.numpy(), **close), degrees
    # A picture of twice the size: its middle is the whole of the result.
    ramp = dlcore.arange(8.0).reshape(1, 1, 1, 8).expand(1, 1, 8, 8)
    y = T.RandomAffine(0, scale=(2, 2))(ramp)
    assert np.allclose(y[0, 0].numpy(), np.arange(1.75, 5.5, 0.5), atol=1e-5)
    # Moves stay within the share, in both directions, and differ in width and height.
    dot = dlcore.zeros(100, 1, 9, 21)
    dot[:, :, 4, 10] = 1
    y = T.RandomAffine(0, translate=(0.2, 0.1))(dot, generator=seeded())
    weight = y.sum((1, 2, 3))
    assert np.allclose(weight.numpy(), 1, atol=1e-5)
    columns = (y.sum((1, 2)) * dlcore.arange(21.0)).sum(1) - 10
    rows = (y.sum((1, 3)) * dlcore.arange(9.0)).sum(1) - 4
    assert 3.8 < columns.max().item() <= 4.21 and -4.21 <= columns.min().item() < -3.8
    assert 0.8 < rows.max().item() <= 0.91 and -0.91 <= rows.min().item() < -0.8
    # In images that are not square a circle stays a circle: a dot above the middle goes as far to the left, and one to
    # the right of it as far up.
    for (row, column), place in (((1, 10), (5, 6)), ((5, 14), (1, 10))):
        dot = dlcore.zeros(1, 1, 11, 21)
        dot[0, 0, row, column] = 1
        assert T.RandomAffine((90, 90))(dot)[0, 0].argmax().item() == place[0] * 21 + place[1]
    with pytest.raises(ValueError, match="scale must be positive and in order"):
        T.RandomAffine(0, scale=(0, 1))


def test_colours():
    x = uniform(40, 3, 4, 4).double()
    grey = (x * dlcore.tensor([0.299, 0.587, 0.114], dtype=x.dtype).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    inner = x * 0.2 + 0.4  # so far from 0 and 1 that nothing is cut

    def factors(before, after):
        ratio = (after / before).flatten(1).numpy()
        assert np.allclose(ratio, ratio[:, :1], rtol=1e-3)  # one factor an image
        return ratio[:, 0]

    found = factors(inner, T.ColorJitter(brightness=0.3)(inner, generator=seeded()))
    assert 0.7 <= found.min() < 0.75 and 1.25 < found.max() <= 1.3 + 1e-3
    assert T.ColorJitter(brightness=9)(x).max().item() == 1  # cut

    middle = 0.2 * grey.mean((1, 2, 3), keepdim=True) + 0.4
    found = factors(inner - middle, T.ColorJitter(contrast=0.3)(inner, generator=seeded()) - middle)
    assert 0.65 < found.min() < 0.75 and 1.25 < found.max() < 1.35
    y = T.ColorJitter(saturation=0.3)(inner, generator=seeded())
    found = factors(inner - (0.2 * grey + 0.4), y - (0.2 * grey + 0.4))
    assert 0.65 < found.min() < 0.75 and 1.25 < found.max() < 1.35

    # Hue: grey stays, red becomes green after a third of the circle, and the angle stays in its range.
    jitter = T.ColorJitter(hue=0.25)
    assert np.allclose(jitter(dlcore.full((9, 3, 2, 2), 0.3)).numpy(), 0.3, atol=1e-6)
    red = dlcore.tensor([0.6, 0.2, 0.2]).reshape(1, 3, 1, 1).expand(200, -1, -1, -1)
    hues = [colorsys.rgb_to_hsv(*colour)[0] for colour in jitter(red, generator=seeded())[:, :, 0, 0].tolist()]
    hues = [hue - round(hue) for hue in hues]
    assert -0.26 < min(hues) < -0.2 and 0.2 < max(hues) < 0.26
    turn = _turns(dlcore.tensor([2 * math.pi / 3]))[0]
    assert np.allclose((turn @ dlcore.tensor([1.0, 0, 0])).numpy(), [0, 1, 0], atol=1e-6)

    assert T.ColorJitter(0.1, 0.1, 0.1, 0.1)(x[:, :1]).shape == (40, 1, 4, 4)
    assert dlcore.equal(T.ColorJitter()(x), x)
    with pytest.raises(ValueError, match="must have 1 or 3 channels"):
        T.ColorJitter(0.1)(dlcore.zeros(1, 2, 3, 3))
    with pytest.raises(ValueError, match="hue at most 0.5"):
        T.ColorJitter(hue=0.6)


def test_erasing():
    x = dlcore.ones(400, 2, 20, 30)
    y = T.RandomErasing(0.5, scale=(0.05, 0.3), ratio=(0.5, 2), value=-3)(x, generator=seeded())
    holes = (y == -3).numpy()
    assert np.array_equal(holes[:, 0], holes[:, 1]) and set(np.unique(y.numpy())) == {-3, 1}
    heights, widths = holes[:, 0].any(2).sum(1), holes[:, 0].any(1).sum(1)
    area = holes[:, 0].sum((1, 2))
    assert np.array_equal(area, heights * widths)  # rectangles
    hit = area > 0
    assert 150 < hit.sum() < 250
    assert 0.04 < area[hit].min() / 600 < 0.08 and 0.25 < area.max() / 600 < 0.33
    ratio = heights[hit] / widths[hit]
    assert 0.4 < ratio.min() < 0.6 and 1.6 < ratio.max() < 2.4
    assert holes.any((0, 1)).all()  # every pixel is hit some time
    assert (
        (T.RandomErasing(1, scale=(1, 1), ratio=(9, 9))(x)[0, 0] == 0).any(1).all().item()
    )  # no longer than the image
    for options in ({"p": 2}, {"scale": (0.5, 0.1)}, {"ratio": (0, 1)}):
        with pytest.raises(ValueError, match="RandomErasing: "):
            T.RandomErasing(**options)


def test_mixup():
    x, labels = numbered(8), dlcore.arange(8) % 4
    shares = []
    for seed in range(40):
        images, mixed = T.Mixup(4, alpha=1.0)(x, labels, seeded(seed))
        assert images.shape == x.shape and mixed.shape == (8, 4)
        assert np.allclose(mixed.sum(1).numpy(), 1, atol=1e-6)
        other = dlcore.randperm(8, generator=_after_lam(seed))
        change = (images - x)[:, 0, 0, 0] / x[0].numel()  # (1 - lam) (other - own)
        moved = (other != dlcore.arange(8)).numpy()
        lam = 1 - (change / (other - dlcore.arange(8))).numpy()[moved]
        assert np.allclose(lam, lam[0], atol=1e-4)
        shown = dlcore.eye(4)[labels]
        assert np.allclose(mixed.numpy(), (lam[0] * shown + (1 - lam[0]) * shown[other]).numpy(), atol=1e-4)
        shares.append(lam[0])
    assert min(shares) < 0.15 and max(shares) > 0.85 and 0.4 < np.mean(shares) < 0.6  # Beta(1, 1) is uniform
    again = T.Mixup(4)(x, dlcore.eye(4)[labels], seeded(3))
    assert all(dlcore.equal(a, b) for a, b in zip(again, T.Mixup(4)(x, labels, seeded(3))))
    with pytest.raises(TypeError, match="labels are mixed, too"):
        T.Mixup(4)(x)
    with pytest.raises(ValueError, match="alpha must be positive"):
        T.Mixup(4, alpha=0)


def _after_lam(seed):
    generator = seeded(seed)
    dlcore.randint(0, 1 << 62, (1,), generator=generator)
    return generator


def test_a_subclass_defines_apply():
    class Negative(T.Transform):
        def apply(self, images, generator):
            return 1 - images

    assert dlcore.equal(T.Compose([Negative(), Negative()])(dlcore.ones(1, 1, 2, 2)), dlcore.ones(1, 1, 2, 2))
    with pytest.raises(NotImplementedError, match="Transform must define apply"):
        T.Transform()(dlcore.ones(1, 1, 2, 2))
