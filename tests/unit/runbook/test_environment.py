import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runbook.environment import (
    Connections,
    database_url,
    environment,
    export_lines,
    for_subprocess,
    redis_url,
)


def variables(stack: str = "local", connections: Connections | None = None) -> dict[str, str]:
    return environment(
        stack,
        root=Path("/home/me/it's mine"),
        state_dir=Path("/home/me/it's mine/.amas"),
        path_entries=[Path("/tools/bin"), Path("/home/me/it's mine/.venv/bin")],
        connections=connections,
    )


def in_a_shell(lines: list[str], then: str) -> str:
    script = "\n".join([*lines, then])
    return subprocess.run(
        ["sh", "-euc", script], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    ).stdout


def test_a_shell_reads_back_every_value_as_it_was() -> None:
    there = variables(connections=Connections("postgresql://u:p$`x@h/d", "redis://h"))
    read = in_a_shell(export_lines(there), "env -0").split("\0")
    assert {f"{name}={value}" for name, value in there.items() if name != "AMAS_PATH"} <= set(read)


def test_the_shell_finds_our_tools_first_and_only_once() -> None:
    """`. scripts/env` is often typed twice."""
    lines = export_lines(variables())
    assert (
        in_a_shell([*lines, *lines], 'printf "%s" "$PATH"')
        == "/tools/bin:/home/me/it's mine/.venv/bin:/usr/bin:/bin"
    )


def test_amas_and_a_person_run_pulumi_with_the_same_variables() -> None:
    there = variables()
    ours = for_subprocess(there, {"PATH": "/usr/bin:/bin", "HOME": "/root"})
    assert ours["HOME"] == "/root"
    assert ours["PATH"] == in_a_shell(export_lines(there), 'printf "%s" "$PATH"')
    assert {name: ours[name] for name in there if name != "AMAS_PATH"} == {
        name: value for name, value in there.items() if name != "AMAS_PATH"
    }


def test_pulumi_is_bound_to_the_stack_and_the_state_of_this_checkout() -> None:
    there = variables("drill")
    assert there["PULUMI_STACK"] == there["AMAS_STACK"] == "drill"
    assert there["PULUMI_BACKEND_URL"] == "file:///home/me/it's mine/.amas/backend"
    assert there["PULUMI_CONFIG_PASSPHRASE_FILE"].endswith("/.amas/passphrase")


def test_stores_are_named_only_where_they_run() -> None:
    assert not {"DATABASE_URL", "REDIS_URL"} & variables().keys()


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["C"])))
def test_any_password_fits_into_a_url(password: str) -> None:
    for url in (database_url("172.18.0.2", password, "danci"), redis_url("172.18.0.3", password)):
        user_and_password, _, rest = url.partition("://")[2].rpartition("@")
        assert not set("/?#@ ") & set(user_and_password)
        assert rest.startswith("172.18.0.")
