"""exp and log of the fused engine: own polynomials, so that every compiler yields the same bits."""
