"""Overlays: timed stress events laid on every path. docs/methods/overlay.md.

Price shocks (spread over a stated duration), volatility multipliers and depth multipliers.
"""
