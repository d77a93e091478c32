"""Forced positions: who must trade at a distance, and what a slice of them loses.

docs/methods/liquidation.md. The state of one market and side is two distances in log price: the
frontier X (the worst mark so far) and, per maintenance class, the executed frontier E <= X.
Longs trigger when -log(mark) reaches their distance, shorts when log(mark) does.
"""

LONG, SHORT = 0, 1
