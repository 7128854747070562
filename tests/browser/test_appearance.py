"""Both themes, narrow screens, print: readable, labelled, nothing cut off."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.answers import STATES
from tests.browser.seen import faults, overflow_px, poor_contrasts
from tests.browser.stub import Stub
from tests.browser.test_states import opened


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Page, stub: Stub, state: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    opened(page, stub, state)
    assert poor_contrasts(page) == []


def test_the_dark_theme_is_dark_and_charts_follow_it(page: Page, stub: Stub) -> None:
    opened(page, stub)
    drawn = "() => document.querySelector('#charts canvas').toDataURL()"
    before = page.evaluate(drawn)
    page.emulate_media(color_scheme="dark")
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert all(int(part) < 40 for part in ground.removeprefix("rgb(").removesuffix(")").split(","))
    expect(page.locator("#charts canvas")).to_have_count(4)
    # The charts are drawn anew in a turn of their own.
    page.wait_for_function(f"before => ({drawn})() !== before", arg=before)


@pytest.mark.parametrize("state", STATES)
def test_everything_has_a_name_a_label_and_a_place(page: Page, stub: Stub, state: str) -> None:
    opened(page, stub, state)
    assert faults(page) == []


@pytest.fixture
def narrow(page: Page) -> Page:
    page.set_viewport_size({"width": 360, "height": 740})
    return page


@pytest.mark.parametrize("state", STATES)
def test_a_narrow_screen_scrolls_down_only(narrow: Page, stub: Stub, state: str) -> None:
    opened(narrow, stub, state)
    assert overflow_px(narrow) <= 0
    assert faults(narrow) == []


def test_a_dialog_fits_a_narrow_screen(narrow: Page, stub: Stub) -> None:
    opened(narrow, stub, "hostile")
    narrow.get_by_role("button", name="Silence").first.click()
    box = narrow.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert overflow_px(narrow) <= 0


def test_charts_follow_the_width_of_the_window(page: Page, stub: Stub) -> None:
    opened(page, stub)
    expect(page.locator("#charts .uplot")).to_have_count(4)
    page.set_viewport_size({"width": 700, "height": 900})
    expect(page.locator("#charts .uplot").first).not_to_have_css("width", "610px")
    assert overflow_px(page) <= 0


def test_print_leaves_out_what_only_a_screen_can_use(page: Page, stub: Stub) -> None:
    opened(page, stub, "alerting")
    page.emulate_media(media="print")
    assert page.locator("button:visible, form:visible, summary:visible").count() == 0
    expect(page.locator("#headline")).to_be_visible()
    expect(page.locator("#alerts-list li").first).to_be_visible()


def test_nothing_moves_for_who_does_not_want_it(page: Page, stub: Stub) -> None:
    opened(page, stub)
    moving = (
        "() => document.getAnimations().length + [...document.querySelectorAll('*')].filter("
        "(one) => getComputedStyle(one).transitionDuration !== '0s').length"
    )
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) > 0
