"""Runs inside each notebook's kernel: keeps, on disk, which cell runs and the kernel's peak memory.

The file outlives the kernel, so that a kernel killed for memory can still be explained.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any


def peak_bytes() -> int:
    """Largest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def load_ipython_extension(shell: Any) -> None:
    """Called by IPython when the kernel starts."""
    path = Path(os.environ["PAPERLAB_KERNEL_WATCH"])
    cells = 0

    def write(*_: Any) -> None:
        path.write_text(json.dumps({"cell": cells, "peak_bytes": peak_bytes()}))

    def start_cell(*_: Any) -> None:
        nonlocal cells
        cells += 1
        write()

    shell.events.register("pre_run_cell", start_cell)
    shell.events.register("post_run_cell", write)
