"""Number formats of few bits, as what is left of a number after a round trip: quantize, dequantize.

Every format rounds along one axis and returns the shape and type it was given. Gradients pass
straight through the rounding (and not through a shared scale of a floating format); where a value
saturates they vanish.

Floating formats are computed in single precision, as the processors do that have them. What is
below the smallest normal number of single precision counts as zero.

Block formats share a scale among neighbors along the axis:

| format | element | block | scale | bits per value |
| --- | --- | --- | --- | --- |
| `mxfp4` | E2M1 | 32 | E8M0 | 4.25 |
| `mxfp8` | E4M3 | 32 | E8M0 | 8.25 |
| `nvfp4` | E2M1 | 16 | E4M3, and one of single precision per tensor | 4.5 |
| `hif4` | S1P2 | 64 | E6M2, 8 bits for eights, 16 bits for fours | 4.5 |
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_Values = Float[Array, "*shape"]


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def straight_through(rounding: Callable[..., Any], x: _Values) -> _Values:
    """A rounding of x whose derivative is taken to be one (Bengio, Leonard, Courville, 2013)."""
    result: Array = rounding(x)
    return result


@straight_through.defjvp
def _straight_through_jvp(rounding: Any, primals: Any, tangents: Any) -> Any:
    return straight_through(rounding, *primals), tangents[0]


def integer(
    x: Float[Array | np.ndarray, "*shape"], bits: int, *, block: int | None = None, axis: int = -1
) -> Float[Array, "*shape"]:
    """Integers, symmetric, times a scale that brings the largest magnitude to 2^(bits-1) - 1.

    Gradients reach the scale.

    Args:
        x: numbers.
        bits: of an integer, at least 2.
        block: how many neighbors along the axis share a scale; all of them if None.
        axis: along which scales are shared.

    Raises:
        ValueError: if `bits` is less than 2, the block does not divide the axis, or (outside of
            `jit`) a number is NaN or infinite.
    """
    if bits < 2:
        raise ValueError(f"integer: bits must be at least 2, got {bits}")
    top = 2 ** (bits - 1) - 1

    def rounded(blocks: _Values) -> _Values:
        largest = jnp.max(jnp.abs(blocks), axis=-1, keepdims=True)
        scale = jnp.where(largest > 0, largest, 1.0) / top
        near: Array = scale * straight_through(jnp.rint, blocks / scale)
        return near

    return _by_block("integer", rounded, x, block, axis)


def e2m1(x: Float[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Four bits, largest 6, ties to even, saturating (OCP Microscaling Formats, version 1.0)."""
    return _single(lambda y: _float(y, mantissa=1, lowest=0, largest=6.0), x)


def e4m3(x: Float[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Eight bits, largest 448, ties to even, saturating (OCP 8-bit Floating Point)."""
    return _single(lambda y: _float(y, mantissa=3, lowest=-6, largest=448.0), x)


def hif8(x: Float[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """HiFloat8 (arXiv 2409.16626): fewer bits of mantissa, the further from one; ties away from 0.

    Exponents to 3 in magnitude have three bits of mantissa, to 7 two, to 15 one, and from -16 to
    -22 none. The largest number is 2^15; from 1.25 times it on, the result is infinite.
    """

    def rounded(y: _Values) -> _Values:
        size = jnp.abs(y)
        exponent = jnp.maximum(_exponent(y), -22)
        distance = jnp.abs(exponent)
        mantissa = jnp.select([distance <= 3, distance <= 7, distance <= 15], [3, 2, 1], 0)
        shift = mantissa - exponent
        near = _scaled(jnp.floor(_scaled(size, shift) + 0.5), -shift)
        near = jnp.where(size >= 1.25 * 2.0**15, jnp.inf, jnp.minimum(near, 2.0**15))
        # The smallest number, 2^-22, is reached from half of it on.
        return jnp.sign(y) * jnp.where(size < 2.0**-23, 0.0, near)

    return _single(lambda y: straight_through(rounded, y), x)


def mxfp4(x: Float[Array | np.ndarray, "*shape"], *, axis: int = -1) -> Float[Array, "*shape"]:
    """E2M1 under a power of two for each 32 (OCP Microscaling Formats, version 1.0).

    The scale is 2^(floor(log2 of the largest) - 2), so that a largest above 6 of it saturates.

    Raises:
        ValueError: if 32 does not divide the axis, or (outside of `jit`) a number is not finite.
    """
    return _by_block("mxfp4", lambda y: _microscaled(y, e2m1, 2), x, 32, axis)


def mxfp8(x: Float[Array | np.ndarray, "*shape"], *, axis: int = -1) -> Float[Array, "*shape"]:
    """E4M3 under a power of two for each 32 (OCP Microscaling Formats, version 1.0).

    Raises:
        ValueError: if 32 does not divide the axis, or (outside of `jit`) a number is not finite.
    """
    return _by_block("mxfp8", lambda y: _microscaled(y, e4m3, 8), x, 32, axis)


def nvfp4(
    x: Float[Array | np.ndarray, "*shape"], *, per_tensor: bool = True, axis: int = -1
) -> Float[Array, "*shape"]:
    """E2M1 under an E4M3 scale for each 16 that brings the largest to 6.

    Args:
        x: numbers.
        per_tensor: divide by one number for all first, so that the largest scale becomes 448.
        axis: along which blocks run.

    Raises:
        ValueError: if 16 does not divide the axis, or (outside of `jit`) a number is not finite.
    """

    def rounded(blocks: _Values) -> _Values:
        y = blocks.astype(jnp.float32)
        most = jnp.max(jnp.abs(y)) / (448.0 * 6.0)
        whole = jnp.where(per_tensor & (most > 0), most, 1.0)
        y = y / jax.lax.stop_gradient(whole)
        scale = jax.lax.stop_gradient(e4m3(jnp.max(jnp.abs(y), -1, keepdims=True) / 6.0))
        # A scale that rounds to zero leaves zeros.
        codes = jnp.where(scale > 0, e2m1(y / jnp.where(scale > 0, scale, 1.0)), 0.0)
        return (codes * scale * jax.lax.stop_gradient(whole)).astype(blocks.dtype)

    return _by_block("nvfp4", rounded, x, 16, axis)


def hif4(x: Float[Array | np.ndarray, "*shape"], *, axis: int = -1) -> Float[Array, "*shape"]:
    """HiFloat4 (arXiv 2602.11287): sign and 0 to 1.75 in quarters, under scales in three levels.

    For each 64, an E6M2 number that brings the largest to 7; for each 8, a factor of 1 or 2; for
    each 4, another. Roundings to bfloat16 on the way are those of the reference code.

    Raises:
        ValueError: if 64 does not divide the axis, or (outside of `jit`) a number is not finite.
    """

    def rounded(blocks: _Values) -> _Values:
        y = blocks.astype(jnp.float32)
        size = jnp.abs(y).reshape(*y.shape[:-1], 8, 2, 4)
        fours = jnp.max(size, axis=-1, keepdims=True)
        eights = jnp.max(fours, axis=-2, keepdims=True)
        largest = jnp.max(eights, axis=-3, keepdims=True)
        scale = jnp.clip(_bfloat16(largest * _bfloat16(jnp.float32(1 / 7))), 2.0**-48, 49152.0)
        # E6M2 is a bfloat16 of two bits of mantissa, ties to even.
        scale = jax.lax.reduce_precision(scale, exponent_bits=8, mantissa_bits=2)
        inverse = _bfloat16(1 / scale)
        factor = jnp.where(eights * inverse >= 4, 2.0, 1.0)
        factor = jnp.where(fours * inverse / factor >= 2, 2 * factor, factor)
        quarters = jnp.floor(4 * size * inverse / factor + 0.5)
        near = scale * factor * jnp.minimum(quarters, 7) / 4
        return (jnp.sign(y) * near.reshape(y.shape)).astype(blocks.dtype)

    return _by_block("hif4", lambda y: straight_through(rounded, y), x, 64, axis)


class Format(NamedTuple):
    """A format by name.

    Attributes:
        bits: per value, with the block's share of its scale; scales of rows and tensors apart.
        block: how many values share a scale; None for the whole axis, 1 for none shared.
        rounded: the round trip, called with an array and `axis`.
    """

    bits: float
    block: int | None
    rounded: Callable[..., Any]


def _integers(bits: int, block: int | None) -> Format:
    share = 0.0 if block is None else 16 / block
    return Format(bits + share, block, functools.partial(integer, bits=bits, block=block))


def _elementwise(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x, axis: function(x)


FORMATS = {
    "INT8": _integers(8, None),
    "INT4": _integers(4, None),
    "INT4 by 32": _integers(4, 32),
    "INT4 by 64": _integers(4, 64),
    "E4M3": Format(8, 1, _elementwise(e4m3)),
    "HiF8": Format(8, 1, _elementwise(hif8)),
    "MXFP8": Format(8.25, 32, mxfp8),
    "MXFP4": Format(4.25, 32, mxfp4),
    "NVFP4": Format(4.5, 16, nvfp4),
    "HiF4": Format(4.5, 64, hif4),
}


def rounded(
    x: Float[Array | np.ndarray, "*shape"], name: str, *, axis: int = -1
) -> Float[Array, "*shape"]:
    """The round trip through a format of `FORMATS`.

    Args:
        x: numbers.
        name: such as `MXFP4`. Integers have a scale of 16 bits for each block, or one for the axis.
        axis: along which scales are shared.

    Raises:
        ValueError: for a name that is not in `FORMATS`, or as the format does.
    """
    if name not in FORMATS:
        raise ValueError(f"rounded: name must be one of {', '.join(FORMATS)}, got {name!r}")
    result: Array = FORMATS[name].rounded(x, axis=axis)
    return result


def _by_block(
    where: str, function: Callable[[_Values], _Values], x: Any, block: int | None, axis: int
) -> Array:
    x = jnp.asarray(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{where}: axis {axis} is not one of an array of shape {x.shape}")
    length = x.shape[axis]
    if block is not None and (block < 1 or length % block):
        raise ValueError(
            f"{where}: a block of {block} does not divide axis {axis}, of length {length}; pad it"
        )
    if not isinstance(x, jax.core.Tracer) and not bool(jnp.isfinite(x).all()):
        raise ValueError(
            f"{where}: x must be finite, got {int((~jnp.isfinite(x)).sum())} NaN or infinite"
        )
    last = jnp.moveaxis(x, axis, -1)
    blocks = last.reshape(*last.shape[:-1], -1, block or length)
    return jnp.moveaxis(function(blocks).reshape(last.shape), -1, axis)


def _single(function: Callable[[_Values], _Values], x: Any) -> Array:
    x = jnp.asarray(x)
    return function(x.astype(jnp.float32)).astype(x.dtype)


def _microscaled(blocks: Array, element: Callable[[Array], Array], top_exponent: int) -> Array:
    y = blocks.astype(jnp.float32)
    largest = jnp.max(jnp.abs(y), axis=-1, keepdims=True)
    exponent = jnp.clip(_exponent(largest) - top_exponent, -127, 127)
    near = element(_scaled(y, -exponent))
    return _scaled(near, exponent).astype(blocks.dtype)


def _float(y: Array, *, mantissa: int, lowest: int, largest: float) -> Array:
    y = jnp.clip(y, -largest, largest)
    shift = mantissa - jnp.maximum(_exponent(y), lowest)
    return _scaled(straight_through(jnp.rint, _scaled(y, shift)), -shift)


def _scaled(y: Array, exponent: Array) -> Array:
    """y times a power of two, in two steps, because one of them might not be a normal number."""
    half = exponent // 2
    return y * _power_of_two(half) * _power_of_two(exponent - half)


# Powers of two are read and written as bits: exact, and compiled in a tenth of the time that frexp
# and ldexp take.
def _power_of_two(exponent: Array) -> Array:
    return jax.lax.bitcast_convert_type((exponent + 127) << 23, jnp.float32)


def _exponent(y: Array) -> Array:
    """floor(log2(|y|)), and -127 at zero and below the normal numbers."""
    return ((jax.lax.bitcast_convert_type(y, jnp.int32) >> 23) & 255) - 127


def _bfloat16(y: Array) -> Array:
    # Not a conversion there and back, which the compiler may leave out.
    return jax.lax.reduce_precision(y, exponent_bits=8, mantissa_bits=7)
