"""The language model: cached against uncached sampling, replicates at once against a loop, and a
training step against the same model in plain array operations on whole batches."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from benchmarks.compare import compare

from paperlab import lm

VOCABULARY, PROMPT, NEW, BATCH = 16, 8, 56, 64


def uncached(model: lm.Transformer, prompts: jax.Array, key: jax.Array) -> jax.Array:
    """Samples by reading the whole sequence again for every token."""
    tokens = jnp.pad(prompts, ((0, 0), (0, NEW)))

    def draw(tokens, inputs):
        position, key = inputs
        logits = jax.vmap(model)(tokens)[:, position - 1]
        drawn = jax.random.categorical(key, logits)
        return tokens.at[:, position].set(drawn), None

    steps = (PROMPT + jnp.arange(NEW), jax.random.split(key, NEW))
    return jax.lax.scan(draw, tokens, steps)[0]


def normalize(x: jax.Array, norm: eqx.nn.RMSNorm) -> jax.Array:
    """Root-mean-square normalization of the last axis."""
    return x * jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + norm.eps) * norm.weight


def plain_loss(model: lm.Transformer, tokens: jax.Array) -> jax.Array:
    """Cross-entropy of all tokens but the first, with indexing and batched products."""
    x = model.embedding[tokens[:, :-1]]
    batch, length, width = x.shape
    offset = jnp.arange(length)[:, None] - jnp.arange(length)
    for block in model.blocks:
        a, y = block.attention, normalize(x, block.attention_norm)
        heads = a.relative_bias.shape[0]
        q, k, v = (
            (y @ w).reshape(batch, length, heads, -1).swapaxes(1, 2)
            for w in (a.query, a.key, a.value)
        )
        scores = q @ k.swapaxes(2, 3) / (width // heads) ** 0.5
        scores += lm.BIAS_SCALE * a.relative_bias[:, jnp.maximum(offset, 0)]
        mixed = jax.nn.softmax(jnp.where(offset >= 0, scores, -jnp.inf)) @ v
        x = x + mixed.swapaxes(1, 2).reshape(batch, length, width) @ a.output
        x = x + jax.nn.relu(normalize(x, block.mlp_norm) @ block.expand) @ block.contract
    logits = normalize(x, model.norm) @ model.head
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]))


def compare_training(model: lm.Transformer, tokens: jax.Array) -> None:
    """Adam steps under one scan, ours and plain, which must find the same losses."""
    steps, optimizer = tokens.shape[0], optax.adam(1e-3)
    mask = jnp.ones(tokens[..., 1:].shape, bool)
    ours = jax.jit(lambda m: lm.train(m, optimizer, tokens[..., :1], tokens[..., 1:], mask).losses)

    @jax.jit
    def plain(model):
        def step(carry, batch):
            model, state = carry
            value, gradient = jax.value_and_grad(plain_loss)(model, batch)
            updates, state = optimizer.update(gradient, state, model)
            return (eqx.apply_updates(model, updates), state), value

        return jax.lax.scan(step, (model, optimizer.init(model)), tokens)[1]

    np.testing.assert_allclose(ours(model), plain(model), rtol=1e-3)
    compare(
        f"{steps} training steps: ours, plain arrays", lambda: ours(model), lambda: plain(model)
    )


def main() -> None:
    """Prints one line per comparison."""
    build = lambda key: lm.Transformer(  # noqa: E731
        VOCABULARY, PROMPT + NEW, width=32, layers=2, heads=4, key=key
    )
    keys = jax.random.split(jax.random.key(0), 8)
    prompts = jax.random.randint(keys[0], (BATCH, PROMPT), 0, VOCABULARY)
    model = build(keys[0])
    cached = jax.jit(lambda m, key: lm.sample(m, prompts, key, new=NEW, end=0).tokens)
    whole = jax.jit(lambda m, key: uncached(m, prompts, key))
    compare(
        f"sampling {BATCH} x {NEW} tokens: cached, uncached",
        lambda: cached(model, keys[1]),
        lambda: whole(model, keys[1]),
    )
    models = jax.vmap(build)(keys)
    together = jax.jit(jax.vmap(lambda m, key: lm.sample(m, prompts, key, new=NEW, end=0).tokens))
    each = [jax.tree.map(lambda x, i=i: x[i], models) for i in range(len(keys))]
    compare(
        f"sampling from {len(keys)} models: vmap, loop",
        lambda: together(models, keys),
        lambda: [cached(m, key) for m, key in zip(each, keys, strict=True)],
    )
    text = jax.random.randint(keys[2], (20, BATCH, PROMPT + NEW), 0, VOCABULARY)
    compare_training(model, text)


if __name__ == "__main__":
    main()
