"""Arbitrage: volume moves between the venues of an asset and is conserved. docs/methods/arbitrage.md."""
