"""A release says what the changelog says, and only when tag, project and changelog agree."""

import tomllib

import pytest

from infra.release import ROOT, NotReleasable, main, notes

CHANGELOG = "# Changelog\n\n## 0.2.0\n- new\n  and more\n\n## 0.1.0\n- old\n"


def test_the_notes_are_the_section_of_that_version() -> None:
    assert notes("v0.2.0", "0.2.0", CHANGELOG) == "- new\n  and more\n"
    assert notes("v0.1.0", "0.1.0", CHANGELOG) == "- old\n"


@pytest.mark.parametrize(
    ("tag", "version", "problem"),
    [
        ("0.2.0", "0.2.0", "must be vX.Y.Z"),
        ("v0.2", "0.2.0", "must be vX.Y.Z"),
        ("v0.1.0", "0.2.0", "pyproject.toml says 0.2.0; next: git tag v0.2.0"),
        ("v0.3.0", "0.3.0", "has no section '0.3.0'"),
    ],
)
def test_what_does_not_agree_is_no_release(tag: str, version: str, problem: str) -> None:
    with pytest.raises(NotReleasable, match=problem.replace("(", r"\(")):
        notes(tag, version, CHANGELOG)


def test_the_projects_own_version_can_be_released(capsys: pytest.CaptureFixture[str]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert main(["notes", f"v{version}"]) == 0
    assert capsys.readouterr().out.startswith("- ")


def test_a_wrong_call_is_told_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: python -m infra.release" in capsys.readouterr().err
