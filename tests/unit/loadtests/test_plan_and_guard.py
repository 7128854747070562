"""What is planned, and what is refused."""

from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import guard
from loadtests.catalog import TESTS, Catalog, Target, catalog
from loadtests.guard import Needed, Situation
from loadtests.plan import MEASURE, WARMUP, Order, Plan, plan
from runbook.errors import UsageError

NIGHT = datetime(2026, 1, 2, 2, 30, tzinfo=UTC)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
URL = "http://127.0.0.1:3000"
KNOWN = catalog()
OPEN = [one for one in KNOWN.profiles if KNOWN.profiles[one].model == "open"]


def made(
    profile: str = "smoke",
    *,
    kind: str = "development",
    duration_s: float | None = None,
    rate: float | None = None,
    users: int | None = None,
    test: str = "mixed",
) -> Plan:
    order = Order(test, profile, URL, duration_s, rate, users)
    return plan(order, KNOWN, KNOWN.target("127.0.0.1"), kind, NIGHT, "abc")


def in_utc(known: Catalog) -> Catalog:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only here

    production = replace(known.rules("production"), timezone=ZoneInfo("UTC"))
    return replace(known, kinds={**known.kinds, "production": production})


def refused(
    planned: Plan,
    now: datetime = NIGHT,
    *,
    target: Target | None = None,
    alerts: tuple[str, ...] = (),
    passed_users: int = 0,
    override: str | None = None,
    needed: Needed | None = None,
) -> str:
    """The reasons; nothing when it may run."""
    situation = Situation(now, planned.kind, needed or Needed(10, planned.duration_s), alerts, passed_users)
    rules = in_utc(KNOWN).rules(planned.kind)
    try:
        guard.refuse(planned, target or KNOWN.target("127.0.0.1"), rules, situation, override)
    except UsageError as error:
        return error.message
    return ""


@pytest.mark.parametrize("profile", OPEN)
@pytest.mark.parametrize("test", TESTS)
def test_open_profiles_keep_their_rate_and_measure_apart_from_the_warm_up(profile: str, test: str) -> None:
    planned = made(profile, test=test)
    assert planned.model == "open"
    assert {str(one.options["executor"]) for one in planned.scenarios} <= {
        "constant-arrival-rate",
        "ramping-arrival-rate",
    }
    for one in planned.scenarios:
        assert one.options["tags"]["phase"] == (WARMUP if one.name == WARMUP else MEASURE)
    assert "count>0" in planned.options()["thresholds"]["http_reqs{phase:measure}"]


def test_the_runbooks_own_is_a_closed_model_with_its_users_and_length() -> None:
    planned = made("seed", users=200, duration_s=300)
    assert (planned.model, planned.users, planned.duration_s) == ("closed", 200, 300)
    assert planned.due is None


def test_the_objective_is_a_thousand_a_second_for_five_minutes() -> None:
    planned = made("seed-rate")
    assert (planned.most_rate, planned.measured_s, planned.due) == (1000, 300, 300_000)


@given(st.floats(1, 400), st.floats(1, 3000), st.sampled_from(["smoke", "average", "spike", "stress"]))
def test_a_profile_at_another_height_and_length_is_that_high_and_long(
    rate: float, duration_s: float, profile: str
) -> None:
    planned = made(profile, rate=rate, duration_s=duration_s)
    assert planned.most_rate == pytest.approx(rate)
    assert planned.measured_s == pytest.approx(duration_s)


@pytest.mark.parametrize(
    ("profile", "given_", "said"),
    [
        ("smoke", {"users": 5}, "--concurrency 5: profile 'smoke' is an open model"),
        ("seed", {"rate": 5}, "--rate: profile 'seed' is a closed model"),
        ("smoke", {"duration_s": 0}, "--duration 0: must be above 0"),
        ("smoke", {"rate": -1}, "--rate -1: must be above 0"),
        ("nightly", {}, "profile 'nightly': must be one of smoke"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(
    profile: str, given_: dict[str, float], said: str
) -> None:
    with pytest.raises(UsageError) as error:
        made(profile, **given_)  # type: ignore[arg-type]
    assert said in error.value.message


def test_a_host_that_no_target_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'example\.org' is no target"):
        KNOWN.target("example.org")


def test_a_plan_holds_no_key_and_has_an_id_the_service_takes() -> None:
    assert made().run_id == "loadtest-20260102T023000-abc"


def test_development_takes_every_profile() -> None:
    assert [one for one in KNOWN.profiles if refused(made(one))] == []


def test_a_service_that_says_it_is_something_else_is_not_loaded() -> None:
    staging = KNOWN.targets["staging"]
    assert "says it is 'development'" in refused(made(), target=staging)


@pytest.mark.parametrize("profile", [one for one in KNOWN.profiles if one not in ("smoke", "seed")])
def test_production_takes_only_the_small_profiles(profile: str) -> None:
    assert f"profile {profile!r}: production takes only smoke, seed" in refused(
        made(profile, kind="production")
    )


def test_production_is_tested_in_its_low_traffic_window_only() -> None:
    planned = made(kind="production")
    assert refused(planned, NIGHT) == ""
    assert "12:00: production is tested from 02:00 to 04:00 only" in refused(planned, NOON)
    assert refused(planned, NOON, override="local") == ""
    assert "--override 'production' is not the target's name" in refused(planned, NOON, override="production")


def test_production_starts_with_fifty_users_and_goes_to_a_hundred_when_that_has_passed() -> None:
    def seed(users: int) -> Plan:
        return made("seed", kind="production", users=users, duration_s=120)

    assert refused(seed(50)) == ""
    assert "100 users: start with 50" in refused(seed(100))
    assert refused(seed(100), passed_users=50) == ""
    assert "101 users: production takes 100 at most" in refused(seed(101), passed_users=100)


def test_production_is_not_loaded_while_an_alert_fires_or_longer_than_it_may() -> None:
    assert "alerts are firing: queue.size" in refused(made(kind="production"), alerts=("queue.size",))
    long = made("seed", kind="production", users=50, duration_s=121)
    assert "121 s: production takes 120 s at most" in refused(long, override="local")


def test_what_k6_would_make_of_the_plan_counts() -> None:
    assert "101 users" in refused(made(kind="production"), needed=Needed(101, 30))
    assert "k6 would take 9999 s" in refused(made(), needed=Needed(10, 9999))


@pytest.mark.parametrize(
    ("window", "at", "inside"),
    [
        ((time(2), time(4)), time(2), True),
        ((time(2), time(4)), time(4), False),
        ((time(23), time(1)), time(0, 30), True),
        ((time(23), time(1)), time(12), False),
    ],
)
def test_a_window_may_go_over_midnight(window: tuple[time, time], at: time, *, inside: bool) -> None:
    assert guard.within(window, at) is inside


def test_scripts_are_short() -> None:
    folder = Path(guard.__file__).parent / "k6"
    assert [one.name for one in folder.glob("*.js") if len(one.read_text().splitlines()) >= 60] == []
