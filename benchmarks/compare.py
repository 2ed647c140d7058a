"""Times our function beside its peer, alternating in one process, and prints the ratio."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax


def compare(name: str, ours: Callable[[], Any], peer: Callable[[], Any], rounds: int = 15) -> None:
    """Prints the median time of each and how many times faster ours is."""
    jax.block_until_ready((ours(), peer()))  # compile
    times: dict[Callable[[], Any], list[float]] = {ours: [], peer: []}
    for _ in range(rounds):
        for function in (ours, peer):
            start = time.perf_counter()
            jax.block_until_ready(function())
            times[function].append(time.perf_counter() - start)
    a, b = statistics.median(times[ours]), statistics.median(times[peer])
    print(f"{name:<58} ours {a * 1e3:9.3f} ms   peer {b * 1e3:9.3f} ms   ratio {b / a:7.2f}")
