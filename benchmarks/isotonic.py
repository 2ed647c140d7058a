"""One-dimensional isotonic regression: the solver we import, scipy's, beside scikit-learn's.

Run by `python -m benchmarks.isotonic` from the root. The library has no solver of its own: a batch
of pool-adjacent-violators loops in JAX, tried here, was behind scipy's at every size.
"""

import numpy as np
import scipy.optimize
import sklearn.isotonic
from benchmarks.compare import compare


def main() -> None:
    rng = np.random.default_rng(0)
    for count, points in ((1, 100), (1, 10_000), (1000, 100), (100, 1000)):
        truth = np.linspace(0, 1, points)
        responses = truth + 0.3 * rng.normal(size=(count, points))

        def ours(responses=responses) -> np.ndarray:
            return np.stack([scipy.optimize.isotonic_regression(y).x for y in responses])

        def peer(responses=responses) -> np.ndarray:
            return np.stack([sklearn.isotonic.isotonic_regression(y) for y in responses])

        np.testing.assert_allclose(ours(), peer(), atol=1e-12)
        compare(f"isotonic regression, {count} x {points} points (scikit-learn)", ours, peer)


if __name__ == "__main__":
    main()
