"""What a person would see or miss, asked of the page itself."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_HERE = Path(__file__).parent


def poor_contrasts(page: Page) -> list[str]:
    seen, poor = page.evaluate(_script("contrasts"))
    assert seen > 30, "too little was seen to judge"
    found: list[str] = poor
    return found


def faults(page: Page) -> list[str]:
    found: list[str] = page.evaluate(_script("faults"))
    return found


def focused(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(_script("focused"))
    return found


def overflow_px(page: Page) -> int:
    wide: int = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wide


def _script(name: str) -> str:
    return (_HERE / f"{name}.js").read_text()
