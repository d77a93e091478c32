"""The loss waterfall: margin left, fees, insurance fund, bad debt. docs/methods/waterfall.md."""
