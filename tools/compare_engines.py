"""Compare the engines on random mixtures of mechanisms, and print what is wrong.

    PYTHONPATH=. python tools/compare_engines.py 0 500 --paths 20

runs mixtures 0 to 499 of tests/parity/mixtures.py over the small config, at about a second each. A path
counts where the engines differ and the reference, with other seventh digits, does not.
"""

from __future__ import annotations

import argparse
import sys

from tests.parity.mixtures import findings


def main() -> int:
    """Number of mixtures with findings, at most 1."""
    parser = argparse.ArgumentParser(description="Compare the engines on random mixtures.")
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int)
    parser.add_argument("--paths", type=int, default=20)
    given = parser.parse_args()
    bad = 0
    for number in range(given.first, given.end):
        found = findings(number, given.paths)
        bad += bool(found)
        for text in found or []:
            print(f"{number}: {text}", flush=True)
    print(f"{given.end - given.first} mixtures, {bad} with findings")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
