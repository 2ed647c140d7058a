"""The language model: cached against uncached sampling, and replicates at once against a loop."""

import jax
import jax.numpy as jnp
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
        f"sampling {NEW} tokens x {BATCH}: cached, uncached",
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


if __name__ == "__main__":
    main()
