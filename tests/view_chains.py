"""Random chains of views and in-place writes that run on dlcore, numpy and torch alike."""

import numpy as np
from hypothesis import strategies as st

WRITES = ("add", "mul", "fill", "copy", "masked", "row")


def chain(draw, longest=6):
    """A shape, and (name, arguments) of what to do with the latest view. Expanded views are only read."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    steps, now, written_to = [], list(shape), True
    for _ in range(draw(st.integers(1, longest))):
        n = len(now)
        names = ["unsqueeze"] if n < 6 else []
        names += ["transpose", "narrow", "select", "expand", "flip", "reshape", "squeeze", "step"] if n else []
        names += WRITES if written_to else []
        name = draw(st.sampled_from(names))
        dim = draw(st.integers(0, n - 1)) if n else 0
        if name == "transpose":
            other = draw(st.integers(0, n - 1))
            steps.append((name, dim, other))
            now[dim], now[other] = now[other], now[dim]
        elif name == "narrow":
            start = draw(st.integers(0, now[dim]))
            length = draw(
                st.integers(0 if draw(st.integers(0, 9)) == 0 else min(1, now[dim] - start), now[dim] - start)
            )
            steps.append((name, dim, start, length))
            now[dim] = length
        elif name == "step":
            step = draw(st.integers(1, 3))
            steps.append((name, dim, step))
            now[dim] = -(-now[dim] // step)
        elif name == "select":
            if now[dim] == 0:
                continue
            steps.append((name, dim, draw(st.integers(-now[dim], now[dim] - 1))))
            del now[dim]
        elif name == "expand":
            sizes = [draw(st.integers(1, 3)) if s == 1 else s for s in now]
            if sizes == now:
                continue
            steps.append((name, tuple(sizes)))
            now, written_to = sizes, False
        elif name == "unsqueeze":
            at = draw(st.integers(0, n))
            steps.append((name, at))
            now.insert(at, 1)
        elif name == "squeeze":
            steps.append((name, dim))
            if now[dim] == 1:
                del now[dim]
        elif name == "flip":  # a copy, as in numpy by .copy()
            steps.append((name, dim))
            written_to = True
        elif name == "reshape":  # of a copy: numpy and the others agree on when a reshape is a view only there
            total = int(np.prod(now))
            first = draw(st.sampled_from([k for k in range(1, total + 1) if total % k == 0] or [1]))
            steps.append((name, (first, total // first)))
            now, written_to = [first, total // first], True
        else:
            steps.append((name, draw(st.integers(1, 5))))
    return shape, steps


def step_of(module, x, name, *args):
    """The next view, or copy, of x."""
    is_numpy = module is np
    if name == "transpose":
        return x.swapaxes(*args) if is_numpy else x.transpose(*args)
    if name == "narrow":
        dim, start, length = args
        return x[(slice(None),) * dim + (slice(start, start + length),)] if is_numpy else x.narrow(*args)
    if name == "step":
        return x[(slice(None),) * args[0] + (slice(None, None, args[1]),)]
    if name == "select":
        return x[(slice(None),) * args[0] + (args[1], ...)] if is_numpy else x.select(*args)
    if name == "expand":
        return np.broadcast_to(x, args[0]) if is_numpy else x.expand(*args[0])
    if name == "unsqueeze":
        return np.expand_dims(x, args[0]) if is_numpy else x.unsqueeze(args[0])
    if name == "squeeze":
        if is_numpy:
            return x.squeeze(args[0]) if x.shape[args[0]] == 1 else x
        return x.squeeze(args[0])
    if name == "flip":
        return np.flip(x, args[0]).copy() if is_numpy else x.flip(args[0])
    if name == "reshape":
        return x.copy().reshape(args[0]) if is_numpy else x.clone().reshape(args[0])
    raise ValueError(name)


def write(module, x, name, k):
    """In place, the same arithmetic everywhere."""
    if module is np:
        if name == "add":
            x += k
        elif name == "mul":
            x *= 1 + k / 4
        elif name == "fill":
            x[...] = k
        elif name == "copy":
            x[...] = x * x - k
        elif name == "masked":
            x[x > k] = -k
        elif x.ndim and x.shape[0]:
            x[-1] *= k
        return x
    if name == "add":
        x += k
    elif name == "mul":
        x.mul_(1 + k / 4)
    elif name == "fill":
        x.fill_(k)
    elif name == "copy":
        old = x.clone()  # x itself must not be needed for the gradient once it is written over
        x.copy_(old * old - k)
    elif name == "masked":
        x[x > k] = -k
    elif x.ndim and x.shape[0]:
        x[-1] *= k
    return x


def run_steps(steps, x, module):
    """Every view on the way, the base first."""
    seen = [x]
    for name, *args in steps:
        if name in WRITES:
            write(module, seen[-1], name, *args)
        else:
            seen.append(step_of(module, seen[-1], name, *args))
    return seen


def run_chain(steps, x, a):
    import dlcore

    return list(zip(run_steps(steps, x, dlcore), run_steps(steps, a, np)))
