"""Group-relative policy optimization: advantages, clipped surrogate, KL estimate, and their loss.

Functions of log-probabilities and rewards alone, so that they serve any model that has them.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from paperlab._checks import require_shape


def group_advantages(
    rewards: Float[Array, "*batch group"],
    *,
    standardize: Float[Array, ""] | float = 1.0,
    epsilon: float = 1e-4,
) -> Float[Array, "*batch group"]:
    """Each reward minus its group's mean, divided by the group's standard deviation.

    The mean over the other answers to the same question stands where actor-critic methods have
    a learned value function. A group whose rewards are all equal gets zeros.

    Args:
        rewards: one reward per answer; the last axis holds the answers to one question.
        standardize: 1 divides by the deviation (GRPO), 0 does not; may be traced.
        epsilon: added to the deviation.

    Raises:
        ValueError: if a group has fewer than two answers; nothing is relative then.

    Source: Shao et al., DeepSeekMath (2024), section 4.1.2; DeepSeek-R1 (2025), equation 3.
    """
    if rewards.ndim == 0 or rewards.shape[-1] < 2:
        raise ValueError(
            "group_advantages: rewards needs a last axis of at least 2 answers per group, got "
            f"shape {rewards.shape}"
        )
    # Relative to the first answer, so that equal rewards leave exact zeros and not rounding noise,
    # which the division would blow up.
    rewards = rewards - rewards[..., :1]
    centered = rewards - jnp.mean(rewards, axis=-1, keepdims=True)
    deviation = jnp.std(rewards, axis=-1, keepdims=True) + epsilon
    return centered / jnp.where(jnp.asarray(standardize) > 0, deviation, 1.0)


def clipped_surrogate(
    log_probs: Float[Array, "*batch length"],
    old_log_probs: Float[Array, "*batch length"],
    advantages: Float[Array, "*batch"],
    clip: Float[Array, ""] | float = 0.2,
) -> Float[Array, "*batch length"]:
    r"""Per token, min(ratio * A, clip(ratio, 1 - clip, 1 + clip) * A), to be maximized.

    Args:
        log_probs: of each token under the policy that is trained.
        old_log_probs: under the policy that drew it.
        advantages: one per answer, the same for all of its tokens.
        clip: half-width of the range of ratios that are still rewarded.

    Raises:
        ValueError: if the shapes disagree.

    Source: Schulman et al., Proximal policy optimization (2017), equation 7, per token.
    """
    require_shape("clipped_surrogate: old_log_probs", old_log_probs.shape, log_probs.shape)
    require_shape("clipped_surrogate: advantages", advantages.shape, log_probs.shape[:-1])
    ratio = jnp.exp(log_probs - old_log_probs)
    advantages = advantages[..., None]
    return jnp.minimum(ratio * advantages, jnp.clip(ratio, 1 - clip, 1 + clip) * advantages)


def k3(
    log_probs: Float[Array, "*shape"], reference_log_probs: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Per-token estimate q/p - log(q/p) - 1 of KL(p, q), for tokens drawn from p.

    Nonnegative, and unbiased: q/p has mean 1 under p.

    Args:
        log_probs: log p, under the policy that is trained and that drew the tokens.
        reference_log_probs: log q, under the policy it is held close to.

    Raises:
        ValueError: if the shapes disagree.

    Source: DeepSeek-R1 (2025), equation 2.
    """
    require_shape("k3: reference_log_probs", reference_log_probs.shape, log_probs.shape)
    log_ratio = reference_log_probs - log_probs
    # expm1 keeps the quadratic minimum at 0, where exp(x) - x - 1 rounds to noise of either sign.
    return jnp.maximum(jnp.expm1(log_ratio) - log_ratio, 0.0)


def masked_mean(
    values: Float[Array, "*batch length"], mask: Bool[Array, "*batch length"]
) -> Float[Array, "*batch"]:
    """Mean over the tokens of each answer where the mask is true; 0 where there is none.

    Raises:
        ValueError: if the shapes disagree.
    """
    require_shape("masked_mean: mask", mask.shape, values.shape)
    count = jnp.maximum(jnp.sum(mask, axis=-1), 1)
    return jnp.sum(jnp.where(mask, values, 0.0), axis=-1) / count


def grpo_loss(
    log_probs: Float[Array, "questions group length"],
    old_log_probs: Float[Array, "questions group length"],
    reference_log_probs: Float[Array, "questions group length"],
    advantages: Float[Array, "questions group"],
    mask: Bool[Array, "questions group length"],
    *,
    clip: Float[Array, ""] | float = 0.2,
    beta: Float[Array, ""] | float = 1e-3,
) -> Float[Array, ""]:
    """Minus the GRPO objective: surrogate minus beta * KL, averaged over tokens, then over answers.

    Args:
        log_probs: of each token under the policy that is trained; the only differentiable input.
        old_log_probs: under the policy that drew the tokens.
        reference_log_probs: under the frozen reference policy.
        advantages: one per answer, as from `group_advantages`.
        mask: true for the tokens of the answer, up to and including its end.
        clip: half-width of the trusted range of probability ratios.
        beta: weight of the KL estimate.

    Raises:
        ValueError: if the shapes disagree.

    Source: DeepSeek-R1 (2025), equation 1, per token as in DeepSeekMath (2024), equation 3.
    """
    surrogate = clipped_surrogate(log_probs, old_log_probs, advantages, clip)
    objective = surrogate - beta * k3(log_probs, reference_log_probs)
    return -jnp.mean(masked_mean(objective, mask))
