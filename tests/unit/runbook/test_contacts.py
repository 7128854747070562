import pytest

from infra.keys import CONTACTS
from runbook import contacts
from runbook.errors import UsageError
from runbook.stack import Setting

WELL = [
    "",
    "l1=Ada +49 30 1",
    "l1=Ada; l3=Bob <bob@example.org>",
    "l2=Bob;l1=Ada;",
    "databaseProvider=https://x",
]
WRONG = ["Ada", "l4=Ada", "l1=", "l1=a=b", "l1=Ada; l1=Bob", "l1=Ada; l2", "l1=Ada\x07"]


@pytest.mark.parametrize("text", WELL)
def test_what_the_configuration_admits_is_read(text: str) -> None:
    assert CONTACTS.admits(text)
    assert all(contacts.parse(text).values())


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_read_is_not_admitted_either(text: str) -> None:
    assert not CONTACTS.admits(text)
    with pytest.raises(UsageError, match="write ROLE=WHO once each"):
        contacts.parse(text)


@pytest.mark.parametrize("role", contacts.ROLES)
def test_every_role_is_known_on_both_sides(role: str) -> None:
    assert CONTACTS.admits(f"{role}=Ada")
    assert contacts.parse(f"{role}=Ada") == {role: "Ada"}


def test_whoever_is_not_named_is_reached_over_the_level_before() -> None:
    people = {"l1": "Ada", "rotation": "https://rota"}
    assert contacts.who(people, "l3") == "Ada"
    assert contacts.who({"rotation": "https://rota"}, "l2") == "https://rota"
    assert contacts.who({}, "l1") == "nobody is named"


def test_the_path_comes_first_then_the_others() -> None:
    rows = contacts.rows({"l1": "Ada", "cloudProvider": "support"})
    assert [one[0] for one in rows] == [
        "L1, on-call engineer",
        "L2, senior engineer",
        "L3, platform lead",
        "Emergency",
        "Cloud provider",
    ]
    assert [one[2] for one in rows] == ["Ada", "-", "-", "Ada", "support"]


def test_levels_without_a_name_are_told_with_the_command_that_names_them() -> None:
    told = contacts.closing_lines({"l1": "Ada"}, {"alertWebhookUrl": Setting("https://x", secret=True)})
    assert told[1:] == [
        "alerts    told by webhook (amas triage webhooks)",
        "unnamed   L2, senior engineer; L3, platform lead",
        f"next: {contacts.SET_THEM}",
    ]
    assert "nobody is told" in " ".join(contacts.closing_lines({}, {}))
