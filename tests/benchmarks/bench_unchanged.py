"""A run where nothing changed, beside ``python -c "import dagster"``.

Both are whole processes; the best of five, in turn. Target: no slower.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time


def seconds(*command: str) -> float:
    """Return how long a command takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as data:
        run = "import sys; from monitor.cli import main; sys.argv = sys.argv[1:]; main()"
        ours = ("-c", run, "monitor", "run", "--source", "sample", "--data", data)
        seconds(*ours)
        both = [(seconds(*ours), seconds("-c", "import dagster")) for _ in range(5)]
    unchanged, dagster = (min(column) for column in zip(*both, strict=True))
    print(f"{'run where nothing changed':<28}{unchanged:>7.2f} s")
    print(f"{'python -c import dagster':<28}{dagster:>7.2f} s")
    verdict = "met" if unchanged <= dagster else "NOT MET"
    print(f"{'ratio':<28}{unchanged / dagster:>7.2f}   target at most 1: {verdict}")


if __name__ == "__main__":
    main()
