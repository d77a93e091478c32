"""Philox4x32-10, the counter-based generator (Salmon et al. 2011), as published in Random123.

    counter  word 0   path, low 32 bits          key  word 0   seed, low 32 bits
             word 1   path, high 32 bits              word 1   seed, high 32 bits
             word 2   step
             word 3   site << 16 | block

One call yields four words. A word depends on (seed, path, step, site, block) and on nothing else.
"""
