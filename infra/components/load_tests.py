"""Load tests that run by themselves: jobs of the scheduler, which has the keys for them only then."""

from collections.abc import Mapping

import pulumi

from infra.components.crontab import Job
from infra.config import Config
from infra.images import Images

# The longest profile takes an hour, and counting what it wrote a while.
LIMIT_S = 9000
# A tmpfs of the container's own; what is kept is in the database.
RESULTS = "/tmp/results"  # noqa: S108


def jobs(config: Config) -> list[Job]:
    """None where no schedule is set."""
    test, profile = config.text("loadTestTest"), config.text("loadTestProfile")
    wanted = (
        ("load-test", "loadTestSchedule", profile),
        ("breakpoint", "breakpointSchedule", "breakpoint"),
    )
    return [
        Job(name, config.text(key), LIMIT_S, f"loadtest run {test} --profile {chosen} --out {RESULTS} --json")
        for name, key, chosen in wanted
        if config.text(key)
    ]


def secrets(config: Config) -> dict[str, pulumi.Input[str]]:
    if not jobs(config):
        return {}
    return {"ingest_key": config.held_key("keyIngest"), "admin_key": config.held_key("keyAdmin")}


def environment(config: Config, images: Images) -> Mapping[str, str]:
    """`AMAS_RELEASE`: what a result is kept under."""
    if not jobs(config):
        return {}
    return {
        "AMAS_INGEST_KEY_FILE": "/secrets/ingest_key",
        "AMAS_ADMIN_KEY_FILE": "/secrets/admin_key",
        "AMAS_RELEASE": images.tags["service"].partition(":")[2],
    }
