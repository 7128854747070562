"""The page without a mouse."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.seen import faults, focused, poor_contrasts
from tests.browser.stub import Stub
from tests.browser.test_states import opened

MOST_STOPS = 80


def tab_to(page: Page, name: str) -> None:
    """By the tab key alone; every stop on the way shows where it is."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        here = focused(page)
        assert here["ring"] or here["tag"] == "BODY", f"no visible focus on {here}"
        if here["name"].startswith(name):
            return
    pytest.fail(f"{name!r} is not reached by the tab key")


def test_the_first_stop_skips_to_the_state(page: Page, stub: Stub) -> None:
    opened(page, stub)
    tab_to(page, "Skip to the state")
    expect(page.get_by_text("Skip to the state")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert focused(page)["id"] == "main"


def test_stops_come_in_the_order_of_the_page_and_all_show_their_focus(page: Page, stub: Stub) -> None:
    opened(page, stub, "alerting")
    stops = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        here = focused(page)
        if here["tag"] == "BODY":
            break
        assert here["ring"], f"no visible focus on {here}"
        assert here["name"], f"no name on {here}"
        stops.append(here["name"])
    wanted = (
        "Skip", "Key", "database is away", "Acknowledge high-latency-p99", "Silence high-latency-p99",
        "End the silence", "15 min", "Throughput", "Latency", "Severity", "Decision id", "User id",
    )  # fmt: skip
    places = [next(at for at, name in enumerate(stops) if name.startswith(one)) for one in wanted]
    assert places == sorted(places)


def test_an_alert_is_acknowledged_by_keys_alone(page: Page, stub: Stub) -> None:
    opened(page, stub, "alerting")
    tab_to(page, "Acknowledge high-latency-p99")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Acknowledge")
    expect(dialog).to_contain_text("P99 latency is above 500 ms")
    assert faults(page) == []
    assert poor_contrasts(page) == []
    page.keyboard.type("mira")
    page.keyboard.press("Tab")
    page.keyboard.type("on it")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("the key sent is not known")
    assert stub.sent == []
    page.keyboard.type("admin")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert stub.sent == [("POST", "/api/alerts/a1/ack", {"by": "mira", "comment": "on it"})]
    expect(page.locator("#alerts-list")).to_contain_text("acknowledged by mira: on it")
    assert focused(page)["name"] == "Acknowledge high-latency-p99"


def test_an_alert_is_silenced_and_the_silence_ended_by_keys_alone(page: Page, stub: Stub) -> None:
    opened(page, stub, "alerting")
    tab_to(page, "Silence queue-backlog")
    page.keyboard.press("Enter")
    for words in ("", "2", "mira", "known", "admin"):
        page.keyboard.type(words)
        page.keyboard.press("Tab" if words != "admin" else "Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    body = {
        "matchers": {"ruleId": "queue-backlog"},
        "comment": "known",
        "createdBy": "mira",
        "duration": "2h",
    }
    assert stub.sent == [("POST", "/api/alerts/silences", body)]
    silence = page.locator("#silences-list li").filter(has_text="ruleId queue-backlog")
    expect(silence).to_have_count(1)
    tab_to(page, "End the silence of ruleId queue-backlog")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").locator("input")).to_have_count(0)
    tab_to(page, "End it")
    page.keyboard.press("Enter")
    expect(silence).to_have_count(0)
    assert stub.sent[-1] == ("DELETE", "/api/alerts/silences/made", None)


def test_escape_leaves_the_dialog_and_keeps_nothing(page: Page, stub: Stub) -> None:
    opened(page, stub, "alerting")
    tab_to(page, "Silence high-latency-p99")
    page.keyboard.press("Enter")
    page.get_by_label("Admin key").fill("admin")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert focused(page)["name"] == "Silence high-latency-p99"
    assert page.get_by_role("button", name="Key: none").count() == 1
    assert stub.sent == []


def test_an_update_leaves_the_focus_where_it_is(page: Page, stub: Stub) -> None:
    opened(page, stub, "alerting")
    tab_to(page, "Silence queue-backlog")
    del stub.state["/api/alerts/active"][0]
    expect(page.locator("#alerts-list li")).to_have_count(3, timeout=8000)
    assert focused(page)["name"] == "Silence queue-backlog"


def test_charts_are_read_point_by_point_and_as_a_table(page: Page, stub: Stub) -> None:
    opened(page, stub)
    tab_to(page, "Latency:")
    latest = focused(page)["name"]
    assert re.fullmatch(r"Latency: P50 [\d.]+ ms, P95 [\d.]+ ms, P99 [\d.]+ ms\. Arrow keys .*", latest)
    spoken = page.locator("figure").nth(1).get_by_role("status")
    page.keyboard.press("ArrowLeft")
    expect(spoken).to_have_text(re.compile(r"\d\d:\d\d:\d\d: P50 [\d.]+ ms, P95"))
    before = spoken.inner_text()
    page.keyboard.press("Home")
    expect(spoken).not_to_have_text(before)
    page.keyboard.press("Escape")
    assert focused(page)["name"] == latest
    tab_to(page, "Latency as a table")
    page.keyboard.press("Enter")
    rows = page.locator("figure").nth(1).locator("tbody tr")
    expect(rows).to_have_count(30)
    expect(rows.nth(1).locator("td").nth(1)).to_contain_text("ms")


def test_the_key_is_in_memory_only(page: Page, stub: Stub) -> None:
    opened(page, stub)
    page.get_by_role("button", name="Key: none").click()
    page.get_by_label("Admin key").fill("admin-key-of-this-test")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Key: in use")).to_be_visible()
    assert "admin-key-of-this-test" not in page.content()
    assert page.context.cookies() == []
    kept = "() => [localStorage.length, sessionStorage.length, history.length > 2]"
    assert page.evaluate(kept) == [0, 0, False]
    assert "admin-key" not in page.url
    page.reload()
    expect(page.get_by_role("button", name="Key: none")).to_be_visible()
