"""What the terminal shows of a build: who runs, how many of how many, how long, and each verdict.

Snakemake finds this module by its name (`snakemake --logger paperlab`); its own full log stays in
`.snakemake/log/`, and each job's output in `build/logs/`.
"""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from bookbinder import record as records
from paperlab.claims import summary


class LogHandler(LogHandlerBase):
    """Prints the build's progress to standard error."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self._start = time.monotonic()
        self._jobs: dict[int, dict[str, Any]] = {}
        self._running: list[int] = []
        self._runs = self._done = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Handles one of Snakemake's events; see `LogEvent`."""
        event, fields = getattr(record, "event", None), record.__dict__
        if event == LogEvent.RUN_INFO:
            stats = fields.get("stats", {})
            self._runs = stats.get("execute", 0) + stats.get("draw", 0)
        elif event == LogEvent.JOB_INFO:
            self._jobs[fields["jobid"]] = fields
            self._running.append(fields["jobid"])
            self._say(f"running   {', '.join(map(self._title, self._running))}")
        elif event == LogEvent.JOB_FINISHED:
            self._finished(fields["job_id"])
        elif event == LogEvent.JOB_ERROR:
            self._stopped(fields["jobid"])
            self._say(f"FAILED    {self._title(fields['jobid'])}")
            self._show_log(fields["jobid"])
        elif record.levelno >= logging.ERROR and event is None and record.msg:
            print(record.getMessage(), file=sys.stderr)

    def _finished(self, job: int) -> None:
        self._stopped(job)
        rule = self._jobs.get(job, {}).get("rule_name")
        if rule not in ("execute", "draw"):
            return self._show_log(job)
        self._done += 1
        if rule == "draw":
            return self._say(f"done      {self._title(job)}   [{self._progress()}]")
        path = Path(self._jobs[job]["output"][0])
        usage = nbformat.read(path, as_version=4).metadata["paperlab"]
        self._say(
            f"done      {path.stem} in {usage['seconds']:.0f} s, "
            f"{usage['peak_bytes'] / 2**20:.0f} MiB   [{self._progress()}]"
        )
        for claim in records.claims_of(path)["claims"]:
            print(f"            {summary(claim)}", file=sys.stderr)
        return None

    def _stopped(self, job: int) -> None:
        if job in self._running:
            self._running.remove(job)

    def _progress(self) -> str:
        text = f"{self._done} of {self._runs} notebooks"
        left = self._runs - self._done
        if left:
            elapsed = time.monotonic() - self._start
            text += f", about {_clock(elapsed / self._done * left)} left"
        return text

    def _title(self, job: int) -> str:
        fields = self._jobs.get(job, {})
        wildcards = fields.get("wildcards") or {}
        slug, seed = wildcards.get("slug"), wildcards.get("seed")
        return f"{slug} with seed {seed}" if seed else str(slug or fields.get("rule_name", job))

    def _show_log(self, job: int) -> None:
        for path in map(Path, self._jobs.get(job, {}).get("log") or []):
            if path.exists() and (text := path.read_text("utf-8").strip()):
                print(text, file=sys.stderr)

    def _say(self, text: str) -> None:
        print(f"[{_clock(time.monotonic() - self._start)}] {text}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
