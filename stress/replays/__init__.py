"""From a number to the path behind it: one path of a run again, with the same bits, told in full.

`path.py` recomputes it, `dataset.py` gives its numbers names and units, `events.py` tells it in words,
`money.py` adds it up, `figures.py` and `page.py` show it, `file.py` writes it. docs/formats/replay.md.
"""
