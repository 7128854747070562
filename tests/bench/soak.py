"""One replica under a steady rate: its memory after ten minutes, how it grows, and what the posts met.

`python -m tests.bench.soak [--minutes 10] [--rate 1000]`; `python -m tests.prove soak` keeps what it says.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence

from tests.bench.contenders import OURS
from tests.bench.ground import Served, ground, served
from tests.faults.flood import Flood

MOST_MB = 512
# Growth that a week would turn into the whole of it is a leak.
MOST_MB_PER_MINUTE = 0.5
SAMPLE_EVERY_S = 5.0
# While pools, caches and code fill, growth says nothing.
WARM_UP_SHARE = 0.4

Sample = tuple[float, float]


def main() -> int:
    options = _options()
    with ground() as stores, served(stores, *OURS) as server:
        samples, flood = soaked(server, options.minutes, options.rate)
        rows = int(str(stores.database.rows("SELECT count(*) FROM decision_insights")[0][0]))
    late = [sample for sample in samples if sample[0] > samples[-1][0] * WARM_UP_SHARE]
    slope = slope_per_minute(late)
    statuses = Counter(flood.answers.values())
    told = {
        "minutes": options.minutes,
        "rate_per_s": options.rate,
        "reached_per_s": round(len(flood.answers) / flood.seconds),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "rows": rows,
        "most_rss_mb": round(max(rss for _, rss in samples), 1),
        "growth_mb_per_minute": round(slope, 3),
        "rss_mb": [round(rss, 1) for _, rss in samples[:: max(1, len(samples) // 20)]],
    }
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    stored = statuses[201] == rows
    return 0 if stored and told["most_rss_mb"] <= MOST_MB and slope <= MOST_MB_PER_MINUTE else 1


def soaked(server: Served, minutes: float, rate_per_s: int) -> tuple[list[Sample], Flood]:
    started, samples, over = time.monotonic(), [(0.0, server.rss_mb())], threading.Event()
    host, _, port = server.url.removeprefix("http://").partition(":")
    with Flood(int(port), "ingest", "", rate_per_s, host) as flood:
        while (passed_s := time.monotonic() - started) < 60 * minutes:
            over.wait(SAMPLE_EVERY_S)
            samples.append((passed_s, server.rss_mb()))
    return samples, flood


def slope_per_minute(samples: Sequence[Sample]) -> float:
    return 60 * statistics.linear_regression(*zip(*samples, strict=True)).slope


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=1000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
