"""Products with a V:N:M sparse matrix beside the dense one: `python -m benchmarks.sparse_products`.

The page's own functions, read from its notebook: the packed product, which takes 2/M of the dense
multiply-adds, and the masked one, which takes all of them. The peer is NumPy's dense product. On a
processor without sparse cores the packed one is behind: it gathers where the dense one streams.
"""

from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.compare import compare
from benchmarks.pages import definitions

NOTEBOOK = Path("notebooks/efficient-models/vnm-sparsity.ipynb")
NAMES = {"tiled", "largest", "vnm_mask", "Packed", "pack", "packed_matmul"}


def main() -> None:
    """Times square matrices of 256 to 2048, 64:2:5 and 64:2:8, with 64 columns to multiply."""
    own = definitions(NOTEBOOK, NAMES)
    rng = np.random.default_rng(0)
    for size in (256, 512, 1024, 2048):
        W = rng.normal(size=(size, size)).astype(np.float32)
        B = rng.normal(size=(size, 64)).astype(np.float32)

        def dense(W: Any = W, B: Any = B) -> Any:
            return W @ B

        for M in (5, 8):
            mask = own["vnm_mask"](np.abs(W), 64, M)
            packed = own["pack"](W, mask, 64, M)

            def product(packed: Any = packed, B: Any = B) -> Any:
                return own["packed_matmul"](packed, B)

            def masked(W: Any = W, mask: Any = mask, B: Any = B) -> Any:
                return (W * mask) @ B

            np.testing.assert_allclose(product(), masked(), rtol=1e-3, atol=1e-2)
            for name, ours in (("packed", product), ("masked", masked)):
                compare(f"64:2:{M}, {size} x {size}, {name} against dense", ours, dense, rounds=9)


if __name__ == "__main__":
    main()
