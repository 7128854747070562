"""What the middleware adds up between two snapshots."""

from service.collector.histogram import Buckets

# Whose latency counts toward the objectives, and as what. What probes, scrapers, operators and the console
# ask is no traffic: a page that is left open would else improve the percentiles.
CLASSES = {
    "decisions": "decisions",
    "insight": "reads",
    "insights": "reads",
    "rate": "reads",
    "cache": "other",
    "__unknown__": "other",
}
KINDS = ("decisions", "reads", "other")


class Traffic:
    """Totals of the requests since it was made; a snapshot takes it away and leaves a new one.

    Requests of load and smoke runs are counted apart: they are no measure of what users get.
    """

    __slots__ = ("buckets", "conflicts", "errors", "observe", "overhead_s", "refused", "refused_decisions",
                 "run_requests")  # fmt: skip

    def __init__(self) -> None:
        self.buckets = {kind: Buckets() for kind in KINDS}
        # By route, so that counting one costs a single look-up.
        self.observe = {route: self.buckets[kind].observe for route, kind in CLASSES.items()}
        self.errors = 0
        self.refused = 0
        self.refused_decisions = 0
        self.conflicts = 0
        self.run_requests = 0
        self.overhead_s = 0.0

    def failed(self, route: str, status: int) -> None:
        """For an answer of 4xx or 5xx."""
        decision = route == "decisions"
        self.errors += status >= 500
        self.refused += status == 503
        self.refused_decisions += decision and status == 503
        self.conflicts += decision and status == 409


class Meter:
    """Where the middleware counts, and where the snapshots take it from."""

    __slots__ = ("off", "traffic")

    def __init__(self) -> None:
        self.off = False
        self.traffic = Traffic()

    def take(self) -> Traffic:
        """What came since the last call."""
        taken, self.traffic = self.traffic, Traffic()
        return taken
