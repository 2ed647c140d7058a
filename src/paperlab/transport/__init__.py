"""Optimal transport beyond what ott-jax solves: other regularizers, partial plans, duals.

A plan moves masses `a` to masses `b` at a cost per unit. `regularized` is Sinkhorn's alternation
with a pluggable potential in place of the entropy and with relaxed marginals; `partial` moves a
given amount of mass; `laguerre_weights` turns an optimal plan into dual variables with a
certificate. For the plain entropic problem on point clouds, low-rank or sliced distances, use
ott-jax.

Sources: Dessein, Papadakis and Rouas, "Regularized optimal transport and the rot mover's distance"
(JMLR 2018), for potentials; Chizat et al., "Scaling algorithms for unbalanced optimal transport
problems" (2018), for relaxed marginals; Benamou et al., "Iterative Bregman projections for
regularized transportation problems" (2015), for partial plans.
"""

from __future__ import annotations

from paperlab.transport.duals import Laguerre, laguerre_weights
from paperlab.transport.plans import (
    Plan,
    Potential,
    beta_potential,
    partial,
    regularized,
    shannon,
)

__all__ = [
    "Laguerre",
    "Plan",
    "Potential",
    "beta_potential",
    "laguerre_weights",
    "partial",
    "regularized",
    "shannon",
]
