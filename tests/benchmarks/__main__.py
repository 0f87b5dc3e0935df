"""Run every benchmark beside its alternative: ``python tests/benchmarks`` (``make bench``)."""

import subprocess
import sys
from pathlib import Path

for file in sorted(Path(__file__).parent.glob("bench_*.py")):
    print(f"\n== {file.stem}", flush=True)
    subprocess.run([sys.executable, file], check=True)
