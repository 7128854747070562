"""Load tests that run by themselves: jobs of the scheduler, which has the keys for them only then."""

from collections.abc import Mapping

import pulumi

from infra.components.crontab import Job
from infra.config import Config
from infra.images import Images

# The longest profile takes an hour, and counting what it wrote a while.
LIMIT_S = 9000
# A small tmpfs of the container's own: the last few are there to look at, what is kept is in the database.
RESULTS = "--out /tmp/results --keep-results 5"
# A run that is stopped with its container has no time to purge its rows.
LEFTOVERS = Job("load-leftovers", "50 4 * * *", 3600, "loadtest purge --json")
# Who gets the alerts is told before and after (section 9.1).
WEBHOOK = "alertWebhookUrl"
WEBHOOK_FILE = "/secrets/loadtest_webhook"


def jobs(config: Config) -> list[Job]:
    """None where no schedule is set."""
    test, profile = config.text("loadTestTest"), config.text("loadTestProfile")
    wanted = (
        ("load-test", "loadTestSchedule", profile),
        ("breakpoint", "breakpointSchedule", "breakpoint"),
    )
    runs = [
        Job(name, config.text(key), LIMIT_S, f"loadtest run {test} --profile {chosen} {RESULTS} --json")
        for name, key, chosen in wanted
        if config.text(key)
    ]
    return [*runs, LEFTOVERS] if runs else []


def secrets(config: Config) -> dict[str, pulumi.Input[str]]:
    if not jobs(config):
        return {}
    keys: dict[str, pulumi.Input[str]] = {
        "ingest_key": config.held_key("keyIngest"),
        "admin_key": config.held_key("keyAdmin"),
    }
    webhook = config.optional_secret(WEBHOOK)
    return keys if webhook is None else {**keys, "loadtest_webhook": webhook}


def environment(config: Config, images: Images) -> Mapping[str, str]:
    """`AMAS_RELEASE`: what a result is kept under."""
    if not jobs(config):
        return {}
    return {
        "AMAS_INGEST_KEY_FILE": "/secrets/ingest_key",
        "AMAS_ADMIN_KEY_FILE": "/secrets/admin_key",
        "AMAS_RELEASE": images.tags["service"].partition(":")[2],
        **({} if config.optional_secret(WEBHOOK) is None else {"AMAS_LOADTEST_WEBHOOK_FILE": WEBHOOK_FILE}),
    }
