"""Market-maker withdrawal: depth shrinks with recent volatility. docs/methods/withdrawal.md."""
