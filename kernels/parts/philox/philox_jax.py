"""Philox4x32-10 in JAX, in 32-bit words alone: the draws of the reference, bit by bit."""

import jax.numpy as jnp

from kernels.parts.philox.philox_numpy import MULTIPLIERS, ROUNDS, WEYL


def product(multiplier, word):
    """High and low word of a product of two words."""
    multiplier = jnp.uint32(multiplier)
    a_low, a_high = multiplier & 0xFFFF, multiplier >> 16
    b_low, b_high = word & 0xFFFF, word >> 16
    low, middle = a_low * b_low, a_high * b_low
    carried = a_low * b_high + (low >> 16) + (middle & 0xFFFF)
    return a_high * b_high + (middle >> 16) + (carried >> 16), multiplier * word


def philox(counter, key):
    """Four random words for each counter: uint32 [..., 4]; counter and key: words of uint32."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = product(MULTIPLIERS[0], c0)
        high1, low1 = product(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + jnp.uint32(WEYL[0]), k1 + jnp.uint32(WEYL[1])
    return jnp.stack(jnp.broadcast_arrays(c0, c1, c2, c3), axis=-1)


def words(seed, path, step, site, count):
    """`count` words of one site: uint32 [count].

    seed, path: low and high word, each; step: uint32
    """
    block = jnp.arange((count + 3) // 4, dtype=jnp.uint32)
    counter = (path[0], path[1], jnp.uint32(step), jnp.uint32(site << 16) | block)
    return philox(counter, seed).reshape(-1)[:count]
