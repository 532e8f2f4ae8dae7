"""Whole training steps and inference: bars 6 (MLP), 1.5 (LeNet), 4 (inference)."""

from . import integers, row, values

STEPS = 4  # training steps before losses are compared


def filled(d, model):
    """The model with the same weights in both libraries, of the size that each layer starts with."""
    with d.no_grad():
        for i, p in enumerate(model.parameters()):
            fan_in = max(1, p.numel() // p.shape[0]) if p.dim() > 1 else 64
            p.copy_(d.tensor(values(*p.shape, seed=str(i), scale=fan_in**-0.5)))
    return model


def mlp(d):
    nn = d.nn
    return filled(d, nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)))


def lenet(d):
    nn = d.nn
    features = [
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]
    classifier = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return filled(d, nn.Sequential(*features, nn.Flatten(), *classifier))


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


def lenet_step(d, channels_last=False, batch=64):
    model, x = lenet(d), d.tensor(values(batch, 1, 28, 28))
    if channels_last:
        model, x = model.to(memory_format=d.channels_last), x.to(memory_format=d.channels_last)
    return training(d, model, x, d.tensor(integers(10, batch)), d.nn.CrossEntropyLoss())


def mlp_inference(d):
    model, x = mlp(d).eval(), d.tensor(values(1, 8))

    def infer():
        with d.inference_mode():
            return model(x)

    return infer


# A step of Adam may move a weight by lr for any rounding of a gradient near 0, but in the loss of the first steps that
# stays in the order of the roundings of the longest sum, times the layers that it goes through.
row("mlp step", "MLP 8-64-64-4, batch 32", mlp_step, length=64 * 8, calls=STEPS)
row(
    "lenet step",
    "LeNet, batch 64",
    lenet_step,
    length=400 * 16,
    calls=STEPS,
    torch_layouts=[{}, {"channels_last": True}],
)
row("mlp inference", "MLP 8-64-64-4, batch 1", mlp_inference, length=64 * 4)
