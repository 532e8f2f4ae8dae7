"""Whole training steps and inference of networks."""

import io
import warnings

import twin

from . import integers, row, values

STEPS = 4  # training steps before losses are compared


def filled(d, model):
    """The model with the same weights in both libraries, of the size that each layer starts with; what starts as a
    constant (batch norm's weights, say) stays that.
    """
    with d.no_grad():
        for i, p in enumerate(model.parameters()):
            if p.dim() == 1 and (p == p[0]).all():
                continue
            fan_in = max(1, p.numel() // p.shape[0]) if p.dim() > 1 else 64
            p.copy_(d.tensor(values(*p.shape, seed=str(i), scale=fan_in**-0.5)))
    return model


def mlp(d):
    nn = d.nn
    return filled(d, nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)))


def training(d, model, x, target, loss):
    """A whole step: gradients to none, forward, loss, backward, Adam (in PyTorch its fused kernel)."""
    optimizer = d.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step():
        optimizer.zero_grad()
        value = loss(model(x), target)
        value.backward()
        optimizer.step()
        return value.detach()

    return step


def mlp_step(d):
    return training(d, mlp(d), d.tensor(values(32, 8)), d.tensor(values(32, 4, seed="target")), d.nn.MSELoss())


def network(d, name, size, channels_last, **options):
    """A network of `dlcore.models.vision`, built on d, with filled weights, and images for it."""
    channels = 1 if name == "lenet" else 3
    model = filled(d, getattr(twin.vision(d), name)(in_channels=channels, input_size=size, num_classes=10, **options))
    return model.to(memory_format=d.channels_last) if channels_last else model, channels


def images(d, batch, channels, size, channels_last):
    x = d.tensor(values(batch, channels, size, size))
    return x.contiguous(memory_format=d.channels_last) if channels_last else x


def network_step(name, batch, size, **options):
    def make(d, channels_last=False):
        model, channels = network(d, name, size, channels_last, **options)
        x = images(d, batch, channels, size, channels_last)
        return training(d, model, x, d.tensor(integers(10, batch)), d.nn.CrossEntropyLoss())

    return make


def network_inference(name, size):
    def make(d, channels_last=False):
        model, channels = network(d, name, size, channels_last)
        model, x = model.eval(), images(d, 1, channels, size, channels_last)

        def infer():
            with d.inference_mode():
                return model(x)

        return infer

    return make


def onnx_inference(name, size):
    """The same network by ONNX Runtime."""

    def make(torch):
        import onnxruntime

        model, channels = network(torch, name, size, False)
        x = images(torch, 1, channels, size, False)
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model.eval(), (x,), dynamo=True, verbose=False).save(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(file.getvalue(), options, ["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: x.numpy()}
        return lambda: session.run(None, feed)

    return make


def mlp_inference(d):
    model, x = mlp(d).eval(), d.tensor(values(1, 8))

    def infer():
        with d.inference_mode():
            return model(x)

    return infer


LAYOUTS = [{}, {"channels_last": True}]
# A step of Adam may move a weight by lr for any rounding of a gradient near 0, but in the loss of the first steps that
# stays in the order of the roundings of the longest sum, times the layers that it goes through. MobileNet needs 8 times
# that: a ReLU that rounding turns on or off moves gradients of its small planes by percents. Both libraries are then as
# far from float64 as from each other.
row("mlp step", "MLP 8-64-64-4, batch 32", mlp_step, length=64 * 8, calls=STEPS)
row("mlp inference", "MLP 8-64-64-4, batch 1", mlp_inference, length=64 * 4)
for group, name, title, batch, size, length, options in [
    ("lenet step", "lenet", "LeNet", 64, 28, 400 * 16, {}),
    ("resnet step", "resnet18", "ResNet-18 on 32x32", 8, 32, 4608 * 20 * 64, {}),
    ("resnet step", "resnet18", "ResNet-18 on 64x64", 16, 64, 4608 * 20 * 64, {}),
    ("vgg step", "vgg11", "VGG-11 on 64x64", 16, 64, 4608 * 20 * 64, {"dropout": 0}),
    ("mobilenet step", "mobilenet", "MobileNet on 64x64", 16, 64, 4608 * 30 * 64 * 64, {}),
]:
    make = network_step(name, batch, size, **options)
    row(group, f"{title}, batch {batch}", make, length=length, calls=STEPS, torch_layouts=LAYOUTS)
for group, name, title, size, length in [
    ("lenet inference", "lenet", "LeNet", 28, 400 * 16),
    ("resnet inference", "resnet18", "ResNet-18 on 224x224", 224, 4608 * 20),
]:
    others = {"ONNX Runtime": onnx_inference(name, size)}
    row(group, f"{title}, batch 1", network_inference(name, size), length=length, torch_layouts=LAYOUTS, others=others)
