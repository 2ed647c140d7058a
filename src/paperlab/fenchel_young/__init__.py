r"""Fenchel-Young losses: an entropy in, a loss and its prediction map out.

For two classes, a potential $\phi$ (a negative entropy) is convex on [0, 1], symmetric about 1/2
and zero at both ends. It generates a loss of the signed score $z = y f(x)$,

$$\ell(z) = \max_{\mu \in [0,1]} \{-z\mu - \phi(\mu)\}, \qquad
g(z) = -\ell'(z) = (\phi')^{-1}(-z),$$

and the maximizer $g(z)$ is the probability given to the *wrong* class. Where $\phi'$ stays finite
at 0, the loss is exactly zero from the separation margin $m = -\phi'(0)$ on.

`binary` holds the losses of a signed score, `structured` those of several classes, label sets and
rankings, `simplex` projections, `decoding` the decoder that turns predictions into outputs.

Sources: Blondel, Martins and Niculae, "Learning with Fenchel-Young losses" (2020); for the binary
case and the separation margin, Bao, Sakaue and Takezawa, "Any-stepsize gradient descent for
separable data under Fenchel-Young losses" (2025), Section 2 and Table 1.
"""

from paperlab.fenchel_young.binary import BinaryLoss, probit, renyi, semicircle, shannon, tsallis
from paperlab.fenchel_young.decoding import Decoding, randomized_decoding
from paperlab.fenchel_young.simplex import simplex_threshold, sparsemax
from paperlab.fenchel_young.structured import (
    StructuredLoss,
    birkhoff_loss,
    hypercube_loss,
    polytope_loss,
    simplex_loss,
)

__all__ = [
    "BinaryLoss",
    "Decoding",
    "StructuredLoss",
    "birkhoff_loss",
    "hypercube_loss",
    "polytope_loss",
    "probit",
    "randomized_decoding",
    "renyi",
    "semicircle",
    "shannon",
    "simplex_loss",
    "simplex_threshold",
    "sparsemax",
    "tsallis",
]
