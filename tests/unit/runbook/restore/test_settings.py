"""What a restore leaves in the settings of a database that serves: nothing."""

from pathlib import Path

from runbook.backup.recover import Target, forget_target, write_target


def test_a_served_directory_keeps_no_target_and_no_word_on_synchronous_wal(tmp_path: Path) -> None:
    settings = tmp_path / "postgresql.auto.conf"
    settings.write_text("# Do not edit\nwork_mem = '8MB'\n")
    write_target(tmp_path, Target(mark="amas_1", pause=True))
    assert "synchronous_standby_names" in settings.read_text()
    forget_target(tmp_path)
    assert settings.read_text() == "# Do not edit\nwork_mem = '8MB'\n"
