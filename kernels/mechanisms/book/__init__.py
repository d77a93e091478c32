"""Order books: how far a dollar moves a price, and how the book comes back. docs/methods/book.md.

The state of a market is its normalised consumption q, dollars over depth, signed: negative after
net selling. It displaces the traded price by x percent, q = alpha x + (1 - alpha) x**2 on either
side, with the quadratic replaced by its tangent beyond `band`.
"""

PERCENT = 0.01
SNAP = 1e-3
"""Displacements below this (percent: 0.1 bp) come to rest at exactly zero."""
