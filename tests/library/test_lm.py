"""The language model against an independent forward pass, and sampling against its own logits."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats

from paperlab import lm

VOCABULARY, CONTEXT, END = 7, 12, 6

# Compiled as in a notebook; what is checked only outside of `jit` is tested by the bare names.
extend = eqx.filter_jit(lm.Transformer.extend)
log_probs = eqx.filter_jit(lm.log_probs)
sample = eqx.filter_jit(lm.sample)


@pytest.fixture(scope="module")
def model():
    model = lm.Transformer(
        VOCABULARY, CONTEXT, width=8, layers=2, heads=2, hidden=16, key=jax.random.key(0)
    )
    # A bias of zeros, as at the start, would hide a mistake in the relative offsets.
    biases = lambda m: [b.attention.relative_bias for b in m.blocks]  # noqa: E731
    keys = jax.random.split(jax.random.key(1), 2)
    drawn = [0.1 * jax.random.normal(k, b.shape) for k, b in zip(keys, biases(model), strict=True)]
    return eqx.tree_at(biases, model, drawn)


def reference_logits(model, tokens):
    """The same network written out in NumPy, one position and head at a time."""

    def norm(x, layer):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + layer.eps) * np.asarray(layer.weight)

    x = np.asarray(model.embedding, np.float64)[tokens]
    for block in model.blocks:
        a = block.attention
        heads = a.relative_bias.shape[0]
        y = norm(x, block.attention_norm)
        q, k, v = (np.split(y @ np.asarray(w), heads, axis=1) for w in (a.query, a.key, a.value))
        out = [np.zeros_like(v[h]) for h in range(heads)]
        for h in range(heads):
            for i in range(len(tokens)):
                offsets = i - np.arange(i + 1)
                scores = k[h][: i + 1] @ q[h][i] / np.sqrt(q[h].shape[1])
                scores += lm.BIAS_SCALE * np.asarray(a.relative_bias)[h, offsets]
                out[h][i] = scipy.special.softmax(scores) @ v[h][: i + 1]
        x = x + np.concatenate(out, axis=1) @ np.asarray(a.output)
        hidden = np.maximum(norm(x, block.mlp_norm) @ np.asarray(block.expand), 0)
        x = x + hidden @ np.asarray(block.contract)
    return norm(x, model.norm) @ np.asarray(model.head)


def random_tokens(seed, *shape):
    return np.random.default_rng(seed).integers(0, VOCABULARY, shape)


def test_logits_equal_an_independent_forward_pass(model):
    tokens = random_tokens(0, CONTEXT)
    np.testing.assert_allclose(
        model(jnp.asarray(tokens)), reference_logits(model, tokens), rtol=1e-4, atol=1e-4
    )


def test_the_model_is_causal(model):
    tokens = random_tokens(1, CONTEXT)
    changed = tokens.copy()
    changed[8] = (changed[8] + 1) % VOCABULARY
    a, b = model(jnp.asarray(tokens)), model(jnp.asarray(changed))
    np.testing.assert_array_equal(a[:8], b[:8])
    assert jnp.abs(a[8:] - b[8:]).max() > 1e-3


@pytest.mark.parametrize("cut", [1, 4, 11])
def test_reading_in_pieces_through_the_cache_changes_nothing(model, cut):
    tokens = jnp.asarray(random_tokens(2, CONTEXT))
    first, caches = extend(model, tokens[:cut], model.empty_caches(), 0)
    second, _ = extend(model, tokens[cut:], caches, cut)
    np.testing.assert_allclose(jnp.concatenate([first, second]), model(tokens), atol=1e-5)


def test_log_probs_equal_the_reference(model):
    prompts, responses = random_tokens(3, 5, 4), random_tokens(4, 5, 6)
    found = log_probs(model, jnp.asarray(prompts), jnp.asarray(responses), temperature=0.7)
    for prompt, response, row in zip(prompts, responses, np.asarray(found), strict=True):
        logits = reference_logits(model, np.concatenate([prompt, response]))[3:-1] / 0.7
        expected = scipy.special.log_softmax(logits, axis=1)[np.arange(6), response]
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-4)


def test_sampled_log_probs_are_those_of_the_uncached_model(model):
    prompts = jnp.asarray(random_tokens(5, 64, 4))
    drawn = sample(model, prompts, jax.random.key(2), new=8, end=END)
    expected = log_probs(model, prompts, drawn.tokens)
    np.testing.assert_allclose(drawn.log_probs[drawn.mask], expected[drawn.mask], atol=1e-5)


def test_the_mask_ends_with_the_end_token(model):
    prompts = jnp.asarray(random_tokens(6, 256, 3))
    drawn = sample(model, prompts, jax.random.key(3), new=8, end=END)
    for tokens, mask in zip(np.asarray(drawn.tokens), np.asarray(drawn.mask), strict=True):
        ends = np.flatnonzero(tokens == END)
        length = ends[0] + 1 if len(ends) else 8
        np.testing.assert_array_equal(mask, np.arange(8) < length)
        assert (tokens[length:] == END).all()


def test_samples_follow_the_models_distribution(model):
    prompt, count, temperature = random_tokens(7, 1, 5), 20_000, 0.8
    prompts = jnp.asarray(np.repeat(prompt, count, axis=0))
    drawn = sample(model, prompts, jax.random.key(4), new=1, end=END, temperature=temperature)
    observed = np.bincount(np.asarray(drawn.tokens)[:, 0], minlength=VOCABULARY)
    expected = scipy.special.softmax(reference_logits(model, prompt[0])[-1] / temperature)
    assert scipy.stats.chisquare(observed, count * expected).pvalue > 1e-4


def test_forced_tokens_are_written_and_the_rest_is_drawn_after_them(model):
    prompts = jnp.asarray(random_tokens(11, 64, 4))
    given = jnp.asarray(random_tokens(12, 64, 3) % END)  # none of them ends the response
    forced = jnp.concatenate([given, jnp.full((64, 5), -1)], axis=1)
    drawn = sample(model, prompts, jax.random.key(6), new=8, end=END, forced=forced)
    np.testing.assert_array_equal(drawn.tokens[:, :3], given)
    expected = log_probs(model, prompts, drawn.tokens)
    np.testing.assert_allclose(drawn.log_probs[drawn.mask], expected[drawn.mask], atol=1e-5)
    assert len(np.unique(np.asarray(drawn.tokens[:, 3:]))) > 1


def test_a_forced_end_ends_the_response(model):
    prompts = jnp.asarray(random_tokens(13, 8, 4))
    forced = jnp.full((8, 5), -1).at[:, 1].set(END).at[:, 2].set(0)
    drawn = sample(model, prompts, jax.random.key(7), new=5, end=END, forced=forced)
    assert not drawn.mask[:, 2:].any() and (drawn.tokens[:, 1:] == END).all()


def test_states_are_the_residual_stream_and_reading_the_last_gives_the_logits(model):
    tokens = jnp.asarray(random_tokens(14, CONTEXT))
    states = model.states(tokens)
    assert states.shape == (3, CONTEXT, 8)
    np.testing.assert_array_equal(states[0], model.embedding[tokens])
    for block, before, after in zip(model.blocks, states, states[1:], strict=False):
        np.testing.assert_allclose(block(before)[0], after, atol=1e-6)
    np.testing.assert_allclose(model.read(states[-1]), model(tokens), atol=1e-5)


class RunningMean(eqx.Module):
    """A part that may stand where attention stands: the mean of all inputs so far."""

    context: int = eqx.field(static=True)

    def empty_cache(self):
        return jnp.zeros((self.context, 8))

    def __call__(self, x, cache=None, start=0):
        seen = x if cache is None else jax.lax.dynamic_update_slice(cache, x, (start, 0))
        means = jnp.cumsum(seen, axis=0) / (jnp.arange(seen.shape[0]) + 1)[:, None]
        return jax.lax.dynamic_slice(means, (start, 0), x.shape), seen


def test_another_part_in_place_of_attention_is_sampled_through_its_own_cache(model):
    swapped = eqx.tree_at(
        lambda m: [b.attention for b in m.blocks], model, [RunningMean(CONTEXT)] * 2
    )
    prompts = jnp.asarray(random_tokens(15, 16, 3))
    drawn = sample(swapped, prompts, jax.random.key(8), new=8, end=END)
    expected = log_probs(swapped, prompts, drawn.tokens)
    np.testing.assert_allclose(drawn.log_probs[drawn.mask], expected[drawn.mask], atol=1e-5)
    assert jnp.abs(expected - log_probs(model, prompts, drawn.tokens)).max() > 1e-2


def test_training_descends_to_the_entropy_of_its_data(model):
    # A deterministic rule, so the least cross-entropy is 0: repeat the prompt's last token.
    rng = np.random.default_rng(8)
    prompts = rng.integers(0, END, (400, 16, 3))
    responses = np.repeat(prompts[..., -1:], 2, axis=-1)
    mask = np.ones_like(responses, bool)
    trained = lm.train(model, optax.adam(1e-2), *map(jnp.asarray, (prompts, responses, mask)))
    assert trained.losses.shape == (400,)
    assert trained.losses[-20:].mean() < 0.05 < 1 < trained.losses[0]


def test_training_ignores_masked_tokens(model):
    prompts, responses = random_tokens(9, 3, 4, 3), random_tokens(10, 3, 4, 5)
    mask = np.arange(5) < 3
    other = np.where(mask, responses, (responses + 1) % VOCABULARY)
    # Masked tokens stand last, so that no counted token reads them.
    runs = [
        lm.train(
            model, optax.sgd(0.1), *map(jnp.asarray, (prompts, x, np.broadcast_to(mask, x.shape)))
        ).losses
        for x in (responses, other)
    ]
    np.testing.assert_allclose(*runs, rtol=1e-6)


PROMPTS, RESPONSES = jnp.zeros((2, 3), int), jnp.zeros((2, 4), int)


def rows_for(seed, *sizes):
    responses = random_tokens(seed, *sizes, 4)
    return random_tokens(seed + 1, *sizes, 3), responses, np.ones(responses.shape, bool)


def test_replicates_are_trained_as_each_alone_and_in_pieces_as_in_one():
    build = lambda key: lm.Transformer(  # noqa: E731
        VOCABULARY, CONTEXT, width=8, layers=1, heads=2, hidden=16, key=key
    )
    models = eqx.filter_vmap(build)(jax.random.split(jax.random.key(3), 2))
    rates, rows = np.linspace(0.02, 0.01, 6), rows_for(5, 2, 6, 4)
    together = lm.train_replicates(models, *rows, rates)
    first = lm.train_replicates(models, *(x[:, :3] for x in rows), rates)
    then = lm.train_replicates(first.model, *(x[:, 3:] for x in rows), rates, first.state)
    for whole, piece in zip(
        jax.tree.leaves(together.model), jax.tree.leaves(then.model), strict=True
    ):
        np.testing.assert_allclose(piece, whole, atol=1e-6)
    # One of them by optax alone, step by step.
    model = jax.tree.map(lambda x: x[1], models)
    chain = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(lambda t: jnp.asarray(rates)[t], b2=0.99)
    )
    alone = eqx.filter_jit(lm.train)(model, chain, *(x[1] for x in rows))
    np.testing.assert_allclose(alone.losses, together.losses[1], rtol=1e-5)


def test_replicates_must_agree():
    build = eqx.filter_vmap(
        lambda key: lm.Transformer(
            VOCABULARY, CONTEXT, width=8, layers=1, heads=2, hidden=16, key=key
        )
    )
    models = build(jax.random.split(jax.random.key(3), 2))
    with pytest.raises(ValueError, match="prompts: got 3 replicates, expected 2"):
        lm.train_replicates(models, *rows_for(5, 3, 6, 4), np.ones(6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: lm.sample(m, PROMPTS[:, :0], KEY, new=2, end=END), "the prompt is empty"),
        (lambda m: lm.sample(m, PROMPTS, KEY, new=10, end=END), "new must lie between 1 and"),
        (lambda m: lm.sample(m, PROMPTS, KEY, new=0, end=END), "new must lie between 1 and"),
        (lambda m: lm.sample(m, PROMPTS + 7, KEY, new=2, end=END), "tokens must lie in"),
        (lambda m: lm.sample(m, PROMPTS, KEY, new=2, end=7), "end must be a token below 7"),
        (lambda m: lm.sample(m, PROMPTS, KEY, new=2, end=END, temperature=0.0), "must be positive"),
        (
            lambda m: lm.sample(m, PROMPTS, KEY, new=2, end=END, forced=RESPONSES),
            "forced must have shape",
        ),
        (
            lambda m: lm.sample(m, PROMPTS, KEY, new=4, end=END, forced=RESPONSES - 2),
            "forced: tokens must lie in",
        ),
        (lambda m: m.states(jnp.zeros(13, int)), "reads 1 to 12 tokens at once, got 13"),
        (lambda m: lm.log_probs(m, PROMPTS[:, :0], RESPONSES), "the prompt is empty"),
        (lambda m: lm.log_probs(m, PROMPTS, RESPONSES - 1), "tokens must lie in"),
        (lambda m: lm.log_probs(m, PROMPTS, jnp.zeros((2, 11), int)), "exceed the context of 12"),
    ],
)
def test_bad_input_is_refused(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


KEY = jax.random.key(5)


def test_known_tokens_are_checked_under_jit_as_well(model):
    found = jax.jit(lambda m: lm.log_probs(m, PROMPTS, RESPONSES))(model)
    np.testing.assert_allclose(found, lm.log_probs(model, PROMPTS, RESPONSES), atol=1e-5)
    unknown = RESPONSES + VOCABULARY
    with pytest.raises(ValueError, match="responses: tokens must lie in"):
        jax.jit(lambda m: lm.log_probs(m, PROMPTS, unknown))(model)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"width": 6, "heads": 4}, "width 6 is not divisible by heads 4"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        lm.Transformer(5, 8, **({"width": 8, "layers": 1, "heads": 2} | sizes), key=KEY)
