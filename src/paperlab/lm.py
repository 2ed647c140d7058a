"""A tiny causal language model: training, cached sampling, log-probabilities.

A pre-norm transformer small enough to train in seconds on one core. Its modules take one sequence;
`log_probs`, `sample` and `train` take batches of sequences of one length. All run under `jit`, and
under `vmap` over whole models, so that many training runs share one compilation;
`train_replicates` is `train` in that form.

Papers that change the inside replace a part: `equinox.tree_at` puts another module where a block's
`attention` is. It needs what `Attention` has: `__call__`, `context` and `empty_cache`, whose cache
may be any tree of arrays; sampling then uses that cache.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray

# A bias large enough to move attention from one offset to another takes long to reach at the
# learning rate of the other weights; stored ten times smaller, it is learned ten times faster.
BIAS_SCALE = 10.0


class Cache(NamedTuple):
    """Keys and values of one layer and one sequence; zero where nothing was written yet."""

    keys: Float[Array, "context heads head_width"]
    values: Float[Array, "context heads head_width"]


class Attention(eqx.Module):
    """Causal multi-head attention with a learned bias per head and relative offset.

    Attributes:
        query, key, value, output: projections.
        relative_bias: entry (h, i), times `BIAS_SCALE`, is added to head h's score of the token
            i places back.
    """

    query: Float[Array, "width width"]
    key: Float[Array, "width width"]
    value: Float[Array, "width width"]
    output: Float[Array, "width width"]
    relative_bias: Float[Array, "heads context"]

    def __init__(self, width: int, heads: int, context: int, *, key: PRNGKeyArray) -> None:
        self.query, self.key, self.value, self.output = (
            _dense(width, width, k) for k in jax.random.split(key, 4)
        )
        self.relative_bias = jnp.zeros((heads, context))

    @property
    def context(self) -> int:
        """Most positions it can attend over."""
        return self.relative_bias.shape[1]

    def empty_cache(self) -> Cache:
        """Room for the keys and values of `context` positions."""
        heads, context = self.relative_bias.shape
        width = self.query.shape[0] // heads
        empty = jnp.zeros((context, heads, width), self.query.dtype)
        return Cache(empty, empty)

    def __call__(
        self,
        x: Float[Array, "length width"],
        cache: Cache | None = None,
        start: Int[Array, ""] | int = 0,
    ) -> tuple[Float[Array, "length width"], Cache]:
        """Attends from each of the positions `start, start + 1, ...` to itself and those before.

        Args:
            x: activations at these positions.
            cache: keys and values of earlier positions; None when there are none.
            start: the first position; 0 without a cache.

        Returns:
            The attended values, and keys and values with those of `x` written among them.
        """
        # Heads stay behind positions: transposing them costs more than the attention itself.
        heads = (x.shape[0], self.relative_bias.shape[0], -1)
        queries, keys, values = ((x @ w).reshape(heads) for w in (self.query, self.key, self.value))
        if cache is not None:
            keys = jax.lax.dynamic_update_slice(cache.keys, keys, (start, 0, 0))
            values = jax.lax.dynamic_update_slice(cache.values, values, (start, 0, 0))
        offset = start + jnp.arange(x.shape[0])[:, None] - jnp.arange(keys.shape[0])
        bias = BIAS_SCALE * jnp.take(self.relative_bias, jnp.maximum(offset, 0), axis=1)
        scores = jnp.einsum("qhc,khc->hqk", queries / queries.shape[-1] ** 0.5, keys)
        weights = jax.nn.softmax(scores + jnp.where(offset >= 0, bias, -jnp.inf))
        attended = jnp.einsum("hqk,khc->qhc", weights, values).reshape(x.shape)
        return attended @ self.output, Cache(keys, values)


class Block(eqx.Module):
    """Attention, then a two-layer perceptron with ReLU, each on normalized input and added to it.

    Attributes:
        expand, contract: weights of the perceptron, of shapes (width, hidden), (hidden, width).
    """

    attention_norm: eqx.nn.RMSNorm
    attention: Attention
    mlp_norm: eqx.nn.RMSNorm
    expand: Float[Array, "width hidden"]
    contract: Float[Array, "hidden width"]

    def __init__(
        self, width: int, heads: int, hidden: int, context: int, *, key: PRNGKeyArray
    ) -> None:
        attention, expand, contract = jax.random.split(key, 3)
        self.attention_norm = eqx.nn.RMSNorm(width, use_bias=False)
        self.attention = Attention(width, heads, context, key=attention)
        self.mlp_norm = eqx.nn.RMSNorm(width, use_bias=False)
        self.expand = _dense(width, hidden, expand)
        self.contract = _dense(hidden, width, contract)

    def __call__(
        self,
        x: Float[Array, "length width"],
        cache: Any = None,
        start: Int[Array, ""] | int = 0,
    ) -> tuple[Float[Array, "length width"], Any]:
        """The block's output and this layer's cache; arguments as for `Attention`."""
        attended, cache = self.attention(jax.vmap(self.attention_norm)(x), cache, start)
        x = x + attended
        return x + jax.nn.relu(jax.vmap(self.mlp_norm)(x) @ self.expand) @ self.contract, cache


class Transformer(eqx.Module):
    """Pre-norm causal transformer without absolute positions, and with an untied head.

    Args:
        vocabulary: number of tokens.
        context: longest sequence it can read.
        width, layers, heads: of the residual stream, of the stack, of each attention.
        hidden: width of the perceptron in each block; 4 * width if not given.
        key: draws the weights.

    Raises:
        ValueError: if a size is not positive, or `heads` does not divide `width`.
    """

    embedding: Float[Array, "vocabulary width"]
    blocks: tuple[Block, ...]
    norm: eqx.nn.RMSNorm
    head: Float[Array, "width vocabulary"]

    def __init__(
        self,
        vocabulary: int,
        context: int,
        *,
        width: int,
        layers: int,
        heads: int,
        hidden: int | None = None,
        key: PRNGKeyArray,
    ) -> None:
        hidden = 4 * width if hidden is None else hidden
        sizes = dict(
            vocabulary=vocabulary, context=context, width=width, layers=layers, heads=heads,
            hidden=hidden,
        )  # fmt: skip
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"Transformer: {name} must be at least 1, got {size}")
        if width % heads:
            raise ValueError(f"Transformer: width {width} is not divisible by heads {heads}")
        embedding, head, *blocks = jax.random.split(key, 2 + layers)
        self.embedding = _dense(1, vocabulary * width, embedding).reshape(vocabulary, width)
        self.blocks = tuple(Block(width, heads, hidden, context, key=k) for k in blocks)
        self.norm = eqx.nn.RMSNorm(width, use_bias=False)
        self.head = _dense(width, vocabulary, head)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.embedding.shape[0]

    @property
    def context(self) -> int:
        """Longest sequence the model can read."""
        return self.blocks[0].attention.context

    def __call__(self, tokens: Int[Array, " length"]) -> Float[Array, "length vocabulary"]:
        """Logits of the token after each position of one sequence."""
        logits, _ = self.extend(tokens, None, 0)
        return logits

    def states(self, tokens: Int[Array, " length"]) -> Float[Array, "depth length width"]:
        """The residual stream before the first block and after each; depth is layers + 1.

        `read` of the last gives the logits.

        Raises:
            ValueError: as for `extend`.
        """
        states = [self._embed(tokens)]
        for block in self.blocks:
            states.append(block(states[-1])[0])
        return jnp.stack(states)

    def read(self, x: Float[Array, "length width"]) -> Float[Array, "length vocabulary"]:
        """Logits from the residual stream after the last block."""
        return jax.vmap(self.norm)(x) @ self.head

    def extend(
        self,
        tokens: Int[Array, " length"],
        caches: tuple[Any, ...] | None,
        start: Int[Array, ""] | int,
    ) -> tuple[Float[Array, "length vocabulary"], tuple[Any, ...]]:
        """Reads tokens at positions `start, start + 1, ...` after those that the caches hold.

        Returns:
            Logits of the token after each of them, and the caches with them added.

        Raises:
            ValueError: if there is no token, or more than the context holds.
        """
        x = self._embed(tokens)
        written = []
        for block, cache in zip(self.blocks, caches or (None,) * len(self.blocks), strict=True):
            x, cache = block(x, cache, start)
            written.append(cache)
        return self.read(x), tuple(written)

    def empty_caches(self) -> tuple[Any, ...]:
        """One cache per block, for sequences of up to `context` tokens."""
        return tuple(block.attention.empty_cache() for block in self.blocks)

    def _embed(self, tokens: Int[Array, " length"]) -> Float[Array, "length width"]:
        if not 1 <= tokens.shape[0] <= self.context:
            raise ValueError(
                f"Transformer: reads 1 to {self.context} tokens at once, got {tokens.shape[0]}"
            )
        # A product with one-hot rows: its gradient is a product too, where indexing would scatter.
        return jax.nn.one_hot(tokens, self.vocabulary, dtype=self.embedding.dtype) @ self.embedding


class Responses(NamedTuple):
    """Sampled continuations of a batch of prompts.

    Attributes:
        tokens: the sampled tokens; after the end token, the end token again.
        log_probs: log-probability of each token under the distribution it was drawn from.
        mask: true up to and including the end token.
    """

    tokens: Int[Array, "batch new"]
    log_probs: Float[Array, "batch new"]
    mask: Bool[Array, "batch new"]


def sample(
    model: Transformer,
    prompts: Int[Array, "batch prompt"],
    key: PRNGKeyArray,
    *,
    new: int,
    end: int,
    temperature: Float[Array, ""] | float = 1.0,
    forced: Int[Array, "batch new"] | None = None,
) -> Responses:
    """Continues each prompt by up to `new` tokens drawn from the softmax of logits / temperature.

    The prompt is read in one pass; each new token then costs one position, since the keys and
    values of all earlier ones are cached.

    Args:
        model: the language model.
        prompts: prompts of one length.
        key: draws the tokens.
        new: number of tokens to draw.
        end: the token that ends a response.
        temperature: positive; 1 samples the model's own distribution, nearly 0 the likeliest token.
        forced: tokens to write instead of drawing, -1 where one is drawn; their log-probabilities
            are the model's all the same.

    Raises:
        ValueError: if the prompt is empty, prompt and response exceed the context, `new` is not
            positive, `end` or (outside of `jit`) a prompt token or a forced one is not in the
            vocabulary, `forced` has another shape than the responses, or the temperature is not
            positive.
    """
    length = prompts.shape[1]
    _require_tokens("sample: prompts", prompts, model)
    if length == 0:
        raise ValueError("sample: the prompt is empty; give at least one token")
    if new < 1 or length + new > model.context:
        raise ValueError(
            f"sample: new must lie between 1 and context - prompt = {model.context} - {length}, "
            f"got {new}"
        )
    if not 0 <= end < model.vocabulary:
        raise ValueError(f"sample: end must be a token below {model.vocabulary}, got {end}")
    if not isinstance(temperature, jax.core.Tracer) and not temperature > 0:
        raise ValueError(f"sample: temperature must be positive, got {temperature}")
    if forced is None:
        forced = jnp.full((prompts.shape[0], new), -1)
    elif forced.shape != (prompts.shape[0], new):
        raise ValueError(
            f"sample: forced must have shape {(prompts.shape[0], new)}, got {forced.shape}"
        )
    else:
        _require_tokens("sample: forced", forced, model, lowest=-1)

    caches = model.empty_caches()
    logits, caches = jax.vmap(lambda tokens: model.extend(tokens, caches, 0))(prompts)

    def draw(carry: Any, inputs: Any) -> Any:
        logits, caches, alive = carry
        uniform, given, position = inputs
        scaled = jax.nn.log_softmax(logits / temperature)
        below = jnp.cumsum(jnp.exp(scaled), axis=-1)[:, :-1] <= uniform[:, None]
        tokens = jnp.where(given >= 0, given, jnp.sum(below, axis=-1))
        tokens = jnp.where(alive, tokens, end)
        log_probs = jnp.where(alive, pick(scaled, tokens), 0.0)
        extend = jax.vmap(model.extend, (0, 0, None))
        following, caches = extend(tokens[:, None], caches, position)
        return (following[:, 0], caches, alive & (tokens != end)), (tokens, log_probs, alive)

    start = (logits[:, -1], caches, jnp.ones(prompts.shape[0], bool))
    # One uniform number a token, put through the inverse distribution function, rather than noise
    # for the whole vocabulary; drawn flat, because random arrays of many axes compile slowly.
    uniform = jax.random.uniform(key, (new * prompts.shape[0],)).reshape(new, -1)
    steps = (uniform, forced.T, length + jnp.arange(new))
    _, drawn = jax.lax.scan(draw, start, steps)
    return Responses(*(x.T for x in drawn))


def pick(
    values: Float[Array, "*batch vocabulary"], tokens: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """The entry of each token along the last axis."""
    # A masked sum, because its gradient does not scatter.
    return jnp.sum(values * jax.nn.one_hot(tokens, values.shape[-1], dtype=values.dtype), axis=-1)


def log_probs(
    model: Transformer,
    prompts: Int[Array, "batch prompt"],
    responses: Int[Array, "batch new"],
    temperature: Float[Array, ""] | float = 1.0,
) -> Float[Array, "batch new"]:
    """Log-probability of each response token given the prompt and the tokens before it.

    Raises:
        ValueError: if the numbers of prompts and responses differ, the prompt is empty, the
            sequence exceeds the context, or (outside of `jit`) a token is not in the vocabulary.
    """
    if prompts.shape[0] != responses.shape[0]:
        raise ValueError(
            f"log_probs: {prompts.shape[0]} prompts but {responses.shape[0]} responses; "
            "each prompt needs one"
        )
    if prompts.shape[1] == 0:
        raise ValueError("log_probs: the prompt is empty; give at least one token")
    _require_tokens("log_probs: prompts", prompts, model)
    _require_tokens("log_probs: responses", responses, model)
    tokens = jnp.concatenate([prompts, responses], axis=1)
    if tokens.shape[1] - 1 > model.context:
        raise ValueError(
            f"log_probs: prompt and response of {prompts.shape[1]} + {responses.shape[1]} tokens "
            f"exceed the context of {model.context}"
        )
    # The last token's logits would predict what comes after the response.
    logits = jax.vmap(model)(tokens[:, :-1])[:, prompts.shape[1] - 1 :]
    return pick(jax.nn.log_softmax(logits / temperature), responses)


class Trained(NamedTuple):
    """The outcome of supervised training.

    Attributes:
        model: the trained model.
        state: the optimizer's state, to go on from.
        losses: mean cross-entropy per response token, before each step's update; in nats.
    """

    model: Transformer
    state: optax.OptState
    losses: Float[Array, " steps"]


def train(
    model: Transformer,
    optimizer: optax.GradientTransformation,
    prompts: Int[Array, "steps batch prompt"],
    responses: Int[Array, "steps batch new"],
    mask: Bool[Array, "steps batch new"],
    state: optax.OptState | None = None,
) -> Trained:
    """Fits the model to given responses, one batch a step, by cross-entropy under the mask.

    Args:
        model: where to start.
        optimizer: its updates are added to the weights.
        prompts: read, but not fitted.
        responses: the tokens to predict.
        mask: true for the tokens that count.
        state: the optimizer's state from an earlier call; fresh if None.

    Raises:
        ValueError: if the shapes disagree, or as for `log_probs`.
    """
    if not prompts.shape[:2] == responses.shape[:2] == mask.shape[:2]:
        raise ValueError(
            "train: prompts, responses and mask need the same steps and batch, got shapes "
            f"{prompts.shape}, {responses.shape} and {mask.shape}"
        )
    if mask.shape != responses.shape:
        raise ValueError(f"train: mask must have shape {responses.shape}, got {mask.shape}")
    _require_tokens("train: prompts", prompts, model)
    _require_tokens("train: responses", responses, model)

    def loss(model: Transformer, prompts: Any, responses: Any, mask: Any) -> Float[Array, ""]:
        surprise = -log_probs(model, prompts, responses)
        return jnp.sum(jnp.where(mask, surprise, 0.0)) / jnp.maximum(jnp.sum(mask), 1)

    def step(carry: Any, batch: Any) -> Any:
        model, state = carry
        value, gradient = jax.value_and_grad(loss)(model, *batch)
        updates, state = optimizer.update(gradient, state, model)
        return (eqx.apply_updates(model, updates), state), value

    start = (model, optimizer.init(model) if state is None else state)
    (model, state), losses = jax.lax.scan(step, start, (prompts, responses, mask))
    return Trained(model, state, losses)


def adam(rate: float | optax.Schedule) -> optax.GradientTransformation:
    """Adam (second moments over 100 steps) on gradients clipped to a norm of 1.

    Args:
        rate: the learning rate, or what it is at each step.
    """
    # Flat, because one long vector compiles faster than twenty small arrays.
    clip = optax.clip_by_global_norm(1.0)
    return optax.flatten(optax.chain(clip, optax.adam(rate, b2=0.99)))


def train_replicates(
    models: Transformer,
    prompts: Int[Array | np.ndarray, "replicates steps batch prompt"],
    responses: Int[Array | np.ndarray, "replicates steps batch new"],
    mask: Bool[Array | np.ndarray, "replicates steps batch new"],
    rates: Float[ArrayLike, " all_steps"],
    states: optax.OptState | None = None,
) -> Trained:
    """Fits several models side by side with `adam`, each to its own responses, as `train` does.

    Long training is called in pieces of one length, which are compiled once: hand over the states,
    and the rates of the whole training every time.

    Args:
        models: arrays with a leading axis of replicates.
        prompts, responses, mask: as for `train`.
        rates: the learning rate at each step, counted from the first call.
        states: the optimizers' states from an earlier call; fresh if None.

    Returns:
        As `train`, everything with a leading axis of replicates.

    Raises:
        ValueError: as `train`, or if replicates disagree.
    """
    count = jax.tree.leaves(eqx.filter(models, eqx.is_array))[0].shape[0]
    for name, rows in (("prompts", prompts), ("responses", responses), ("mask", mask)):
        if rows.shape[0] != count:
            raise ValueError(
                f"train_replicates: {name}: got {rows.shape[0]} replicates, expected {count}, "
                "one for each model"
            )
    if states is None:
        states = _fresh_states(models)
    outcome: Trained = _train_replicates(
        models, prompts, responses, mask, jnp.asarray(rates), states
    )
    return outcome


@jax.jit
@jax.vmap
def _fresh_states(model: Transformer) -> optax.OptState:
    return adam(lambda step: 0.0).init(model)  # a schedule counts steps, a number does not


# The lower level of optimization halves the time to compile and costs a tenth in running time.
@functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})
@functools.partial(jax.vmap, in_axes=(0, 0, 0, 0, None, 0))
def _train_replicates(
    model: Transformer, prompts: Any, responses: Any, mask: Any, rates: Any, state: Any
) -> Trained:
    return train(model, adam(lambda step: rates[step]), prompts, responses, mask, state)


def _dense(inputs: int, outputs: int, key: PRNGKeyArray) -> Float[Array, "inputs outputs"]:
    # Drawn flat: under `vmap`, random arrays of several axes take seconds to compile.
    return jax.random.normal(key, (inputs * outputs,)).reshape(inputs, outputs) / jnp.sqrt(inputs)


def _require_tokens(
    name: str, tokens: Int[Array, "*shape"], model: Transformer, lowest: int = 0
) -> None:
    if isinstance(tokens, jax.core.Tracer) or tokens.size == 0:
        return
    # NumPy, because under `jit` even the minimum of a known array is unknown to JAX.
    known = np.asarray(tokens)
    low, high = int(known.min()), int(known.max())
    if low < lowest or high >= model.vocabulary:
        raise ValueError(
            f"{name}: tokens must lie in [{lowest}, {model.vocabulary}), got values from {low} to "
            f"{high}"
        )
