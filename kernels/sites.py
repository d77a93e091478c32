"""Draw sites: where in a step a random word belongs. Append-only; a number is never reused.

A site names one use of randomness; `block` counts groups of four words within it, so word w of a
site is word w % 4 of block w // 4. Numbers from 200 up are kept for users' own mechanisms.
"""

NORMAL = 1
"""One word per asset: the normal of its exogenous return."""

MIXING = 2
"""One word: the Student-t scale of the step, or of the path (then drawn at step 0)."""

COMMON_JUMP = 3
"""Two words: the number of common jumps in the step, and the normal of their size."""

OWN_JUMP_COUNT = 4
"""One word per asset: the number of its own jumps in the step."""

OWN_JUMP_SIZE = 5
"""One word per asset: the normal of their size."""

VOLATILITY = 10
"""One word: the part of the volatility's innovation that does not come from the returns."""

VOLATILITY_START = 11
"""One word, at step 0: the volatility at the start, where it is drawn."""

REGIME = 12
"""One word: the regime of the step; at step 0 that of the start."""

BLOCK = 13
"""Two words: whether a new block of history begins with the step, and at which row."""

ADL_START = 30
"""One word per asset: where in the list of winners a random start of auto-deleveraging begins."""

OUTAGE = 40
"""One word per venue: whether it fails in the step, or is up again."""

LEVERAGE = 50
"""One word per venue, at step 0: its own factor on what can be forced."""

LEVERAGE_COMMON = 51
"""One word, at step 0: the factor that all venues share."""

WHALE = 52
"""Four words per market and side, sixteen venues to an asset and side, at step 0: whether there is a whale,
its size, its leverage, and one to spare."""

OVERLAY = 60
"""One word per overlay of drawn size, at step 0: the factor on it."""
