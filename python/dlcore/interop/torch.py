"""Tensors and whole modules moved between dlcore and PyTorch, where PyTorch is installed.

    model = dlcore.interop.torch.from_torch(torch_model)
    torch_model = dlcore.interop.torch.to_torch(model)

Tensors share memory; modules get copies. A module's twin is the class of its name in the other library's ``nn``, built
with the same arguments, and then given a copy of its state.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any


def to_torch(obj):
    """PyTorch's twin of a tensor, a dtype, a module, or of what dictionaries, lists and tuples hold of them.

    Args:
        obj: tensors share memory with the result, which has no history; modules are copied, with
            constructor arguments, parameters, buffers, training mode and ``requires_grad``, but without hooks.
            Everything else is returned as it is.

    Raises:
        ImportError: where PyTorch is not installed.
        TypeError: naming a layer that PyTorch has no class of the same name for, or of which the arguments can't be
            told. Then build the model there, and load ``to_torch(model.state_dict())``.
    """
    import dlcore

    return _Move("to_torch", dlcore, _torch("to_torch"), {}).value(obj, "obj")


def from_torch(obj):
    """dlcore's twin of a tensor, a dtype, a module of PyTorch, or of what dictionaries, lists and tuples hold of them.
    As `to_torch`, the other way."""
    import dlcore

    return _Move("from_torch", _torch("from_torch"), dlcore, {}).value(obj, "obj")


def _torch(function: str) -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"{function}: needs PyTorch, which is not installed here") from error
    return torch


@dataclass
class _Move:
    """One call: from a library to another one, and the twins that were made."""

    function: str
    source: Any
    target: Any
    twins: dict

    def value(self, obj, where: str):
        """The twin of `obj`; `where` says what it is."""
        if isinstance(obj, self.source.Tensor):
            return self.tensor(obj)
        if isinstance(obj, self.source.dtype):
            return getattr(self.target, str(obj).rpartition(".")[2])
        if isinstance(obj, self.source.nn.Module):
            twin = self.module(obj, where)
            self.copy_state(obj, twin, where)
            return twin
        if isinstance(obj, Mapping):
            return type(obj)((key, self.value(value, f"{where}[{key!r}]")) for key, value in obj.items())
        if type(obj) in (list, tuple):
            return type(obj)(self.value(value, f"{where}[{i}]") for i, value in enumerate(obj))
        return obj

    def tensor(self, tensor):
        twin = self.target.from_dlpack(tensor.detach())
        return twin.requires_grad_() if tensor.requires_grad else twin

    # --- modules

    def module(self, module, where: str):
        """The twin of a module, with values of its own."""
        if id(module) not in self.twins:
            self.twins[id(module)] = self.new_module(module, where)
        return self.twins[id(module)]

    def new_module(self, module, where: str):
        kind = type(module)
        twin = getattr(self.target.nn, kind.__name__, None)
        if getattr(self.source.nn, kind.__name__, None) is not kind or not isinstance(twin, type):
            raise TypeError(
                f"{self.function}: {where} is a {kind.__module__}.{kind.__qualname__}, which has no twin in "
                f"{self.target.__name__}.nn; build the model there, and load {self.function}(model.state_dict())"
            )
        if kind.__name__ in ("Sequential", "ModuleList", "ModuleDict"):
            children = {name: self.module(child, f"{where}.{name}") for name, child in module._modules.items()}
            if kind.__name__ == "ModuleList":
                return twin(children.values())
            result = twin()
            for name, child in children.items():
                result.add_module(name, child)
            return result
        if kind.__name__ == "ParameterList":
            return twin([self.parameter(value) for value in module])
        if kind.__name__ == "ParameterDict":
            return twin([(key, self.parameter(value)) for key, value in module.items()])
        return twin(**self.arguments(module, twin, where))

    def parameter(self, value):
        """The twin of what a ParameterList holds: a copy."""
        copy = self.argument(value, "")
        return self.target.nn.Parameter(copy) if isinstance(value, self.source.nn.Parameter) else copy

    def arguments(self, module, twin, where: str) -> dict:
        """The arguments of the constructor that made a module, out of its attributes."""
        known = _ARGUMENTS.get(type(module).__name__)
        if known is not None:
            return {name: self.argument(value, where) for name, value in known(module).items()}
        result = {}
        for parameter in inspect.signature(type(module).__init__).parameters.values():
            name = parameter.name
            if name in ("self", "device", "dtype") or parameter.kind in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                continue
            if hasattr(module, name):
                value = getattr(module, name)
                if name == "bias" and not isinstance(value, bool):
                    value = value is not None
                result[name] = self.argument(value, where)
            elif parameter.default is parameter.empty:
                raise TypeError(
                    f"{self.function}: {where}, a {type(module).__name__}, does not keep its argument {name}"
                )
        accepted = inspect.signature(twin.__init__).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
            return result
        given = inspect.signature(type(module).__init__).parameters
        for name in [name for name in result if name not in accepted]:
            if result.pop(name) != given[name].default:
                raise TypeError(
                    f"{self.function}: {where}, a {type(module).__name__}, has the argument {name}, which its twin "
                    "does not take"
                )
        return result

    def argument(self, value, where: str):
        """An argument's twin; tensors are copied."""
        if isinstance(value, self.source.Tensor):
            return self.tensor(value).detach().clone()
        return self.value(value, where)

    def copy_state(self, module, twin, where: str) -> None:
        state = {}
        for name, value in module.state_dict().items():
            if isinstance(value, self.source.Tensor):
                try:
                    state[name] = self.target.from_dlpack(value.detach()).clone()
                except Exception as error:
                    raise TypeError(f"{self.function}: {where}.{name} can not be moved: {error}") from error
        own = [p for m in module.modules() for p in m._parameters.values() if p is not None]
        if len({id(p) for p in own}) != len(own):
            raise TypeError(f"{self.function}: {where} has modules that share a parameter, which their twins would not")
        twin.load_state_dict(state, assign=True)
        for parameter, copy in zip(module.parameters(), twin.parameters(), strict=True):
            copy.requires_grad_(parameter.requires_grad)
        copies = dict(twin.named_modules())
        for name, part in module.named_modules():
            if name in copies:
                copies[name].training = part.training


def _attention(m) -> dict:
    return {
        "embed_dim": m.embed_dim,
        "num_heads": m.num_heads,
        "dropout": m.dropout,
        "bias": m.in_proj_bias is not None,
        "add_bias_kv": m.bias_k is not None,
        "add_zero_attn": m.add_zero_attn,
        "kdim": m.kdim,
        "vdim": m.vdim,
        "batch_first": m.batch_first,
    }


def _transformer_layer(m) -> dict:
    activation = getattr(m.activation, "__name__", None)
    if activation not in ("relu", "gelu"):
        raise TypeError(f"a {type(m).__name__} with an activation other than relu and gelu has no twin")
    return {
        "d_model": m.self_attn.embed_dim,
        "nhead": m.self_attn.num_heads,
        "dim_feedforward": m.linear1.out_features,
        "dropout": m.dropout.p,
        "activation": activation,
        "layer_norm_eps": m.norm1.eps,
        "batch_first": m.self_attn.batch_first,
        "norm_first": m.norm_first,
        "bias": m.linear1.bias is not None,
    }


def _attributes(names: str):
    return lambda m: {name: getattr(m, name) for name in names.split()}


_RECURRENT = "input_size hidden_size num_layers bias batch_first dropout bidirectional"

# The arguments of classes that keep them elsewhere than in attributes of the same names.
_ARGUMENTS = {
    "Hardtanh": _attributes("min_val max_val inplace"),
    "GRU": _attributes(_RECURRENT),
    "LSTM": _attributes(f"{_RECURRENT} proj_size"),
    "RNN": _attributes(f"{_RECURRENT} nonlinearity"),
    "MultiheadAttention": _attention,
    "TransformerEncoderLayer": _transformer_layer,
    "TransformerDecoderLayer": _transformer_layer,
    "TransformerEncoder": lambda m: {
        "encoder_layer": m.layers[0],
        "num_layers": m.num_layers,
        "norm": m.norm,
        "enable_nested_tensor": m.enable_nested_tensor,
    },
    "Transformer": lambda m: {
        "d_model": m.d_model,
        "nhead": m.nhead,
        "custom_encoder": m.encoder,
        "custom_decoder": m.decoder,
        "batch_first": m.batch_first,
    },
    "TransformerDecoder": lambda m: {"decoder_layer": m.layers[0], "num_layers": m.num_layers, "norm": m.norm},
}
