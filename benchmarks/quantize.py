"""Round trips through number formats beside ml_dtypes: `python -m benchmarks.quantize`.

The peer converts with ml_dtypes and shares scales in NumPy; it has no HiFloat. Both take one matrix
as it would lie in a model.
"""

import functools
from typing import Any

import jax
import ml_dtypes
import numpy as np
from benchmarks.compare import compare

from paperlab import quantize


def element(x: np.ndarray, dtype: Any, largest: float) -> np.ndarray:
    """Nearest number of a type, saturating."""
    return np.clip(x, -largest, largest).astype(dtype).astype(np.float32)


def microscaled(x: np.ndarray, dtype: Any, largest: float) -> np.ndarray:
    """The same under a power of two for each 32."""
    blocks = x.reshape(-1, 32)
    _, exponent = np.frexp(np.abs(blocks).max(axis=1, keepdims=True))
    scale = np.ldexp(np.float32(1), exponent - np.frexp(largest)[1])
    return (element(blocks / scale, dtype, largest) * scale).reshape(x.shape)


PEERS = {
    "E4M3": functools.partial(element, dtype=ml_dtypes.float8_e4m3fn, largest=448.0),
    "MXFP8": functools.partial(microscaled, dtype=ml_dtypes.float8_e4m3fn, largest=448.0),
    "MXFP4": functools.partial(microscaled, dtype=ml_dtypes.float4_e2m1fn, largest=6.0),
}


def main() -> None:
    """Times matrices of 256 and 2048 rows in each format that the peer has."""
    rng = np.random.default_rng(0)
    for rows in (256, 2048):
        x = rng.normal(size=(rows, 1024)).astype(np.float32)
        for name, peer in PEERS.items():
            ours = jax.jit(functools.partial(quantize.rounded, name=name))
            np.testing.assert_array_equal(ours(x), peer(x))
            compare(
                f"{name}, {rows} x 1024",
                functools.partial(ours, x),
                functools.partial(peer, x),
            )


if __name__ == "__main__":
    main()
