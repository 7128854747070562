"""Every alert leads to a page and to a command that exists, and what runs by itself can run where it does."""

import re

import pytest

from runbook.jobs.crontab import Scheduled
from service.alerts.rule import Rule
from tests import pages
from tests.verbs import NoSuchVerb, Verb, parsed, verbs

RULES = pages.rules()
VERBS = verbs()
SCHEDULED = list(pages.scheduled())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_rule_has_a_page_that_begins_with_a_command_there_is(rule: Rule) -> None:
    page = pages.page_of_alert(rule.id).read_text()
    assert rule.message in page
    assert f"**Begin with** `{rule.runbook}`" in page
    assert pages.page_of_verb(parsed(rule.runbook).first).is_file()


PLACES = {"host": "on the host", "scheduler": "inside the network", "backup": "backup container"}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb.words))
def test_each_verb_has_its_place_on_a_page(verb: Verb) -> None:
    assert f"## amas {' '.join(verb.words)}\n" in pages.page_of_verb(verb.first).read_text()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb.words))
def test_each_verb_says_where_it_runs(verb: Verb) -> None:
    told = " ".join(verb.help().split())
    assert re.search(
        r"Runs (on the host|inside|each minute in the backup container|in the backup container)", told
    )


@pytest.mark.parametrize(("runner", "job"), SCHEDULED, ids=[job.job for _, job in SCHEDULED])
def test_what_is_scheduled_is_a_verb_that_runs_there(runner: str, job: Scheduled) -> None:
    assert PLACES[runner] in " ".join(parsed(" ".join(job.command)).help().split())


def test_every_link_between_pages_leads_to_one() -> None:
    for page in pages.PAGES.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#]+\.md)\)", page.read_text()):
            assert (page.parent / target).resolve().is_file(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "line",
    [
        "amas",
        "amas nothing",
        "amas keys",
        "amas health --nothing",
        "amas triage nothing",
        "pool",
        "amas pool x",
    ],
)
def test_a_line_that_the_command_line_refuses_is_no_verb(line: str) -> None:
    with pytest.raises(NoSuchVerb):
        parsed(line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("amas pool", ("pool",)),
        ("amas pool relieve", ("pool", "relieve")),
        ("amas audit --json", ("audit", "list")),
        ("amas db psql -- -c 'SELECT 1'", ("db", "psql")),
    ],
)
def test_a_line_means_the_verb_it_runs(line: str, words: tuple[str, ...]) -> None:
    assert parsed(line).words == words
