"""The fused engine on a GPU: sixteen threads carry a path, one venue each."""
