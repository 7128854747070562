"""What a release will be noticed by, said before it begins: what there is one of is replaced stop-first."""

from collections.abc import Iterator, Mapping, Sequence

from runbook.engine import Container
from runbook.restart import BALANCER, NOTICED

# Image of each part that somebody notices when it is away.
IMAGES = {BALANCER: "lb", "db": "db", "queue": "redis", "cache": "redis", "backup": "backup"}


def announcements(
    containers: Sequence[Container], images: Mapping[str, str], ports: Sequence[str]
) -> Iterator[str]:
    """`images`: ids by name; `ports`: what the load balancer is to publish, each ADDRESS:PORT."""
    for one in containers:
        if one.part not in IMAGES or one.is_job:
            continue
        if images.get(IMAGES[one.part], one.image) != one.image:
            yield f"{one.part} is replaced for another image: {NOTICED[one.part]}"
        elif one.part == BALANCER and sorted(one.ports) != sorted(ports):
            yield f"{one.part} is replaced for other ports: {NOTICED[one.part]}"
