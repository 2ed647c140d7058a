"""Distillation: divergences between a teacher's and a student's next-token distributions.

Functions of log-probabilities alone; the last axis is the vocabulary, all others are kept.
Values are in nats.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from paperlab._checks import require_shape


def forward_kl(
    teacher: Float[Array, "*batch vocabulary"], student: Float[Array, "*batch vocabulary"]
) -> Float[Array, "*batch"]:
    """KL(teacher, student): asks the student to cover whatever the teacher may say.

    Its gradient in the student's logits is student minus teacher.

    Args:
        teacher: log-probabilities of the teacher; -inf is a token it never says.
        student: log-probabilities of the student.

    Raises:
        ValueError: if the shapes disagree.

    Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network (2015).
    """
    require_shape("forward_kl: student", student.shape, teacher.shape)
    # The inner replacement keeps 0 * (-inf) out of the gradient, the outer one out of the value.
    said = teacher > -jnp.inf
    surprise = jnp.where(said, teacher, 0.0) - jnp.where(said, student, 0.0)
    return jnp.sum(jnp.where(said, jnp.exp(teacher) * surprise, 0.0), axis=-1)


def reverse_kl(
    teacher: Float[Array, "*batch vocabulary"], student: Float[Array, "*batch vocabulary"]
) -> Float[Array, "*batch"]:
    """KL(student, teacher): asks the student to say only what the teacher may say.

    Arguments and errors as for `forward_kl`.

    Source: Gu et al., MiniLLM (2023), equation 1, per token.
    """
    return forward_kl(student, teacher)


def skew_kl(
    teacher: Float[Array, "*batch vocabulary"],
    student: Float[Array, "*batch vocabulary"],
    weight: Float[Array, ""] | float = 0.1,
) -> Float[Array, "*batch"]:
    """KL(teacher, weight * teacher + (1 - weight) * student): bounded by -log(weight).

    Args:
        teacher, student: as for `forward_kl`.
        weight: share of the teacher in the second argument, in (0, 1); may be traced.

    Raises:
        ValueError: if the shapes disagree or the weight is not in (0, 1).

    Source: Ko et al., DistiLLM (2024), equation 2.
    """
    return forward_kl(teacher, _mixture("skew_kl", teacher, student, weight))


def jensen_shannon(
    teacher: Float[Array, "*batch vocabulary"],
    student: Float[Array, "*batch vocabulary"],
    weight: Float[Array, ""] | float = 0.5,
) -> Float[Array, "*batch"]:
    """Weighted mean of the divergences of teacher and student from their mixture.

    With m = weight * teacher + (1 - weight) * student, this is weight * KL(teacher, m) +
    (1 - weight) * KL(student, m).

    Args:
        teacher, student: as for `forward_kl`.
        weight: share of the teacher, in (0, 1); may be traced.

    Raises:
        ValueError: if the shapes disagree or the weight is not in (0, 1).

    Source: Agarwal et al., On-policy distillation (GKD, 2023), equation 1.
    """
    mixture = _mixture("jensen_shannon", teacher, student, weight)
    return weight * forward_kl(teacher, mixture) + (1 - weight) * forward_kl(student, mixture)


def total_variation(
    teacher: Float[Array, "*batch vocabulary"], student: Float[Array, "*batch vocabulary"]
) -> Float[Array, "*batch"]:
    """Half the sum of absolute differences of probabilities, from 0 to 1.

    Arguments and errors as for `forward_kl`.
    """
    require_shape("total_variation: student", student.shape, teacher.shape)
    return jnp.sum(jnp.abs(jnp.exp(teacher) - jnp.exp(student)), axis=-1) / 2


def sampled_reverse_kl(
    teacher: Float[Array, "*batch"], student: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Loss of one token that the student drew; its mean gradient is that of `reverse_kl`.

    The log-ratio of teacher to student is the reward of the token, without a gradient of its own,
    and multiplies the score: only the gradient of this loss means anything. At a given prefix it is
    unbiased; what the token does to later prefixes is left out (discount 0). Its variance has no
    bound, because the log-ratio has none where the teacher hardly ever says what the student does.

    Args:
        teacher: log-probability of each drawn token under the teacher.
        student: the same under the student that drew it.

    Raises:
        ValueError: if the shapes disagree.
    """
    require_shape("sampled_reverse_kl: student", student.shape, teacher.shape)
    return -jax.lax.stop_gradient(teacher - student) * student


def _mixture(
    name: str,
    teacher: Float[Array, "*batch vocabulary"],
    student: Float[Array, "*batch vocabulary"],
    weight: Float[Array, ""] | float,
) -> Float[Array, "*batch vocabulary"]:
    require_shape(f"{name}: student", student.shape, teacher.shape)
    if not isinstance(weight, jax.core.Tracer) and not 0 < weight < 1:
        raise ValueError(f"{name}: weight must lie between 0 and 1, exclusive, got {weight}")
    return jnp.logaddexp(jnp.log(weight) + teacher, jnp.log1p(-jnp.asarray(weight)) + student)
