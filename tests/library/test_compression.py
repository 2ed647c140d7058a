"""The model to compress, and exchanging its matrices, against the model as it is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paperlab import compression, lm


@pytest.fixture(scope="module")
def subject():
    return compression.subject(0)


@pytest.fixture(scope="module")
def small():
    model = lm.Transformer(11, 6, width=8, layers=2, heads=2, hidden=12, key=jax.random.key(3))
    return model, jnp.asarray(np.random.default_rng(0).integers(0, 11, (5, 7)))


def test_the_subject_reads_context_and_keeps_its_outliers(subject):
    model, training, held_out = subject
    loss = compression.nats(model, held_out[:512])
    counts = np.bincount(training.ravel(), minlength=model.vocabulary) + 1.0
    pairs = np.ones((model.vocabulary, model.vocabulary))
    np.add.at(pairs, (training[:, :-1].ravel(), training[:, 1:].ravel()), 1)
    follow = pairs / pairs.sum(1, keepdims=True)
    read = held_out[:512]
    single = -np.log(counts / counts.sum())[read[:, 1:]].mean()
    double = -np.log(follow[read[:, :-1], read[:, 1:]]).mean()
    assert float(loss.mean()) < double - 0.1 < single
    sizes = np.sqrt(
        (np.asarray(compression.inputs(model, training[:16])["0.attention"]) ** 2).mean(0)
    )
    assert set(np.argsort(sizes)[-3:]) == set(compression.OUTLIERS)
    assert sizes[list(compression.OUTLIERS)].min() > 5 * np.median(sizes)


def test_seeds_draw_different_models(subject):
    other = compression.subject(1).model
    assert not np.allclose(other.head, subject.model.head)


def test_the_same_matrices_give_the_same_logits(small):
    model, windows = small
    hooks = {
        name: compression.InputMap(matrix, lambda x: x)
        for name, matrix in compression.matrices(model).items()
    }
    replaced = compression.replace(model, hooks)
    for window in windows:
        np.testing.assert_array_equal(model(window[:-1]), replaced(window[:-1]))
    # A replaced model can be replaced again, and sampled from.
    doubled = {"1.expand": compression.InputMap(model.blocks[1].expand, lambda x: 2 * x)}
    again = compression.replace(replaced, doubled)
    plain = compression.replace(model, {"1.expand": 2 * model.blocks[1].expand})
    np.testing.assert_allclose(again(windows[0, :-1]), plain(windows[0, :-1]), rtol=1e-5)
    drawn = lm.sample(replaced, windows[:, :2], jax.random.key(0), new=3, end=10)
    expected = lm.sample(model, windows[:, :2], jax.random.key(0), new=3, end=10)
    np.testing.assert_array_equal(drawn.tokens, expected.tokens)


def test_inputs_are_what_the_matrices_read(small):
    model, windows = small
    seen = compression.inputs(model, windows)
    assert {compression.read_by(name) for name in compression.matrices(model)} == set(seen)
    rows = windows.shape[0] * (windows.shape[1] - 1)
    first = np.asarray(model.embedding)[windows[:, :-1].ravel()]
    norm = first / np.sqrt((first**2).mean(-1, keepdims=True) + model.norm.eps)
    np.testing.assert_allclose(seen["0.attention"], norm, rtol=1e-5)
    assert seen["1.contract"].shape == (rows, 12)
    hidden = jax.nn.relu(seen["1.expand"] @ model.blocks[1].expand)
    np.testing.assert_allclose(seen["1.contract"], hidden, rtol=1e-5, atol=1e-6)


def test_nats_are_the_mean_surprise(small):
    model, windows = small
    for window, got in zip(windows, compression.nats(model, windows), strict=True):
        log_probs = jax.nn.log_softmax(model(window[:-1]))
        expected = -np.mean([log_probs[t, token] for t, token in enumerate(window[1:])])
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_gradients_reach_what_stands_before_a_matrix(small):
    model, windows = small

    class Scale(eqx.Module):
        factor: jax.Array

        def __call__(self, x):
            return self.factor * x

    def loss(factor):
        hook = compression.InputMap(model.blocks[0].expand, Scale(factor))
        return compression.nats(compression.replace(model, {"0.expand": hook}), windows).mean()

    numeric = (loss(jnp.float32(1.01)) - loss(jnp.float32(0.99))) / 0.02
    np.testing.assert_allclose(jax.grad(loss)(jnp.float32(1.0)), numeric, rtol=0.05, atol=1e-4)


def test_bad_input_is_refused(small):
    model, _ = small
    with pytest.raises(ValueError, match=r"the model has no '2.query'; it has 0.query"):
        compression.replace(model, {"2.query": model.blocks[0].attention.query})
    with pytest.raises(ValueError, match=r"0.expand must have shape \(8, 12\), got \(12, 8\)"):
        compression.replace(model, {"0.expand": model.blocks[0].contract})
    with pytest.raises(ValueError, match="read_by: name must be a block and one of"):
        compression.read_by("query")
    with pytest.raises(ValueError, match="seed must not be negative, got -1"):
        compression.subject(-1)
