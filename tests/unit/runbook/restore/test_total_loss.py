"""An empty host: what is written there before anything is fetched, and what is refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from runbook.backup.place import Place
from runbook.errors import CheckFailed, UsageError
from runbook.escrow import Sheet
from runbook.handed_in import own_rules
from runbook.restore import total_loss
from runbook.restore.fetched import placed
from runbook.restore.flow import Site
from runbook.restore.oneshot import OFFSITE, OneShot
from runbook.restore.total_loss import (
    put_configuration,
    put_passphrase,
    put_rules,
    reaching,
    refuse_foreign,
    refuse_inhabited,
)
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container

SHEET = Sheet("local", "2026-01-02", "s3:https://there/bucket", "word", "phrase", "ab12")
ONESHOT = OneShot("local", "sha256:aa", 512, {"amas-local-db": "/var/lib/amas/db"})
EMPTY: dict[str, list[Any]] = {"generations": [], "backups": []}


@dataclass
class Volumes:
    """In place of the one-shot container that looks into them."""

    found: Mapping[str, Any]

    def run(self, command: Sequence[str], say: Callable[[str], None], stdin: str = "") -> Mapping[str, Any]:
        del command, say, stdin
        return self.found


def site(found: Mapping[str, Any], *parts: str) -> Site:
    engine = MemoryEngine(held=[container(part) for part in parts])
    return Site(Stack("local"), engine, cast("OneShot", Volumes(found)))


def test_a_repository_elsewhere_is_reached_over_a_network() -> None:
    reached = reaching(ONESHOT, SHEET, None)
    assert (reached.network, reached.environment["AMAS_OFFSITE"]) == ("bridge", SHEET.repository)
    assert reached.mounts == ONESHOT.mounts


def test_a_folder_is_mounted_and_nothing_else_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(total_loss, "refuse_foreign", lambda _: None)
    reached = reaching(ONESHOT, SHEET, str(tmp_path))
    assert (reached.network, reached.mounts[str(tmp_path)]) == ("none", OFFSITE)


def test_a_folder_that_the_container_could_not_read_is_told_with_the_remedy(tmp_path: Path) -> None:
    ours = tmp_path.stat().st_uid
    (tmp_path / "config").touch()
    refuse_foreign(tmp_path, uid=ours)
    with pytest.raises(UsageError, match=f"belongs to UID {ours}, not to {ours + 1}") as told:
        refuse_foreign(tmp_path, uid=ours + 1)
    assert told.value.next_command == f"chown -R {ours + 1}:{ours + 1} {tmp_path}"
    with pytest.raises(UsageError, match="is no folder of this host"):
        refuse_foreign(tmp_path / "absent")


def test_a_sheet_without_a_repository_needs_one_named() -> None:
    with pytest.raises(UsageError, match="names no repository"):
        reaching(ONESHOT, replace(SHEET, repository=""), None)


def test_no_secret_is_in_what_the_container_is_started_with() -> None:
    reached = reaching(ONESHOT, SHEET, None)
    assert "word" not in repr(reached)
    assert "phrase" not in repr(reached)


def test_an_empty_host_is_taken() -> None:
    refuse_inhabited(site(EMPTY), Progress())


@pytest.mark.parametrize("found", [{**EMPTY, "generations": ["gen-1"]}, {**EMPTY, "backups": [{}]}])
def test_volumes_that_hold_something_are_left_alone(found: Mapping[str, Any]) -> None:
    with pytest.raises(UsageError, match="hold data or backups"):
        refuse_inhabited(site(found), Progress())


def test_a_stack_that_stands_is_left_alone() -> None:
    with pytest.raises(UsageError, match="stands here: amas-local-api"):
        refuse_inhabited(site(EMPTY, "api"), Progress())


def test_the_passphrase_is_for_its_owner_alone_and_replaces_none(state_dir: Path) -> None:
    put_passphrase("phrase", state_dir)
    assert (state_dir / "passphrase").stat().st_mode & 0o777 == 0o600
    put_passphrase("phrase", state_dir)
    with pytest.raises(UsageError, match="belongs to other stacks") as told:
        put_passphrase("other", state_dir)
    assert "phrase" not in told.value.message.replace("passphrase", "")
    assert (state_dir / "passphrase").read_text() == "phrase"


def test_the_configuration_comes_back_and_replaces_none(state_dir: Path) -> None:
    put_configuration("local", {"Pulumi.local.yaml": "salt"}, state_dir)
    assert (state_dir / "Pulumi.local.yaml").read_text() == "salt"
    assert (state_dir / "Pulumi.local.yaml").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="is here already"):
        put_configuration("local", {"Pulumi.local.yaml": "another"}, state_dir)
    with pytest.raises(CheckFailed, match=r"holds no Pulumi\.other\.yaml; it holds Pulumi\.local\.yaml"):
        put_configuration("other", {"Pulumi.local.yaml": "salt"}, state_dir)


def test_alert_rules_come_back_to_where_the_configuration_looks(tmp_path: Path) -> None:
    brought = {"alert-rules.yaml": "rules: []\n"}
    wanted = own_rules("config:\n  amas:alertRulesFile: rules/mine.yaml\n", tmp_path)
    assert wanted == tmp_path / "rules/mine.yaml"
    put_rules(brought, wanted)
    assert wanted.read_text() == "rules: []\n"
    put_rules({"alert-rules.yaml": "older"}, wanted)
    assert wanted.read_text() == "rules: []\n", "the checkout's own stays"
    put_rules(brought, own_rules("config:\n  amas:replicas: 2\n", tmp_path))


def test_what_was_brought_takes_its_place_on_the_volume(tmp_path: Path) -> None:
    place, brought = Place(tmp_path / "home"), tmp_path / "brought"
    for folder in (place.home / "barman", place.home / "state", brought / "barman" / "db", brought / "state"):
        folder.mkdir(parents=True)
    placed(brought, place)
    assert place.server.is_dir()
    with pytest.raises(CheckFailed, match="holds no backups"):
        placed(brought, place)
    assert place.server.is_dir(), "a copy that holds nothing takes nothing away"
