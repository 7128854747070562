"""The environment becomes one frozen value, or a list of everything that is wrong with it."""

from pathlib import Path

import pytest

from service import settings
from service.errors import SettingsInvalid

GOOD = {"DATABASE_URL": "postgresql://app:s3cret@db/danci", "REDIS_URL": "redis://:s3cret@cache:6379"}
GOOD |= {"QUEUE_URL": "redis://:s3cret@queue:6379"}


def problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        settings.load(environ)
    return caught.value.problems


def test_defaults_are_those_of_the_runbook() -> None:
    loaded = settings.load(GOOD)
    assert loaded.db_connection_pool_size == 20
    assert loaded.cache_ttl_amas_state == 300
    assert loaded.insights_retention_days == 90
    assert not loaded.reads_need_key
    assert not loaded.disable_insight_writes


def test_every_field_is_read_from_its_own_variable() -> None:
    """Infra sets exactly these names."""
    fields = settings.Settings.__dataclass_fields__
    assert tuple(name.upper() for name in fields) == settings.ENV_NAMES
    assert set(settings.SECRET_NAMES) <= set(settings.ENV_NAMES)


def test_all_problems_are_listed_together_with_value_and_range() -> None:
    found = problems(
        DATABASE_URL="mysql://s3cret", DB_CONNECTION_POOL_SIZE="two", READS_NEED_KEY="yes", LOG_LEVEL="loud"
    )
    assert len(found) == 6
    assert found[0] == "DATABASE_URL is not such an address: must start with postgresql:// or postgres://"
    assert found[1].startswith("REDIS_URL is not set; must start with redis://")
    assert found[2].startswith("QUEUE_URL is not set")
    assert found[3] == "DB_CONNECTION_POOL_SIZE = 'two': must be a whole number from 6 to 500"
    assert found[4] == "READS_NEED_KEY = 'yes': must be true or false"
    assert found[5] == "LOG_LEVEL = 'loud': must be one of debug, info, warning, error"
    assert "s3cret" not in "".join(found)


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://from-file\n")
    environ = {"DATABASE_URL_FILE": str(file), "REDIS_URL": GOOD["REDIS_URL"]}
    environ |= {"QUEUE_URL": GOOD["QUEUE_URL"]}
    assert settings.load(environ).database_url == "postgresql://from-file"


def test_a_missing_file_is_named() -> None:
    (found,) = problems(**GOOD, API_KEYS_FILE="/nowhere/keys")
    assert found == "API_KEYS cannot be read from API_KEYS_FILE = '/nowhere/keys': No such file or directory"


def test_value_and_file_together_are_refused() -> None:
    (found,) = problems(**GOOD, DATABASE_URL_FILE="/x")
    assert found == "DATABASE_URL is set, and so is DATABASE_URL_FILE: keep one of them"


def test_a_bad_key_line_is_refused_without_showing_it() -> None:
    (found,) = problems(**GOOD, API_KEYS="ingest plainkey")
    assert "line 1 is not '<scope> <sha256 hex>'" in found
    assert "plainkey" not in found


def test_contacts_are_read_by_role() -> None:
    loaded = settings.load(GOOD | {"ALERT_CONTACTS": "l1=Ada +49 30 1; l2=Bob;"})
    assert loaded.alert_contacts == (("l1", "Ada +49 30 1"), ("l2", "Bob"))


@pytest.mark.parametrize("text", ["Ada", "l1=", "l1=Ada; l1=Bob"])
def test_contacts_that_name_nobody_or_one_role_twice_are_refused(text: str) -> None:
    (found,) = problems(**GOOD, ALERT_CONTACTS=text)
    assert found == f"ALERT_CONTACTS = {text!r}: must be ROLE=WHO with semicolons between, each role once"


def test_secrets_hide_in_repr() -> None:
    shown = repr(settings.load(GOOD))
    assert "s3cret" not in shown
    assert "database_url=<secret>" in shown
