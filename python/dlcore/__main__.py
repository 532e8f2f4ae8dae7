"""``python -m dlcore``: the command line, and where an embedder finds the C++ library."""

from __future__ import annotations

import os
import sys


def main() -> int:
    folder = os.path.dirname(os.path.abspath(__file__))
    places = {"--cmake-dir": ("lib", "cmake", "dlcore"), "--include-dir": ("include",)}
    if len(sys.argv) == 2 and sys.argv[1] in places:
        print(os.path.join(folder, *places[sys.argv[1]]))
        return 0
    from .cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
