"""Mark prices: what a venue triggers on. docs/methods/mark.md.

A mark is a weighted mean of the log prices of all venues: own last price, index or a blend.
"""
