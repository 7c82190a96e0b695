"""
A long run of the differential law: ``python tests/differential/run.py --count 3000 --seed 1``.

It prints how many cases agreed, how many fell into each known class of disagreement, and whatever is in no class, and
fails if there is such a case.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from interpreters import Verdict, compare
from moto_runner import running_moto
from random_machines import make_case


def main() -> int:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many machines")
    parser.add_argument("--seed", type=int, default=1, help="the first one's seed; the others follow")
    parser.add_argument("--show", type=int, default=5, help="how many unrecognised cases to show")
    arguments = parser.parse_args()
    verdicts: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    shown = 0
    with running_moto() as moto:
        for seed in range(arguments.seed, arguments.seed + arguments.count):
            comparison = compare(make_case(seed), moto)
            verdicts[comparison.verdict] += 1
            if comparison.known is not None:
                classes[f"{comparison.known.name} [{comparison.known.right}]"] += 1
            if comparison.verdict is Verdict.UNKNOWN and shown < arguments.show:
                shown += 1
                print(comparison, flush=True)
    for title, counts in (("verdicts", verdicts), ("known disagreements", classes)):
        print(f"{title}:")
        for name, count in counts.most_common():
            print(f"{count:8} {name}")
    return 1 if verdicts[Verdict.UNKNOWN] else 0


if __name__ == "__main__":
    sys.exit(main())
