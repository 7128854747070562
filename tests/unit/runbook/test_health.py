from pathlib import Path

import httpx
import pytest

from runbook.api import Api, Keys
from runbook.errors import EnvironmentMissing
from runbook.health import SCRAPES, api_of, check, keys_from, look
from runbook.present import Missing
from runbook.stack import Setting


def test_a_service_that_is_away_fails_with_the_reason_in_every_line() -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with Api("http://service.test", Keys(), httpx.MockTransport(away)) as api:
        checks = check(api)
    assert {one.state for one in checks} == {"failed", "unknown"}
    assert all("connection refused" in one.reason for one in checks)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(403, text="no"), "answered 403"),
        (httpx.Response(200, text="<html>"), "does not parse"),
    ],
)
def test_metrics_that_cannot_be_used_carry_their_reason(answer: httpx.Response, reason: str) -> None:
    with Api("http://service.test", Keys(), httpx.MockTransport(lambda _: answer)) as api:
        scrapes = look(api).scrapes
    assert isinstance(scrapes, Missing)
    assert reason in scrapes.reason


def test_enough_scrapes_are_made_to_meet_every_replica_twice() -> None:
    text = "process_start_time_seconds 1\n"
    with Api(
        "http://service.test", Keys(), httpx.MockTransport(lambda _: httpx.Response(200, text=text))
    ) as api:
        scrapes = look(api).scrapes
    assert not isinstance(scrapes, Missing)
    assert len(scrapes) == SCRAPES


def test_the_mounted_read_key_serves_the_metrics_too(tmp_path: Path) -> None:
    (tmp_path / "read").write_text("r3ad\n")
    (tmp_path / "metrics").write_text("m3trics")
    read_only = {"AMAS_READ_KEY_FILE": str(tmp_path / "read")}
    assert keys_from(read_only) == Keys(read="r3ad", metrics="r3ad")
    assert keys_from(read_only | {"AMAS_METRICS_KEY_FILE": str(tmp_path / "metrics")}).metrics == "m3trics"
    assert keys_from({}) == Keys()


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match=str(tmp_path / "none")):
        keys_from({"AMAS_READ_KEY_FILE": str(tmp_path / "none")})


def test_on_the_host_address_and_keys_come_from_the_stack(configured: dict[str, Setting]) -> None:
    with api_of("local") as api:
        assert api.url == "http://service.test"
        assert api._keys == Keys(read="keyRead-value", metrics="keyMetrics-value")
