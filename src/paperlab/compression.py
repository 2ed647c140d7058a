"""A small language model to compress: trained here, with outlier channels, its matrices exchanged.

Large language models have a few channels of their activations tens of times larger than the rest,
and that is what makes them hard to quantize. A model this small grows none. `subject` plants three
in the embedding before training, which keeps them.

Each matrix of a block is named by the block and its own name, such as `0.query`; what it reads, by
the block and a name from `READS`, such as `0.attention`, the input that query, key and value share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from paperlab import data, lm

# Planted channels, and what is added to them in every row of the embedding.
OUTLIERS = {7: 12.0, 42: -8.0, 99: 6.0}

# The inputs of a block, each with the matrices that read it.
READS = {
    "attention": ("query", "key", "value"),
    "output": ("output",),
    "expand": ("expand",),
    "contract": ("contract",),
}

_WIDTH, _CONTEXT = 128, 32
_STEPS, _BATCH, _RATE, _WARM_UP = 500, 6, 6e-3, 30


class Subject(NamedTuple):
    """A trained model, and windows of text of one token more than its context.

    Attributes:
        model: two blocks, four heads, 128 channels throughout.
        training: windows to train on, and to calibrate with.
        held_out: windows from elsewhere in the text.
    """

    model: lm.Transformer
    training: Int[np.ndarray, "windows length"]
    held_out: Int[np.ndarray, "held_windows length"]


def subject(seed: int) -> Subject:
    """Trains the model for some seconds on the characters of English documentation.

    Args:
        seed: draws the weights and the batches.

    Raises:
        ValueError: if the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"subject: seed must not be negative, got {seed}")
    text = data.characters(" ".join(data.english(("sklearn",)).paragraphs))
    training, held_out = data.hold_out(text, _CONTEXT + 1)
    model = lm.Transformer(
        len(data.ALPHABET), _CONTEXT, width=_WIDTH, layers=2, heads=4, hidden=_WIDTH,
        key=jax.random.key(seed),
    )  # fmt: skip
    embedding = 0.3 * np.array(model.embedding)
    embedding[:, list(OUTLIERS)] += np.array(list(OUTLIERS.values()))
    model = eqx.tree_at(lambda m: m.embedding, model, jnp.asarray(embedding))
    rng = np.random.default_rng(seed)
    batches = training[rng.integers(len(training), size=(1, _STEPS, _BATCH))]
    step = np.arange(_STEPS)
    cosine = (1 + np.cos(np.pi * step / _STEPS)) / 2
    trained = lm.train_replicates(
        jax.tree.map(lambda leaf: leaf[None], model),
        batches[..., :1],
        batches[..., 1:],
        np.ones(batches[..., 1:].shape, bool),
        _RATE * np.minimum(1, (step + 1) / _WARM_UP) * cosine,
    )
    return Subject(jax.tree.map(lambda leaf: leaf[0], trained.model), training, held_out)


class InputMap(eqx.Module):
    """Stands in a block where a matrix was: `x @ InputMap(matrix, before)` is `before(x) @ matrix`.

    Attributes:
        matrix: any array of the shape of the matrix that it replaces.
        before: what happens to the input, rows of any number, such as a rounding. A function, or a
            module with arrays of its own.
    """

    matrix: Float[Array, "inputs outputs"]
    before: Callable[[Array], Array]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the matrix."""
        return self.matrix.shape

    @property
    def dtype(self) -> Any:
        """Of the matrix."""
        return self.matrix.dtype

    def __rmatmul__(self, x: Float[Array, "*rows inputs"]) -> Float[Array, "*rows outputs"]:
        return self.before(x) @ self.matrix


def matrices(model: lm.Transformer) -> dict[str, Any]:
    """The matrices of all blocks, each of shape (inputs, outputs), by name."""
    return {
        f"{block}.{name}": getattr(_owner(model, block, name), name)
        for block in range(len(model.blocks))
        for names in READS.values()
        for name in names
    }


def read_by(name: str) -> str:
    """The name of the input that a matrix reads: `0.attention` for `0.query`.

    Raises:
        ValueError: for a name that is no matrix's.
    """
    block, _, matrix = name.partition(".")
    for source, names in READS.items():
        if block.isdigit() and matrix in names:
            return f"{block}.{source}"
    raise ValueError(
        f"read_by: name must be a block and one of {sum(READS.values(), ())}, such as '0.query', "
        f"got {name!r}"
    )


def replace(model: lm.Transformer, replacements: Mapping[str, Any]) -> lm.Transformer:
    """The model with other matrices: arrays, or modules that define `__rmatmul__`.

    Args:
        model: left as it is.
        replacements: by the names of `matrices`; a matrix that is not named stays.

    Raises:
        ValueError: for a name that the model does not have, or a replacement of another shape.
    """
    have = matrices(model)
    for name, new in replacements.items():
        if name not in have:
            raise ValueError(f"replace: the model has no {name!r}; it has {', '.join(have)}")
        if tuple(new.shape) != tuple(have[name].shape):
            raise ValueError(
                f"replace: {name} must have shape {tuple(have[name].shape)}, got {tuple(new.shape)}"
            )
    places = [name.split(".") for name in replacements]
    changed: lm.Transformer = eqx.tree_at(
        lambda m: [getattr(_owner(m, int(block), name), name) for block, name in places],
        model,
        list(replacements.values()),
        is_leaf=lambda node: isinstance(node, InputMap),
    )
    return changed


@eqx.filter_jit
def inputs(
    model: lm.Transformer, windows: Int[Array | np.ndarray, "windows length"]
) -> dict[str, Float[Array, "rows channels"]]:
    """What the matrices read, by name (`read_by`), at all positions of all windows.

    The last token of each window is not read, as in `nats`.
    """

    def record(window: Int[Array, " length"]) -> dict[str, Array]:
        seen: dict[str, Array] = {}

        def listen(name: str) -> Callable[[Array], Array]:
            def before(x: Array) -> Array:
                seen[read_by(name)] = x
                return x

            return before

        hooks = {name: InputMap(matrix, listen(name)) for name, matrix in matrices(model).items()}
        replace(model, hooks)(window)
        return seen

    recorded = jax.vmap(record)(jnp.asarray(windows)[:, :-1])
    return {name: x.reshape(-1, x.shape[-1]) for name, x in recorded.items()}


@eqx.filter_jit
def nats(
    model: lm.Transformer, windows: Int[Array | np.ndarray, "windows length"]
) -> Float[Array, " windows"]:
    """Mean negative log-likelihood per token of each window, its first token given; in nats.

    Raises:
        ValueError: as for `lm.log_probs`.
    """
    windows = jnp.asarray(windows)
    return -jnp.mean(lm.log_probs(model, windows[:, :1], windows[:, 1:]), axis=1)


def _owner(model: lm.Transformer, block: int, name: str) -> Any:
    part = model.blocks[block]
    return part if name in ("expand", "contract") else part.attention
