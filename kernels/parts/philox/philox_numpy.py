"""Philox4x32-10 in NumPy: the specification."""

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
WORD = np.uint64(0xFFFFFFFF)


def philox(counter, key):
    """Four random words for each counter.

    counter: four integer arrays, broadcastable, each below 2**32
    key    : two integers below 2**32
    returns: uint32 [..., 4]
    """
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = (int(k) for k in key)
    for _ in range(ROUNDS):
        product0 = np.uint64(MULTIPLIERS[0]) * c0
        product1 = np.uint64(MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (
            (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            product1 & WORD,
            (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            product0 & WORD,
        )
        k0 = (k0 + WEYL[0]) & 0xFFFFFFFF
        k1 = (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1).astype(np.uint32)


def words(seed, path, step, site, count):
    """`count` words of one site for each path: uint32 [path, count]."""
    path = np.asarray(path, np.uint64)
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    counter = (
        (path & WORD)[:, None],
        (path >> np.uint64(32))[:, None],
        np.uint64(step),
        np.uint64(site << 16) | blocks[None, :],
    )
    drawn = philox(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return drawn.reshape(len(path), -1)[:, :count]
