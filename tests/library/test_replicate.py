"""Replicates agree with a plain loop, on one device and on several."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paperlab.replicate import replicate


def draw(key, scale):
    return {"sum": (scale * jax.random.normal(key, (3,))).sum(), "scale": scale}


def test_agrees_with_a_loop():
    keys, scales = jax.random.split(jax.random.key(0), 6), jnp.arange(6.0)
    batch = replicate(draw, keys, scales)
    loop = [draw(key, scale)["sum"] for key, scale in zip(keys, scales, strict=True)]
    np.testing.assert_allclose(batch["sum"], jnp.stack(loop), rtol=1e-6)
    np.testing.assert_array_equal(batch["scale"], scales)


@pytest.mark.parametrize(
    "arguments", [(), (jnp.ones(3), jnp.ones(4)), (jnp.ones(()),), (jnp.ones((0, 2)),)]
)
def test_refuses_what_has_no_common_leading_axis(arguments):
    with pytest.raises(ValueError, match="same leading axis of at least 1 replicate"):
        replicate(lambda *x: x, *arguments)


def test_shards_over_all_devices():
    code = """
import jax, jax.numpy as jnp
from paperlab.replicate import replicate
assert len(jax.devices()) == 4
for count, used in ((8, 4), (6, 3), (5, 1)):
    out = replicate(lambda x: x * 2, jnp.arange(count))
    assert len(out.sharding.device_set) == used, (count, out.sharding)
    assert (out == 2 * jnp.arange(count)).all()
"""
    flags = "--xla_force_host_platform_device_count=4"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
