"""Exogenous prices: what would happen to every asset if nobody were forced.

docs/methods/exogenous.md. Processes `gbm`, `student_t` (one chi-square scale for all assets, per
path or per step) and `jump_diffusion` (Merton: common jumps with betas, own jumps).
"""
