"""A random word becomes a normal by inversion: one word, one normal, increasing in the word.

Word w stands for the uniform (w + 1/2) / 2**32. The lower half keeps its relative precision in
float32 as it is; the upper half is mirrored (complement of the word, opposite sign), so that both
tails are equally fine: +-6.34 at the last word.
"""
