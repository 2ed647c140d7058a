"""Runs inside each notebook's kernel: keeps, on disk, which cell runs, peak memory, and times.

The file outlives the kernel, so that a kernel killed for memory can still be explained.
"""

import json
import os
import resource
import sys
import time
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


class CompileClock:
    """CPU seconds this process spent in XLA's compiler, from the events that JAX reports.

    An event comes at the end of each step (tracing, lowering, compiling). The step's CPU time is
    at most the time since the last one, and at most its duration.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._before = 0.0
        self._listening = False

    def listen(self) -> None:
        """Starts to listen if JAX is there by now; importing it is left to the notebook."""
        if "jax" in sys.modules and not self._listening:
            sys.modules["jax"].monitoring.register_event_duration_secs_listener(self._add)
            self._listening = True

    def _add(self, event: str, duration: float, **_: Any) -> None:
        if event.startswith("/jax/core/compile/"):
            now = time.process_time()
            if event.endswith("backend_compile_duration"):
                self.seconds += min(duration, now - self._before)
            self._before = now


def load_ipython_extension(shell: Any) -> None:
    """Called by IPython when the kernel starts."""
    path = Path(os.environ["PAPERLAB_KERNEL_WATCH"])
    cells, clock = 0, CompileClock()

    def write(*_: Any) -> None:
        clock.listen()
        state = {
            "cell": cells,
            "peak_bytes": peak_bytes(),
            "cpu_seconds": time.process_time(),
            "compile_seconds": clock.seconds,
        }
        path.write_text(json.dumps(state))

    def start_cell(*_: Any) -> None:
        nonlocal cells
        cells += 1
        write()

    shell.events.register("pre_run_cell", start_cell)
    shell.events.register("post_run_cell", write)
