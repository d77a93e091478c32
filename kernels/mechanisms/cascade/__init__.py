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

DUST = 1.0
"""Dollars in a market below which a side counts as not forced: rounding leaves less than that."""

MATERIAL = 0.01
"""Steps that force more than this share of an asset's depth count for the branching ratio."""

# Acceleration, Eqs. (5)-(7): only where one side is forced and nothing is capped.
FIRST_JUMP = 2
"""Round after which a cascade may jump ahead along its own flow."""

STRIDE = 0.9
"""Share of the flow expected to come that a jump tries: one that goes too far is cut back too far."""

LONGEST_STRIDE = 10.0
"""Most that a jump tries, in flows of the next round."""

SLACK = 1e-6
"""Rounding allowed, as a share of a market's cumulative notional, when a jump is checked."""
