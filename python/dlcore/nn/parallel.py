"""Modules on several devices: there is one."""

from __future__ import annotations

from typing import Any

from .module import Module


class DataParallel(Module):
    """Calls `module`: batches are split over devices where there are several.

    The state_dict's keys begin with "module.", as PyTorch's do.

    Args:
        module: what is called.
        device_ids, output_device, dim: accepted; they choose among devices.
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        if not isinstance(module, Module):
            raise TypeError(f"DataParallel: module must be a Module, but got {type(module).__name__}")
        self.module, self.dim = module, dim
        self.device_ids: list = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
