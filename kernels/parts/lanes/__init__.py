"""Sixteen lanes: the fused engine keeps the venues of one asset in one vector."""
