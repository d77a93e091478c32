"""The cascade: forced flow moves books, books move marks, marks force more. docs/methods/cascade.md.

Synchronous rounds from the state at the start of the step. The constants are part of the format:
they decide the last bits.
"""

TOLERANCE = 2e-3
"""Rounds stop when the flow still to come is below this share of every book's depth."""

FIRST_RATIO = 0.5
"""Ratio of successive flows supposed in the first round, when none has been seen yet."""

MAX_RATIO = 0.999
MAX_ROUNDS = 256

MATERIAL = 0.01
"""Steps that force more than this share of an asset's depth count for the branching ratio."""
