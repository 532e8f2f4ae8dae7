"""dlcore's networks, built on PyTorch.

The files of `dlcore.models.vision` use only names that both libraries have, so the same source, found under another
package whose `nn` is PyTorch's, is the same network in PyTorch.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACKAGE = "dlcore_on_torch"


def vision(library: ModuleType) -> ModuleType:
    """`dlcore.models.vision`, built on `library`: dlcore or torch."""
    import dlcore.models.vision as own

    name = f"{PACKAGE}.models.vision"
    if library.__name__ == "dlcore" or name in sys.modules:
        return own if library.__name__ == "dlcore" else sys.modules[name]
    sys.modules |= {PACKAGE: library, f"{PACKAGE}._core": library, f"{PACKAGE}.models": ModuleType(f"{PACKAGE}.models")}
    path = Path(own.__file__)
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
