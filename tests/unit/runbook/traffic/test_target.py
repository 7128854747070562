import pytest

from runbook.errors import UsageError
from runbook.traffic.target import check_bounds, check_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://localhost:3000/", "http://localhost:3000"),
        ("https://[::1]:3000", "https://[::1]:3000"),
        ("http://LB:3000", "http://lb:3000"),
        ("http://lb", "http://lb"),
    ],
)
def test_this_machine_and_the_load_balancer_are_allowed(url: str, address: str) -> None:
    assert check_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "http://10.0.0.5:3000",
        "http://127.0.0.1.example.org",
        "http://127.0.0.1@example.org",
        "http://example.org#@127.0.0.1",
        "http://localhost.:3000",
        "http://0.0.0.0:3000",
        "http://[::ffff:10.0.0.5]",
        "http://2130706433",
        "//127.0.0.1",
        "ftp://127.0.0.1",
        "http://user:secret@127.0.0.1",
        "http://127.0.0.1:3000/api",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://",
        "",
    ],
)
def test_every_other_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"--url"):
        check_url(url)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        check_url("http://user:secret@127.0.0.1")
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("option", "bounds"),
    [
        ("--count", (0, 900.0, None, 32)),
        ("--count", (1_000_001, 900.0, None, 32)),
        ("--time-limit", (1, 3601.0, None, 32)),
        ("--time-limit", (1, float("nan"), None, 32)),
        ("--rate", (1, 900.0, 0.0, 32)),
        ("--connections", (1, 900.0, None, 0)),
    ],
)
def test_amount_and_time_are_bounded(option: str, bounds: tuple[int, float, float | None, int]) -> None:
    with pytest.raises(UsageError, match=option):
        check_bounds(*bounds)


def test_a_million_in_an_hour_is_allowed() -> None:
    check_bounds(1_000_000, 3600, 1_000, 256)
