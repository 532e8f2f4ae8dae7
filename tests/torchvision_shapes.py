"""Names and shapes of torchvision's networks (of their `state_dict`), in order, written down from their definitions."""


def conv(name, out, channels, kernel, bias=False):
    yield f"{name}.weight", (out, channels, kernel, kernel)
    if bias:
        yield f"{name}.bias", (out,)


def norm(name, channels):
    for key in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{key}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def linear(name, out, features):
    yield f"{name}.weight", (out, features)
    yield f"{name}.bias", (out,)


def alexnet():
    layers = [(0, 64, 3, 11), (3, 192, 64, 5), (6, 384, 192, 3), (8, 256, 384, 3), (10, 256, 256, 3)]
    for place, *sizes in layers:
        yield from conv(f"features.{place}", *sizes, bias=True)
    for place, out, features in [(1, 4096, 256 * 36), (4, 4096, 4096), (6, 1000, 4096)]:
        yield from linear(f"classifier.{place}", out, features)


def vgg(plan, batch_norm):
    place, channels = 0, 3
    for step in plan.split():
        if step != "M":
            yield from conv(f"features.{place}", int(step), channels, 3, bias=True)
            if batch_norm:
                yield from norm(f"features.{place + 1}", int(step))
            channels = int(step)
            place += 1 + batch_norm
        place += 1
    for place, out, features in [(0, 4096, 512 * 49), (3, 4096, 4096), (6, 1000, 4096)]:
        yield from linear(f"classifier.{place}", out, features)


def googlenet():
    def basic(name, out, channels, kernel):
        yield from conv(f"{name}.conv", out, channels, kernel)
        yield from norm(f"{name}.bn", out)

    yield from basic("conv1", 64, 3, 7)
    yield from basic("conv2", 64, 64, 1)
    yield from basic("conv3", 192, 64, 3)
    channels = 192
    for name, a, b, c, d, e, f in [
        ("3a", 64, 96, 128, 16, 32, 32),
        ("3b", 128, 128, 192, 32, 96, 64),
        ("4a", 192, 96, 208, 16, 48, 64),
        ("4b", 160, 112, 224, 24, 64, 64),
        ("4c", 128, 128, 256, 24, 64, 64),
        ("4d", 112, 144, 288, 32, 64, 64),
        ("4e", 256, 160, 320, 32, 128, 128),
        ("5a", 256, 160, 320, 32, 128, 128),
        ("5b", 384, 192, 384, 48, 128, 128),
    ]:
        yield from basic(f"inception{name}.branch1", a, channels, 1)
        yield from basic(f"inception{name}.branch2.0", b, channels, 1)
        yield from basic(f"inception{name}.branch2.1", c, b, 3)
        yield from basic(f"inception{name}.branch3.0", d, channels, 1)
        yield from basic(f"inception{name}.branch3.1", e, d, 3)
        yield from basic(f"inception{name}.branch4.1", f, channels, 1)
        channels = a + c + e + f
    for name, channels in [("aux1", 512), ("aux2", 528)]:
        yield from basic(f"{name}.conv", 128, channels, 1)
        yield from linear(f"{name}.fc1", 1024, 2048)
        yield from linear(f"{name}.fc2", 1000, 1024)
    yield from linear("fc", 1000, 1024)


def resnet(depths, bottleneck):
    yield from conv("conv1", 64, 3, 7)
    yield from norm("bn1", 64)
    channels = 64
    for stage, (depth, planes) in enumerate(zip(depths, (64, 128, 256, 512)), 1):
        out = planes * 4 if bottleneck else planes
        for block in range(depth):
            name = f"layer{stage}.{block}"
            steps = [(planes, 1), (planes, 3), (out, 1)] if bottleneck else [(planes, 3), (planes, 3)]
            before = channels
            for i, (wide, kernel) in enumerate(steps, 1):
                yield from conv(f"{name}.conv{i}", wide, before, kernel)
                yield from norm(f"{name}.bn{i}", wide)
                before = wide
            if block == 0 and (stage > 1 or bottleneck):
                yield from conv(f"{name}.downsample.0", out, channels, 1)
                yield from norm(f"{name}.downsample.1", out)
            channels = out
    yield from linear("fc", 1000, channels)


def densenet121():
    yield from conv("features.conv0", 64, 3, 7)
    yield from norm("features.norm0", 64)
    channels = 64
    for block, depth in enumerate((6, 12, 24, 16), 1):
        for layer in range(1, depth + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            yield from norm(f"{name}.norm1", channels)
            yield from conv(f"{name}.conv1", 128, channels, 1)
            yield from norm(f"{name}.norm2", 128)
            yield from conv(f"{name}.conv2", 32, 128, 3)
            channels += 32
        if block < 4:
            yield from norm(f"features.transition{block}.norm", channels)
            yield from conv(f"features.transition{block}.conv", channels // 2, channels, 1)
            channels //= 2
    yield from norm("features.norm5", channels)
    yield from linear("classifier", 1000, channels)


def mobilenet_v2():
    yield from conv("features.0.0", 32, 3, 3)
    yield from norm("features.0.1", 32)
    channels, place = 32, 1
    for widen, out, depth in [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]:
        for _ in range(depth):
            name, hidden, step = f"features.{place}.conv", channels * widen, 0
            if widen > 1:
                yield from conv(f"{name}.0.0", hidden, channels, 1)
                yield from norm(f"{name}.0.1", hidden)
                step = 1
            yield from conv(f"{name}.{step}.0", hidden, 1, 3)
            yield from norm(f"{name}.{step}.1", hidden)
            yield from conv(f"{name}.{step + 1}", out, hidden, 1)
            yield from norm(f"{name}.{step + 2}", out)
            channels, place = out, place + 1
    yield from conv("features.18.0", 1280, 320, 1)
    yield from norm("features.18.1", 1280)
    yield from linear("classifier.1", 1000, 1280)


PLANS = {
    "vgg11": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "vgg13": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}
NETWORKS = {  # name: (its state, parameters and 1e9 multiply-adds at 224x224 as torchvision's documentation gives them)
    "alexnet": (alexnet(), 61_100_840, 0.714),
    "vgg11": (vgg(PLANS["vgg11"], 0), 132_863_336, 7.609),
    "vgg11_bn": (vgg(PLANS["vgg11"], 1), 132_868_840, 7.609),
    "vgg13": (vgg(PLANS["vgg13"], 0), 133_047_848, 11.308),
    "vgg13_bn": (vgg(PLANS["vgg13"], 1), 133_053_736, 11.308),
    "vgg16": (vgg(PLANS["vgg16"], 0), 138_357_544, 15.47),
    "vgg16_bn": (vgg(PLANS["vgg16"], 1), 138_365_992, 15.47),
    "vgg19": (vgg(PLANS["vgg19"], 0), 143_667_240, 19.632),
    "vgg19_bn": (vgg(PLANS["vgg19"], 1), 143_678_248, 19.632),
    "googlenet": (googlenet(), 13_004_888, 1.498),  # with the auxiliary heads
    "resnet18": (resnet((2, 2, 2, 2), False), 11_689_512, 1.814),
    "resnet34": (resnet((3, 4, 6, 3), False), 21_797_672, 3.664),
    "resnet50": (resnet((3, 4, 6, 3), True), 25_557_032, 4.089),
    "resnet101": (resnet((3, 4, 23, 3), True), 44_549_160, 7.801),
    "densenet121": (densenet121(), 7_978_856, 2.834),
    "mobilenet_v2": (mobilenet_v2(), 3_504_872, 0.301),
}
NETWORKS = {name: (list(state), *rest) for name, (state, *rest) in NETWORKS.items()}
