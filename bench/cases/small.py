"""One op on 64 elements, where the way to the kernel is all there is: bar 1.8.

Each op without gradient, and with: the call that also records what backward needs."""

from . import row, values


def small(name, call, *shapes, length=8, gradient=True):
    def make(d, requires_grad=False):
        inputs = [d.tensor(values(*s, seed=str(i))) for i, s in enumerate(shapes)]
        if requires_grad:
            inputs = [x.requires_grad_() for x in inputs]
        return lambda: call(d, *inputs)

    row("small", name, make, length=length)
    if gradient:
        row("small", f"{name}, recorded", lambda d: make(d, True), length=length)


def there_and_back(name, call, *shapes, length=8):
    """Forward and backward of one op: the gradients are the result."""

    def make(d):
        inputs = [d.tensor(values(*s, seed=str(i))).requires_grad_() for i, s in enumerate(shapes)]
        dy = d.tensor(values(*call(d, *inputs).shape, seed="dy"))

        def step():
            for x in inputs:
                x.grad = None
            call(d, *inputs).backward(dy)
            return [x.grad for x in inputs]

        return step

    row("small", f"{name}, forward and backward", make, length=length)


small("add", lambda d, x, y: d.add(x, y), (64,), (64,))
small("x + y", lambda d, x, y: x + y, (64,), (64,))
small("x * 2.5", lambda d, x: x * 2.5, (64,))
small("mul (8,8) by (8,)", lambda d, x, y: x * y, (8, 8), (8,))
small("exp", lambda d, x: d.exp(x), (64,))
small("tanh", lambda d, x: x.tanh(), (64,))
small("relu", lambda d, x: d.relu(x), (64,))
small("x < y", lambda d, x, y: x < y, (64,), (64,), gradient=False)
small("sum", lambda d, x: x.sum(), (64,), length=64)
small("mean rows", lambda d, x: x.mean(1), (8, 8))
small("softmax", lambda d, x: d.softmax(x, -1), (8, 8))
small("matmul (8,8) (8,8)", lambda d, x, y: x @ y, (8, 8), (8, 8))
small("linear (8,8)", lambda d, x, w, b: d.nn.functional.linear(x, w, b), (8, 8), (8, 8), (8,))
small("reshape", lambda d, x: x.reshape(8, 8), (64,))
small("transpose", lambda d, x: x.transpose(0, 1), (8, 8))
small("x[2:6]", lambda d, x: x[2:6], (8, 8))
small("cat", lambda d, x, y: d.cat((x, y)), (32,), (32,))
small("zeros", lambda d: d.zeros(64), gradient=False)
there_and_back("mul", lambda d, x, y: x * y, (64,), (64,))
there_and_back("matmul (8,8) (8,8)", lambda d, x, y: x @ y, (8, 8), (8, 8))
there_and_back("tanh", lambda d, x: d.tanh(x), (64,))
