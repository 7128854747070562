"""The text a service exposes, as numbers by name and labels. Sole importer of prometheus_client's parser."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Sample:
    """One line of the exposition."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Exposition:
    """Everything one scrape told."""

    samples: tuple[Sample, ...]

    def named(self, name: str, **labels: str) -> list[Sample]:
        return [one for one in self.samples if one.name == name and labels.items() <= one.labels.items()]

    def total(self, name: str, **labels: str) -> float | None:
        """The sum over all label sets; None when the name is not exposed."""
        found = self.named(name, **labels)
        return sum(one.value for one in found) if found else None

    def names(self) -> set[str]:
        return {one.name for one in self.samples}

    def buckets(self, histogram: str) -> list[tuple[float, float]]:
        """Upper bounds with cumulative counts, summed over all other labels, in order."""
        counts: dict[float, float] = {}
        for one in self.named(f"{histogram}_bucket"):
            bound = float(one.labels["le"])
            counts[bound] = counts.get(bound, 0.0) + one.value
        return sorted(counts.items())


def parse(text: str) -> Exposition:
    """Raises ValueError where the text is not an exposition."""
    families = text_string_to_metric_families(text)
    return Exposition(
        tuple(_sample(one.name, one.labels, one.value) for family in families for one in family.samples)
    )


def combined(scrapes: Iterable[Exposition]) -> Exposition:
    """Counters and histograms of several replicas as one: values of equal name and labels are added."""
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for scrape in scrapes:
        for one in scrape.samples:
            key = (one.name, tuple(sorted(one.labels.items())))
            sums[key] = sums.get(key, 0.0) + one.value
    return Exposition(tuple(Sample(name, dict(labels), value) for (name, labels), value in sums.items()))


def _sample(name: str, labels: Mapping[str, str], value: float) -> Sample:
    return Sample(name, dict(labels), float(value))
