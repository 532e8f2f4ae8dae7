"""`export`: a model and its weights in one file that C++ and C run without Python (docs/embedding.md).

The file is a safetensors file with the tensors of ``state_dict``; its metadata holds, as ``dlcore.program``, the layers
in JSON: {"version": 1, "layers": [{"type": "Linear", "in_features": 2, "out_features": 1, "bias": true}, ...]}. A layer
is the name of its class and the arguments of its constructor, all of them. csrc/nn/program.cpp reads it.
"""

from __future__ import annotations

import json
import operator

from . import nn, serialization
from .nn.conv import each_axis
from .nn.parameter import is_lazy


def export(model: nn.Sequential, path) -> None:
    """Write a model, layers and weights, into a file that C++'s ``nn::Sequential::load`` and C's ``dlcore_model_load``
    run, as `model` does in evaluation mode.

    Args:
        model: a Sequential of Linear, Conv2d, MaxPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, LayerNorm, Embedding,
            Dropout, Flatten, ReLU, Tanh, Sigmoid, GELU, Softmax, LSTM, GRU, and of Sequentials of them. What a
            recurrent layer gives is its output, without the states.
        path: the file; `dlcore.load` reads its weights. It is replaced only when the new one is complete.

    Raises:
        TypeError: if `model` is no Sequential.
        ValueError: naming the layer that cannot be exported, and why.
    """
    if type(model) is not nn.Sequential:
        raise TypeError(f"export: model must be an nn.Sequential, but got {type(model).__name__}")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise ValueError(f"export: {name} has no values yet; run the model once")
    program = {"version": 1, **_layer("model", model)}
    del program["type"]
    text = json.dumps(program, allow_nan=False, default=operator.index)
    serialization.write(path, dict(model.state_dict()), {"dlcore.program": text})


def _layer(name: str, layer) -> dict:
    """The description of a layer; `name` says where it is."""
    kind = type(layer)
    if kind not in _ARGUMENTS:
        known = ", ".join(each.__name__ for each in _ARGUMENTS)
        raise ValueError(f"export: {name} is a {kind.__name__}; the layers that can be exported are {known}")
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise ValueError(f"export: {name}, a {kind.__name__}, has hooks, which are not exported")
    arguments = _ARGUMENTS[kind]
    for argument, value in _DEFAULTS.get(kind, {}).items():
        got = getattr(layer, argument)
        if got != value:
            raise ValueError(
                f"export: {name}, a {kind.__name__}, has {argument}={got!r}; only {value!r} can be exported"
            )
    if callable(arguments):
        return {"type": kind.__name__, **arguments(name, layer)}
    return {"type": kind.__name__, **{argument: getattr(layer, argument) for argument in arguments.split()}}


def _with_bias(arguments: str):
    """These arguments, and whether the layer has a bias."""
    return lambda name, layer: {
        **{argument: getattr(layer, argument) for argument in arguments.split()},
        "bias": layer.bias is not None,
    }


def _conv2d(name: str, layer: nn.Conv2d) -> dict:
    if layer._sides is not None and layer.padding_mode != "zeros":
        raise ValueError(f"export: {name}, a Conv2d, is padded by other than zeros")
    return {
        **_with_bias("in_channels out_channels kernel_size stride dilation groups")(name, layer),
        "padding": "same" if layer.padding == "same" else layer._zeros,
    }


def _pool(axes: str, others: str):
    return lambda name, layer: {
        **{argument: each_axis(getattr(layer, argument), 2) for argument in axes.split()},
        **{argument: getattr(layer, argument) for argument in others.split()},
    }


def _batch_norm(name: str, layer) -> dict:
    if layer.momentum is None:
        raise ValueError(f"export: {name}, a {type(layer).__name__}, has momentum=None, which cannot be exported")
    return {
        argument: getattr(layer, argument)
        for argument in ("num_features", "eps", "momentum", "affine", "track_running_stats")
    }


def _softmax(name: str, layer: nn.Softmax) -> dict:
    if layer.dim is None:
        raise ValueError(f"export: {name}, a Softmax, must say its dim")
    return {"dim": layer.dim}


def _sequential(name: str, layer: nn.Sequential) -> dict:
    names = [child for child, _ in layer.named_children()]
    if names != [str(i) for i in range(len(layer))]:
        raise ValueError(f"export: the layers of {name} must be numbered from 0, but are {', '.join(names)}")
    return {"layers": [_layer(f"{name}[{i}]", child) for i, child in enumerate(layer)]}


def _recurrent(name: str, layer) -> dict:
    arguments = "input_size hidden_size num_layers bias batch_first dropout bidirectional".split()
    if layer.proj_size:
        arguments.append("proj_size")
    return {argument: getattr(layer, argument) for argument in arguments}


_ARGUMENTS = {
    nn.Linear: _with_bias("in_features out_features"),
    nn.Conv2d: _conv2d,
    nn.MaxPool2d: _pool("kernel_size stride padding dilation", "ceil_mode"),
    nn.AvgPool2d: _pool("kernel_size stride padding", "ceil_mode count_include_pad divisor_override"),
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _with_bias("normalized_shape eps elementwise_affine"),
    nn.Embedding: "num_embeddings embedding_dim padding_idx",
    nn.LSTM: _recurrent,
    nn.GRU: _recurrent,
    nn.Flatten: "start_dim end_dim",
    nn.Dropout: "p",
    nn.Softmax: _softmax,
    nn.GELU: "approximate",
    nn.ReLU: "",
    nn.Tanh: "",
    nn.Sigmoid: "",
    nn.Sequential: _sequential,
}
_DEFAULTS = {  # arguments that must have these values
    nn.MaxPool2d: {"return_indices": False},
    nn.Embedding: {"max_norm": None},
}
