"""Each state of the service, as the page tells it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from starlette.responses import Response

from service import http
from tests.browser.answers import HOSTILE, alert
from tests.browser.stub import Stub

# A round of the page and its answers.
ROUND_MS = 8000


def opened(page: Page, stub: Stub, state: str = "healthy") -> Page:
    stub.tell(state)
    page.goto(stub.url)
    expect(page.locator("#freshness")).to_contain_text("Live")
    return page


def headline(page: Page) -> str:
    return page.locator("#headline").inner_text()


def test_healthy_says_so_in_one_line_and_shows_every_part(page: Page, stub: Stub) -> None:
    opened(page, stub)
    assert headline(page) == "All SLOs met · 0 alerts"
    expect(page.locator("#verdict")).to_have_attribute("data-tone", "good")
    expect(page.locator("#alerts-said")).to_have_text("None.")
    expect(page.locator("#slos-rows tr")).to_have_count(6)
    idle, judged = page.locator("#slos-rows tr").nth(0), page.locator("#slos-rows tr").nth(1)
    assert idle.locator("td").all_inner_texts() == [
        "idle", "Throughput", "418 req/s", "> 1,000 req/s", "< 800 req/s", "\N{EN DASH}",
    ]  # fmt: skip
    assert judged.locator("td").all_inner_texts() == [
        "met", "P95 latency", "42.6 ms", "< 200 ms", "> 250 ms", "97%",
    ]  # fmt: skip
    expect(page.locator("#charts .uplot")).to_have_count(4)
    expect(page.locator("#replicas-rows tr")).to_have_count(3)
    expect(page.locator("#replicas-rows tr").nth(1)).to_contain_text("leader")
    parts = page.locator("#parts-list")
    for words in ("12 rows", "0 rows", "93.4%", "12 of 60", "31 rules", "2.1 µs", "api-1-806ba6"):
        expect(parts).to_contain_text(words)
    expect(page.locator("#switches li")).to_have_count(3)
    expect(page.locator("#backup")).to_have_text("Backup: none is known here.")
    expect(page.locator("#history-rows tr")).to_have_count(3)
    assert page.title() == "✓ AMAS console"


def test_alerting_names_the_worst_first(page: Page, stub: Stub) -> None:
    opened(page, stub, "alerting")
    assert headline(page) == (
        "database is away · 3 alerts (1 critical, 1 more silenced) · 1 SLO breached · 3 other findings"
    )
    reasons = page.locator("#reasons li").all_inner_texts()
    assert reasons[:2] == ["database is away: connection refused", "critical: P99 latency is above 500 ms"]
    assert reasons[-1] == "and 3 more"
    first = page.locator("#alerts-list li").first
    expect(first).to_contain_text("812 > 500")
    expect(first).to_contain_text("escalated to level 2 · see amas triage")
    expect(page.locator("#alerts-list li").nth(2)).to_contain_text("acknowledged by mira: looking at")
    expect(page.locator("#switches")).to_contain_text("receiver is being moved")
    expect(page.locator("#backup")).to_contain_text("Restore proof passed")
    expect(page.locator("#backup")).to_contain_text("restored in 64 s")
    expect(page.locator("#silences-list li")).to_contain_text("ruleId cache-hit-rate · 90 min left")


def test_a_new_system_is_neither_good_nor_bad(page: Page, stub: Stub) -> None:
    opened(page, stub, "new")
    assert headline(page) == "no SLO has measurements yet · 0 alerts"
    expect(page.locator("#verdict")).to_have_attribute("data-tone", "none")
    expect(page.locator("#history-said")).to_have_text("Nothing has fired.")
    expect(page.locator("#charts")).to_contain_text("No measurements yet.")


def test_what_an_older_service_lacks_is_not_available(page: Page, stub: Stub) -> None:
    opened(page, stub, "bare")
    assert headline(page) == "SLOs not known · 0 alerts"
    for section in ("slos", "parts", "load", "replicas", "care"):
        expect(page.locator(f"#{section}-note")).to_have_text("not available")
    expect(page.locator("#alerts-note")).to_be_empty()


def test_the_page_follows_the_service_without_being_touched(page: Page, stub: Stub) -> None:
    opened(page, stub)
    stub.state["/api/alerts/active"] = [alert("n1", "queue-backlog", "high", "The queue grows", value=900)]
    expect(page.locator("#headline")).to_have_text("1 alert · All SLOs met", timeout=ROUND_MS)
    stub.state["/api/alerts/active"] = []
    expect(page.locator("#headline")).to_have_text("All SLOs met · 0 alerts", timeout=ROUND_MS)


def test_unreachable_is_said_plainly_with_since_when_and_ends_by_itself(page: Page, stub: Stub) -> None:
    opened(page, stub)
    stub.stop()
    try:
        banner = page.get_by_role("alert").first
        expect(banner).to_have_text(
            re.compile(r"unreachable since \d\d:\d\d:\d\d\. What is shown below is as of \d\d:\d\d:\d\d\.$"),
            timeout=ROUND_MS,
        )
        assert headline(page) == "The state is not known: the service does not answer"
        expect(page.locator("#slos-note")).to_contain_text("stale: as of")
        expect(page.locator("#slos-rows tr")).to_have_count(6)
        expect(page.locator("#freshness")).to_contain_text("Next try in")
    finally:
        stub.start()
    page.get_by_role("button", name="Try now").press("Enter")
    expect(page.locator("#headline")).to_have_text("All SLOs met · 0 alerts")
    expect(banner).to_be_hidden()
    expect(page.locator("#slos-note")).to_be_empty()


def test_a_load_balancer_without_replicas_is_unreachable_too(page: Page, stub: Stub) -> None:
    stub.failing = 503
    page.goto(stub.url)
    expect(page.get_by_role("alert").first).to_contain_text("Nothing has been seen of it since")


def test_one_part_that_fails_is_marked_stale_and_the_rest_lives(page: Page, stub: Stub) -> None:
    page.clock.install()
    opened(page, stub)
    stub.state["/api/about/slo"] = 500
    expect(page.locator("#slos-rows tr")).to_have_count(6)
    page.clock.fast_forward(25_000)
    expect(page.locator("#slos-note")).to_contain_text("stale: as of", timeout=ROUND_MS)
    expect(page.locator("#parts-note")).to_be_empty(timeout=ROUND_MS)
    expect(page.get_by_role("alert").first).to_be_hidden()


def test_hostile_text_is_shown_and_does_nothing(page: Page, stub: Stub) -> None:
    opened(page, stub, "hostile")
    stub.ask_insight = lambda _: http.json_response({"decisionId": HOSTILE, "userId": HOSTILE})
    page.locator("#decision-id").fill(HOSTILE)
    page.locator("#decision-id").press("Enter")
    expect(page.locator("#insights-found pre")).to_contain_text("<img src=x")
    expect(page.locator("#alerts-list")).to_contain_text(HOSTILE[:80])
    expect(page.locator("img, svg, iframe, script:not([src])")).to_have_count(0)
    assert page.locator("a:not([href^='#'])").count() == 0
    assert page.title().endswith("AMAS console")


def test_lists_of_any_length_are_cut_and_said_to_be(page: Page, stub: Stub) -> None:
    opened(page, stub, "huge")
    assert headline(page) == "2,000 alerts (500 critical) · All SLOs met"
    expect(page.locator("#alerts-list li")).to_have_count(50)
    expect(page.locator("#alerts-said")).to_contain_text("The 50 worst of 2,000 are shown")
    expect(page.locator("#replicas-rows tr")).to_have_count(64)
    page.get_by_label("Latency as a table").click()
    expect(page.locator("#charts details[open] tbody tr")).to_have_count(60)


@pytest.fixture
def bare_stub() -> Iterator[Stub]:
    stub = Stub(charts=None)
    stub.start()
    yield stub
    stub.stop()


def test_without_the_chart_library_figures_remain(context: BrowserContext, bare_stub: Stub) -> None:
    bare_stub.tell("healthy")
    made = context.new_page()
    made.goto(bare_stub.url)
    expect(made.locator("#charts")).to_contain_text("Charts are not installed; the table has the figures.")
    expect(made.locator("#charts figure").first).to_contain_text("requests 432 req/s")
    made.get_by_label("Queue as a table").click()
    expect(made.locator("#charts details[open] tbody tr")).to_have_count(30)


def test_an_insight_is_found_by_its_id_or_said_to_be_missing_or_pending(page: Page, stub: Stub) -> None:
    opened(page, stub)
    said, field = page.locator("#insights-said"), page.locator("#decision-id")
    field.fill("order:7")
    field.press("Enter")
    expect(said).to_have_text("Decision order:7, from the database.")
    expect(page.locator("#insights-found pre")).to_contain_text('"fatigue": 0.31')
    stub.ask_insight = lambda _: http.json_response({"state": "pending"}, 202)
    field.press("Enter")
    expect(said).to_contain_text("not yet in the database")
    stub.ask_insight = _missing
    field.press("Enter")
    expect(said).to_have_text("no insight with that decisionId")
    expect(page.locator("#insights-found")).to_be_empty()


def _missing(_: str) -> Response:
    return http.json_response({"detail": "no insight with that decisionId"}, 404)


def test_a_users_newest_lead_to_one_and_to_older_ones(page: Page, stub: Stub) -> None:
    opened(page, stub)
    page.locator("#user-id").fill("user-1")
    with page.expect_request(lambda one: "userId=user-1" in one.url and "cursor" not in one.url):
        page.locator("#user-id").press("Enter")
    expect(page.locator("#insights-said")).to_have_text("25 insights of user-1, newest first.")
    with page.expect_request(lambda one: "cursor=bmV4dA" in one.url):
        page.get_by_role("button", name="Older").click()
    page.get_by_role("button", name="order:3", exact=True).click()
    expect(page.locator("#insights-said")).to_have_text("Decision order:3, from the database.")


def test_choices_ask_at_once(page: Page, stub: Stub) -> None:
    opened(page, stub)
    with page.expect_request("**/api/about/series?window=1h"):
        page.get_by_label("1 h").check()
    with page.expect_request("**/api/alerts/history?limit=50&severity=high"):
        page.get_by_label("Severity").select_option("high")


def test_where_reads_need_a_key_the_page_asks_for_one(page: Page, stub: Stub) -> None:
    stub.tell("healthy")
    stub.reads_need_key = True
    page.goto(stub.url)
    expect(page.locator("#slos-note")).to_have_text("needs a key")
    page.get_by_role("button", name="Key: none").click()
    page.get_by_label("Admin key").fill("read")
    page.keyboard.press("Enter")
    expect(page.locator("#headline")).to_have_text("All SLOs met · 0 alerts")
    page.get_by_role("button", name="Key: in use").click()
    page.get_by_role("button", name="Forget").click()
    expect(page.locator("#slos-note")).to_have_text("needs a key")
    expect(page.locator("#slos-rows tr")).to_have_count(0)
