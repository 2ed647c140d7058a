"""Replicates of an experiment, run as one batch over every device that JAX sees."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P


def replicate(function: Callable[..., Any], *arguments: Any) -> Any:
    """Runs `function` once per replicate: `vmap` on one device, sharded over several.

    Args:
        function: one replicate; takes the arguments without their leading axis.
        *arguments: arrays or pytrees of arrays, each leaf with the same leading axis of length
            `replicates`. Keys come from `jax.random.split`.

    Returns:
        The results, each leaf with a leading axis of length `replicates`.

    Raises:
        ValueError: if the leading axes differ in length, or there is nothing to replicate.
    """
    lengths = {leaf.shape[0] if leaf.ndim else 0 for leaf in jax.tree.leaves(arguments)}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            "replicate: every argument needs the same leading axis of at least 1 replicate; "
            f"got leading axes of lengths {sorted(lengths)}"
        )
    (count,) = lengths
    devices = jax.devices()
    used = max(d for d in range(1, len(devices) + 1) if count % d == 0)
    sharding = NamedSharding(Mesh(devices[:used], ("replicates",)), P("replicates"))
    sharded = jax.device_put(arguments, sharding)
    return jax.jit(jax.vmap(function))(*sharded)
