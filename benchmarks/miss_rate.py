"""Whether the published miss rate's 95 % interval covers the truth: simulated blind audits, and the exact chance.

    python -m benchmarks.miss_rate --audits 20000 --json

An audit draws a random sample of a population of places, some of which hold a defect, and plants defects besides. The
platform misses each defect with the true rate; the auditor sees each with a chance of her own, and what she saw divides
into reported and missed. The interval is the one of ``cloud/miss_rate.py`` over missed and seen. Beside each simulated
share stands the exact chance to cover, by summing the binomial over all outcomes for the number of defects she saw.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from cloud.miss_rate import CONFIDENCE, share

RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8)
PLACES = 2000
"""In the population; a tenth holds a defect."""
PREVALENCE, AUDITOR_SEES = 0.1, 0.85


class Audit(NamedTuple):
    """What an audit looks at."""

    sampled: int
    """Places drawn at random, without replacement."""
    planted: int
    """Defects added that the auditor knows of."""


AUDITS = (Audit(20, 0), Audit(50, 5), Audit(100, 20), Audit(300, 50), Audit(500, 200))


def chance_to_cover(rate: float, of: int) -> float:
    """Return the exact chance that the interval over ``of`` defects holds the true rate."""
    made = [share(hits, of) for hits in range(of + 1)]
    inside = np.array([one.low <= rate <= one.high for one in made])
    return float(binom.pmf(np.arange(of + 1), of, rate)[inside].sum())


def simulated(rate: float, audit: Audit, audits: int, seed: int) -> tuple[float, float]:
    """Return the share of simulated audits whose interval holds the true rate, and the exact chance for the same."""
    rng = np.random.default_rng(seed)
    defective = round(PLACES * PREVALENCE)
    drawn = rng.hypergeometric(defective, PLACES - defective, audit.sampled, audits)
    seen = rng.binomial(drawn, AUDITOR_SEES) + audit.planted
    missed = rng.binomial(seen, rate)
    outcomes = Counter(zip(missed.tolist(), seen.tolist(), strict=True))
    covering = sum(n for (m, s), n in outcomes.items() if (one := share(m, s)).low <= rate <= one.high)
    exact = sum(n * chance_to_cover(rate, s) for s, n in Counter(seen.tolist()).items())
    return covering / audits, exact / audits


def main() -> int:
    """Print coverage of every rate and size; exit 1 where an exact chance is below 95 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audits", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for audit in AUDITS:
        for rate in RATES:
            covered, exact = simulated(rate, audit, given.audits, given.seed)
            rows.append(audit._asdict() | {"rate": rate, "covered": round(covered, 4), "exact": round(exact, 4)})
    worst = {"covered": min(r["covered"] for r in rows), "exact": min(r["exact"] for r in rows), "bar": CONFIDENCE}
    if given.json:
        print(json.dumps({"rows": rows, "worst": worst}))
    else:
        for row in rows:
            print("  ".join(f"{name} {value}" for name, value in row.items()))
        print(f"least share covered: {worst['covered']} simulated, {worst['exact']} exact (bar {CONFIDENCE})")
    return 0 if worst["exact"] >= CONFIDENCE else 1


if __name__ == "__main__":
    raise SystemExit(main())
