"""What `import dlcore` adds to `import numpy`: milliseconds and megabytes, the least of several fresh processes.

python tools/import_cost.py [--max-ms 60 --max-mb 40]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

MEASURE = """
import time
import numpy
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
before, start = resident(), time.perf_counter()
import dlcore
print((time.perf_counter() - start) * 1e3, (resident() - before) / 1024)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max-ms", type=float, default=float("inf"))
    parser.add_argument("--max-mb", type=float, default=float("inf"))
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    runs = []
    for _ in range(args.runs):
        output = subprocess.run([sys.executable, "-c", MEASURE], check=True, capture_output=True).stdout
        runs.append([float(value) for value in output.split()])
    ms, mb = (min(column) for column in zip(*runs))
    print(f"import dlcore: {ms:.1f} ms and {mb:.1f} MB more than import numpy")
    return 0 if ms < args.max_ms and mb < args.max_mb else 1


if __name__ == "__main__":
    sys.exit(main())
