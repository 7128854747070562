"""What stands in the way of an upgrade, and what takes it back."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.keys import KEYS, as_text
from runbook import places
from runbook.api import Api
from runbook.errors import CheckFailed, EnvironmentMissing, UsageError
from runbook.releases import record
from runbook.releases.program import Program
from runbook.releases.record import Entry, Release
from runbook.stack import Setting, Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up.announce import announcements
from runbook.upgrade import flow, rollback
from runbook.upgrade.flow import in_force, look, standing_images
from runbook.upgrade.preflight import BackupCheck, backup_checks, refuse_jump, refuse_unproven
from runbook.upgrade.rollback import (
    anchored,
    apply,
    catch_up,
    chosen,
    plain,
    refuse_missing_images,
    staged,
    still_chosen,
    with_rules,
)
from runbook.upgrade.verdict import Look, breached, problems

STANDING = Release(3, "d", "2026-01-02", "1.2.0", "abc", 9, {"lb": "sha256:aa"}, {})
TARGET = Program(Path(), Path(), "1.3.0", None, 10)
WELL = Look(restarts={"api-0": 0})


def test_a_step_forward_is_no_jump() -> None:
    for version in ("1.2.0", "1.10.0", "2.0.0"):
        refuse_jump(STANDING, replace(TARGET, version=version))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 8}, "knows migrations up to 0008, what runs up to 0009"),
        ({"version": "1.1.9"}, "version 1.1.9 is older than 1.2.0"),
        ({"version": "3.0.0"}, "one major version at a time"),
    ],
)
def test_a_jump_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        refuse_jump(STANDING, replace(TARGET, **change))  # type: ignore[arg-type]


def test_a_backup_must_be_fresh_and_proven() -> None:
    newest, proof = (
        BackupCheck("newest backup", "ok", "1 h ago"),
        BackupCheck("restore proof", "ok", "1 h ago"),
    )
    refuse_unproven([newest, proof, BackupCheck("copy off site", "failed", "never")])
    with pytest.raises(CheckFailed, match="restore proof: never") as raised:
        refuse_unproven([newest, replace(proof, state="failed", value="never")])
    assert "newest backup" not in raised.value.message
    with pytest.raises(CheckFailed, match="newest backup: not told"):
        refuse_unproven([proof])


def test_the_backup_itself_is_asked_and_may_not_be_kept() -> None:
    said = json.dumps({"checks": [{"name": "newest backup", "state": "ok", "value": "1 h ago", "more": 1}]})
    engine = MemoryEngine(held=[container("backup")], answer=(1, said))
    assert backup_checks(engine, "local") == [BackupCheck("newest backup", "ok", "1 h ago")]
    assert backup_checks(MemoryEngine(), "local") is None
    engine.answer = (1, "no such verb")
    with pytest.raises(CheckFailed, match="does not tell how it stands: no such verb"):
        backup_checks(engine, "local")


def test_a_release_that_is_as_well_as_the_one_before_holds() -> None:
    before = Look(frozenset({"latency_p95"}), frozenset({"queue.size"}), frozenset({"lb"}))
    assert problems(before, [before, before, before]) == []
    assert problems(WELL, [WELL]) == []
    assert problems(WELL, []) == ["nothing was looked at"]


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        ({"breached": frozenset({"error_rate"})}, "error rate is beyond its objective"),
        ({"critical": frozenset({"db.up"})}, "db.up fires"),
        ({"ill": frozenset({"api-0"})}, "api-0 is not healthy"),
        ({"answered": "503"}, "the service did not answer: 503"),
    ],
)
def test_what_lasts_and_is_worse_than_before_is_told(worse: dict[str, object], told: str) -> None:
    bad = replace(WELL, **worse)  # type: ignore[arg-type]
    assert problems(WELL, [WELL, bad]) == []
    assert problems(WELL, [WELL, bad, bad]) == [told]
    assert problems(WELL, [bad, bad, WELL]) == []


def test_a_part_that_ends_and_comes_back_is_seen() -> None:
    assert problems(WELL, [WELL, Look(restarts={"api-0": 2})]) == [
        "api-0 ended and was started again 2 times"
    ]


def test_only_what_a_release_can_spoil_counts() -> None:
    rows = [
        {"id": "error_rate", "state": "breached"},
        {"id": "latency_p95", "state": "met"},
        {"id": "cache_hit_rate", "state": "breached"},
    ]
    assert breached(rows) == {"error_rate"}


def test_images_of_what_runs_are_found_by_their_tags() -> None:
    outputs: dict[str, object] = {"images": {"lb": "amas/lb:1"}}
    assert standing_images(outputs, {"amas/lb:1": "sha256:aa"}) == {
        "lb": {"id": "sha256:aa", "tag": "amas/lb:1"}
    }
    with pytest.raises(EnvironmentMissing, match="no tag on this host: amas/lb:1"):
        standing_images(outputs, {})


def test_a_rollback_needs_the_images_and_a_release_before_the_present(state_dir: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="images of release 3 are gone from this host: lb"):
        refuse_missing_images(STANDING, MemoryEngine())
    refuse_missing_images(STANDING, MemoryEngine(images=("sha256:aa",)))
    with pytest.raises(EnvironmentMissing, match="no good release before"):
        chosen("local", None)
    record.note("local", Entry("", 3, record.UP))
    with pytest.raises(EnvironmentMissing, match="no good release before"):
        chosen("local", None)
    assert (state_dir / "releases/local/journal.jsonl").exists()


def test_the_present_release_can_be_put_right_by_its_number(state_dir: Path) -> None:
    state_dir.mkdir()
    (state_dir / "images.json").write_text("{}")
    program = Program(state_dir, state_dir / "images.json", "0.1.0", None, 9)
    kept = record.keep("local", program, {}, record.UP, datetime.now(UTC))
    assert chosen("local", kept.number) == kept, "what stood when an upgrade was killed"


def test_what_was_confirmed_is_not_replaced_by_another_release_meanwhile(state_dir: Path) -> None:
    state_dir.mkdir()
    (state_dir / "images.json").write_text("{}")
    program = Program(state_dir, state_dir / "images.json", "0.1.0", None, 9)
    for replicas in "123":
        settings = {"replicas": Setting(replicas, secret=False)}
        record.keep("local", program, settings, record.UP, datetime.now(UTC))
    confirmed = chosen("local", None)
    still_chosen("local", None, confirmed)
    settings = {"replicas": Setting("4", secret=False)}
    record.keep("local", program, settings, record.UP, datetime.now(UTC))
    with pytest.raises(UsageError, match=r"release 2 was confirmed, and meanwhile .* is 3: nothing"):
        still_chosen("local", None, confirmed)


def test_a_release_that_did_not_come_back_is_to_be_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise CheckFailed("api-0 is unhealthy")

    monkeypatch.setattr(flow, "roll_back", fails)
    monkeypatch.setattr(flow, "release", lambda *_, **__: fails())
    with pytest.raises(CheckFailed, match="release 3 did not come back: api-0") as raised:
        flow._forward(flow.Plan("local"), Stack("local"), STANDING, WELL, MemoryEngine(), Progress())
    assert raised.value.next_command == "amas rollback --to 3"


def test_what_plain_pulumi_released_since_is_written_down_before_the_way_back(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir.mkdir()
    (state_dir / "images.json").write_text("{}")
    program = Program(state_dir, state_dir / "images.json", "0.1.0", None, 9)
    monkeypatch.setattr(rollback, "of_this_checkout", lambda: program)
    config = {"replicas": Setting("2", secret=False)}
    monkeypatch.setattr(Stack, "config", lambda _: config)
    settings = {key.name: as_text(key.default) for key in KEYS}
    monkeypatch.setattr(Stack, "outputs", lambda _: {"settings": {**settings, **plain(config)}, "images": {}})
    record.keep("local", program, config, record.UP, datetime.now(UTC))
    config["replicas"] = Setting("3", secret=False)
    catch_up(Stack("local"))
    assert chosen("local", None).settings == {"replicas": "2"}
    record.note("local", Entry("", 1, record.ROLLBACK))
    config["replicas"] = Setting("4", secret=False)
    catch_up(Stack("local"))
    assert record.current_number(record.journal("local")) == 1, "what was left is no release to go back to"


def test_settings_become_those_of_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(Stack, "unset", lambda _, name: done.append(name))
    monkeypatch.setattr(Stack, "set_plain", lambda _, settings: done.append(settings))
    apply(
        Stack("local"), {"replicas": "3", "logLevel": "debug", "tls": "off"}, {"replicas": "2", "tls": "off"}
    )
    assert done == ["logLevel", {"replicas": "2"}]


def test_rules_that_were_edited_since_come_from_the_release(tmp_path: Path) -> None:
    rules, kept = tmp_path / "rules.yaml", tmp_path / "kept"
    (kept / "rules").mkdir(parents=True)
    for path in (rules, kept / "rules/rules.yaml"):
        path.write_text("rules: []\n")
    settings = {"alertRulesFile": str(rules)}
    assert with_rules(settings, kept) == settings
    rules.write_text("edited\n")
    assert with_rules(settings, kept) == {"alertRulesFile": str(kept / "rules/rules.yaml")}
    assert with_rules({"alertRulesFile": "my/rules.yaml"}, kept) == {"alertRulesFile": "my/rules.yaml"}
    assert with_rules({}, kept) == {}


def test_the_program_of_a_release_stands_as_a_project_with_its_own_images(tmp_path: Path) -> None:
    (tmp_path / "program/infra").mkdir(parents=True)
    (tmp_path / "program/Pulumi.yaml").write_text("name: amas\n")
    (tmp_path / "images.json").write_text("{}")
    with staged(tmp_path, {"tlsCertificateFile": "tls/site.pem", "tlsKeyFile": "/etc/key.pem"}) as root:
        assert (root / "Pulumi.yaml").read_text() == "name: amas\n"
        assert (root / "lock/images.json").read_text() == "{}"
        assert all((root / name).is_symlink() for name in (".venv", ".amas", "tls/site.pem"))
    assert not root.exists()


def test_what_will_be_noticed_is_said_before() -> None:
    balancer = container("lb", ports=("127.0.0.1:3000",))
    images = {"lb": "sha256:aa", "db": "sha256:bb", "service": "sha256:cc"}
    assert list(announcements([balancer, container("api")], images, ["127.0.0.1:3000"])) == []
    (said,) = announcements([balancer], {"lb": "sha256:bb"}, ["127.0.0.1:3000"])
    assert said.startswith("lb is replaced for another image: the only way in: connections are refused")
    (said,) = announcements([balancer], images, ["0.0.0.0:3000"])
    assert said.startswith("lb is replaced for other ports")
    (said,) = announcements([container("db")], images, [])
    assert said.startswith("db is replaced for another image: decisions are spooled")
    assert list(announcements([balancer], {}, ["127.0.0.1:3000"])) == []


def test_a_burst_replica_that_starts_spoils_no_upgrade() -> None:
    burst = container("api", name="amas-local-api-burst-1", burst=True, health="starting")
    ill = container("api", name="amas-local-api-0", health="starting")
    with Api("http://127.0.0.1:1") as api:
        seen = look(api, MemoryEngine(held=[burst, ill]), "local")
    assert seen.ill == {"amas-local-api-0"}
    assert set(seen.restarts) == {"amas-local-api-0"}


def test_a_secret_on_the_command_line_is_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match="a secret is never given on the command line"):
        flow.upgrade(flow.Plan("local", ("keyRead=abc",)), MemoryEngine(), Progress())


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (ConnectionError("the engine broke off"), "the engine broke off"),
        (KeyError("rows"), r"KeyError\('rows'\)"),
        (KeyboardInterrupt(), "interrupted"),
    ],
    ids=["the engine", "an answer in another form", "the operator"],
)
def test_whatever_fails_while_it_is_watched_takes_the_upgrade_back(
    reason: BaseException, words: str, monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    back: list[int] = []

    def away(*_: object, **__: object) -> None:
        raise reason

    monkeypatch.setattr(flow, "release", away)
    monkeypatch.setattr(flow, "roll_back", lambda _stack, wanted, *_: back.append(wanted.number))
    with pytest.raises(CheckFailed, match=f"was taken back: release 3 serves\n{words}"):
        flow._forward(flow.Plan("local"), Stack("local"), STANDING, WELL, MemoryEngine(), Progress())
    assert back == [3]
    assert not (state_dir / "releases").exists()


def test_a_setting_that_never_was_in_force_is_no_way_back() -> None:
    released: dict[str, object] = {"settings": {"replicas": "2", "logLevel": "info", "tls": "off"}}
    config = {"replicas": "5", "tls": "off", "newKey": "1"}
    assert in_force(config, {"logLevel": "info"}, released) == {
        "logLevel": "info",
        "replicas": "2",
        "tls": "off",
    }
    assert in_force(config, {}, {}) == config


def test_paths_that_lead_out_of_the_checkout_lead_there_from_a_release_too(tmp_path: Path) -> None:
    settings = {
        "alertRulesFile": "../rules.yaml",
        "tlsKeyFile": "../tls/key.pem",
        "tlsCertificateFile": "a.pem",
    }
    found = anchored(settings)
    assert found["tlsCertificateFile"] == "a.pem"
    assert [found[name] for name in ("alertRulesFile", "tlsKeyFile")] == [
        str(places.ROOT.parent / path) for path in ("rules.yaml", "tls/key.pem")
    ]
    (tmp_path / "program").mkdir()
    (tmp_path / "images.json").write_text("{}")
    with staged(tmp_path, {**settings, "tlsCertificateFile": "../tls/key.pem"}) as root:
        assert not (root.parent / "tls").exists()


def test_one_file_may_hold_certificate_and_key(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "images.json").write_text("{}")
    with staged(tmp_path, {"tlsCertificateFile": "both.pem", "tlsKeyFile": "both.pem"}) as root:
        assert (root / "both.pem").is_symlink()
