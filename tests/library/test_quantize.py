"""Number formats against ml_dtypes, enumeration of codes, and slow scalar versions."""

import functools
import math

import jax
import jax.numpy as jnp
import jaxtyping
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlab import quantize

seeds = st.integers(0, 2**31)
BLOCKS = [name for name, form in quantize.FORMATS.items() if form.block not in (None, 1)]


def spread(seed, shape):
    """Numbers over many binades, some of them in halves and quarters, where ties are."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * np.exp2(rng.uniform(-12, 10, (*shape[:-1], 1)))
    x = x * np.exp2(rng.uniform(-5, 5, shape) * rng.integers(2))
    ties = np.exp2(rng.integers(-6, 6)) * np.round(8 * x / np.abs(x).max()) / 4
    return np.where(rng.random(shape) < 0.3, ties, x).astype(np.float32)


@functools.cache
def round_trip(name):
    return jax.jit(lambda x: quantize.rounded(x, name))


def compiled(name, x):
    return np.asarray(round_trip(name)(x), np.float64)


# --- Elements -------------------------------------------------------------------------------------


def grid(dtype):
    """All finite numbers of a type, all midpoints between neighbors, and numbers beside these."""
    codes = np.arange(2 ** ml_dtypes.finfo(dtype).bits, dtype=np.uint8).view(dtype)
    values = np.unique(codes.astype(np.float32))
    values = values[np.isfinite(values)]
    middle = (values[1:] + values[:-1]) / 2
    around = [np.nextafter(middle, np.float32(side)) for side in (-np.inf, np.inf)]
    return np.concatenate([values, middle, *around]).astype(np.float32)


def saturated(x, dtype, largest):
    return np.clip(x, -largest, largest).astype(dtype).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "dtype", "largest"),
    [
        (quantize.e2m1, ml_dtypes.float4_e2m1fn, 6),
        (quantize.e4m3, ml_dtypes.float8_e4m3fn, 448),
    ],
)
def test_elements_are_those_of_ml_dtypes(function, dtype, largest):
    x = np.concatenate([grid(dtype), spread(0, (400, 64)).ravel(), [1e30, -1e30]])
    x = x.astype(np.float32)
    np.testing.assert_array_equal(function(x), saturated(x, dtype, largest))


def hif8_numbers():
    """The positive finite numbers of HiFloat8, decoded from all bit patterns."""
    numbers = []
    for byte in range(128):  # the sign is the first bit
        bits = f"{byte:07b}"
        for prefix, fields in (("11", 4), ("10", 3), ("01", 2), ("001", 1), ("0001", 0)):
            if bits.startswith(prefix):
                exponent, mantissa = bits[len(prefix) :][:fields], bits[len(prefix) + fields :]
                # Sign and magnitude; the magnitude's leading one is not stored.
                size = int("1" + exponent[1:], 2) if fields else 0
                power = -size if exponent[:1] == "1" else size
                numbers.append(2.0**power * (1 + int(mantissa, 2) / 2 ** len(mantissa)))
                break
        else:
            numbers.append(2.0 ** (byte - 23) if byte else 0.0)
    infinity = numbers.pop(0x6F)
    assert infinity == 1.5 * 2**15  # its pattern stands for infinity
    return np.array(sorted(numbers))


def test_hif8_is_the_nearest_of_its_numbers_ties_away_from_zero():
    numbers = hif8_numbers()
    assert len(numbers) == 127 and numbers[1] == 2.0**-22 and numbers[-1] == 2.0**15
    assert len({math.frexp(x)[1] for x in numbers[1:]}) == 38  # binades
    middle = (numbers[1:] + numbers[:-1]) / 2
    x = np.concatenate([numbers, middle, np.nextafter(middle, 0), spread(1, (300, 64)).ravel()])
    x = np.abs(x.astype(np.float32))
    right = np.searchsorted((numbers[1:] + numbers[:-1]) / 2, x, side="right")
    expected = np.where(x < 1.25 * 2**15, numbers[right], np.inf)
    np.testing.assert_array_equal(quantize.hif8(x), expected)
    np.testing.assert_array_equal(quantize.hif8(-x), -expected)


# --- Blocks ---------------------------------------------------------------------------------------


def slow_microscaling(block, dtype, largest):
    """OCP Microscaling, with the scale stored as an E8M0 number."""
    most = float(np.abs(block).max())
    if most == 0:
        return np.zeros_like(block)
    top = math.frexp(largest)[1]
    scale = np.float32(2.0 ** (math.frexp(most)[1] - top))
    stored = scale.astype(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    assert stored == scale
    return saturated(block / stored, dtype, largest) * stored


def slow_nvfp4(block, whole):
    y = (block / whole).astype(np.float32)
    scale = saturated(np.abs(y).max() / np.float32(6), ml_dtypes.float8_e4m3fn, 448)
    if scale == 0:
        return np.zeros_like(y)
    return saturated(y / scale, ml_dtypes.float4_e2m1fn, 6) * scale * whole


def slow_hif4(block):
    """One block of 64, number by number; bfloat16 is that of ml_dtypes."""
    bf16 = lambda x: float(np.float64(x).astype(ml_dtypes.bfloat16))  # noqa: E731
    most = max(abs(float(x)) for x in block)
    scale = min(max(bf16(most * bf16(1 / 7)), 2.0**-48), 1.5 * 2.0**15)
    power = math.frexp(scale)[1] - 1
    scale = round(scale / 2.0**power * 4) / 4 * 2.0**power  # `round` takes ties to even
    inverse = bf16(1 / scale)
    out = []
    for i, x in enumerate(block):
        eight = max(abs(float(v)) for v in block[i // 8 * 8 : i // 8 * 8 + 8])
        four = max(abs(float(v)) for v in block[i // 4 * 4 : i // 4 * 4 + 4])
        twice = int(eight * inverse >= 4)
        twice += int(four * inverse / 2**twice >= 2)
        quarters = min(math.floor(abs(float(x)) * inverse / 2**twice * 4 + 0.5), 7)
        out.append(math.copysign(scale * 2**twice * quarters / 4, x))
    return np.array(out)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_microscaling_is_that_of_slow_blocks(seed):
    x = spread(seed, (8, 64))
    cases = (
        ("MXFP4", ml_dtypes.float4_e2m1fn, 6),
        ("MXFP8", ml_dtypes.float8_e4m3fn, 448),
    )
    for name, dtype, largest in cases:
        blocks = [slow_microscaling(b, dtype, largest) for b in x.reshape(-1, 32)]
        np.testing.assert_array_equal(compiled(name, x), np.reshape(blocks, x.shape))


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_nvfp4_is_that_of_slow_blocks(seed):
    x = spread(seed, (8, 64))
    for per_tensor in (True, False):
        whole = np.abs(x).max() / np.float32(448 * 6) if per_tensor else np.float32(1)
        expected = np.reshape([slow_nvfp4(b, whole) for b in x.reshape(-1, 16)], x.shape)
        got = quantize.nvfp4(x, per_tensor=per_tensor)
        # The last bit of the product of three numbers depends on their order.
        np.testing.assert_allclose(got, expected, rtol=2e-7, atol=0)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_hif4_is_that_of_slow_blocks(seed):
    x = spread(seed, (8, 64))
    np.testing.assert_array_equal(compiled("HiF4", x), [slow_hif4(row) for row in x])


@pytest.mark.parametrize("size", [1e-30, 2.0**-48, 2.0**-40, 49152 * 7, 1e9])
def test_hif4_at_the_ends_of_its_scale(size):
    x = np.linspace(-size, size, 64).astype(np.float32)
    np.testing.assert_array_equal(quantize.hif4(x), slow_hif4(x))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, bits=st.integers(2, 8), block=st.sampled_from([None, 4, 16, 64]))
def test_integers_err_by_half_a_step_at_most(seed, bits, block):
    x = spread(seed, (5, 64))
    got = np.asarray(quantize.integer(x, bits, block=block), np.float64)
    blocks = x.reshape(5, -1, block or 64)
    step = np.abs(blocks).max(-1, keepdims=True) / (2 ** (bits - 1) - 1)
    codes = got.reshape(blocks.shape) / np.where(step > 0, step, 1)
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    assert np.all(np.abs(codes) <= 2 ** (bits - 1) - 1 + 1e-4)
    assert np.all(np.abs(got.reshape(blocks.shape) - blocks) <= step * (0.5 + 1e-4))


# --- All formats ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(quantize.FORMATS))
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_a_format_keeps_signs_and_zeros(name, seed):
    x = spread(seed, (4, 64))
    once = compiled(name, x)
    np.testing.assert_array_equal(compiled(name, -x), -once)
    np.testing.assert_array_equal(compiled(name, 0 * x), 0 * x)
    assert np.all(once * x >= 0)
    if name not in ("NVFP4", "HiF4"):  # rounding the largest may move their scales
        again = compiled(name, once.astype(np.float32))
        np.testing.assert_allclose(again, once, rtol=1e-6)


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_do_not_touch_each_other(name):
    x = spread(3, (4, 128))
    changed = x.copy()
    changed[:, 64:] *= 100 * (np.abs(changed[:, 64:]) < np.abs(x).max() / 200)
    if name == "NVFP4":  # its number for the tensor may not change
        changed[0, 64] = x[0, 64] = 2 * np.abs(x).max()
    np.testing.assert_array_equal(compiled(name, x)[:, :64], compiled(name, changed)[:, :64])


@pytest.mark.parametrize("name", list(quantize.FORMATS))
def test_axis_and_compilation_change_nothing(name):
    x = spread(4, (3, 64, 5))
    along = np.asarray(quantize.rounded(x, name, axis=1))
    moved = np.asarray(quantize.rounded(np.moveaxis(x, 1, -1), name))
    np.testing.assert_array_equal(along, np.moveaxis(moved, -1, 1))
    np.testing.assert_array_equal(along, jax.jit(lambda y: quantize.rounded(y, name, axis=1))(x))


@pytest.mark.parametrize("name", ["MXFP4", "NVFP4", "HiF4", "HiF8", "E4M3"])
def test_gradients_pass_straight_through(name):
    x = np.linspace(-0.9, 1.1, 64).astype(np.float32)
    slope = jax.grad(lambda y: jnp.sum(jnp.sin(jnp.arange(64.0)) * quantize.rounded(y, name)))(x)
    passed = np.isclose(slope, np.sin(np.arange(64.0)), atol=1e-6)
    assert passed.mean() > 0.9  # all but what saturates


def test_gradients_of_integers_reach_the_scale():
    x = jnp.array([0.2, -0.5, 1.0])
    slope = jax.grad(lambda y: quantize.integer(y, 4)[0])(x)
    # value = s * round(x / s), s = max / 7: the derivative in s is round(x / s) - x / s.
    np.testing.assert_allclose(slope, [1, 0, (round(1.4) - 1.4) / 7], atol=1e-6)


def test_straight_through_takes_the_values_of_the_rounding():
    value, slope = jax.value_and_grad(lambda x: quantize.straight_through(jnp.rint, x) ** 2)(
        jnp.float32(1.7)
    )
    assert (value, slope) == (4.0, 4.0)


def test_bits_count_the_scales():
    for name, (bits, block, _) in quantize.FORMATS.items():
        if name.startswith(("MX", "NV", "HiF4")):
            scale_bits = {"MXFP4": 8, "MXFP8": 8, "NVFP4": 8, "HiF4": 8 + 8 + 16}[name]
            element = 8 if name == "MXFP8" else 4
            assert bits == element + scale_bits / block


def test_bad_input_is_refused():
    with pytest.raises(
        ValueError, match="mxfp4: a block of 32 does not divide axis 0, of length 3"
    ):
        quantize.mxfp4(np.ones((3, 32), np.float32), axis=0)
    with pytest.raises(ValueError, match="hif4: x must be finite, got 1 NaN"):
        quantize.hif4(np.full(64, [np.nan] + [1.0] * 63, np.float32))
    with pytest.raises(ValueError, match="integer: bits must be at least 2, got 1"):
        quantize.integer(np.ones(4, np.float32), 1)
    with pytest.raises(ValueError, match="integer: a block of 0"):
        quantize.integer(np.ones(4, np.float32), 4, block=0)
    with pytest.raises(ValueError, match="axis 2 is not one of"):
        quantize.nvfp4(np.ones((16, 16), np.float32), axis=2)
    with pytest.raises(ValueError, match=r"name must be one of INT8.*got 'FP4'"):
        quantize.rounded(np.ones(64, np.float32), "FP4")
    with pytest.raises(jaxtyping.TypeCheckError):
        quantize.e2m1(np.ones(4, int))
