import ast
import re
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import runbook
from runbook import sql_session
from runbook.errors import EnvironmentMissing
from runbook.sql_session import Session, inside_network, named_blocks

SECRET = "p4ss'w\\ord"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    return file


def test_on_the_host_the_environment_names_no_database() -> None:
    assert inside_network({"AMAS_STACK": "local"}) is None


def test_inside_the_network_the_host_and_a_password_file_are_enough(password_file: Path) -> None:
    conninfo = inside_network({"AMAS_DB_HOST": "db", "AMAS_DB_PASSWORD_FILE": str(password_file)})
    assert conninfo_to_dict(conninfo or "") == {
        "host": "db",
        "port": "5432",
        "user": "amas_jobs",
        "dbname": "danci",
        "password": SECRET,
    }


def test_a_file_may_hold_the_whole_address(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://u:p@db/danci\n")
    assert inside_network({"AMAS_DATABASE_URL_FILE": str(file)}) == "postgresql://u:p@db/danci"


def test_an_address_that_cannot_be_read_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://u:s3cret@[db/danci")
    with pytest.raises(EnvironmentMissing, match="holds no address") as raised:
        inside_network({"AMAS_DATABASE_URL_FILE": str(file)})
    assert str(file) in raised.value.message
    assert "s3cret" not in raised.value.message


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="nowhere"):
        inside_network({"AMAS_DB_HOST": "db", "AMAS_DB_PASSWORD_FILE": str(tmp_path / "nowhere")})


def test_a_database_that_does_not_answer_is_missing_and_no_secret_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("connection failed\nserver closed the connection")

    monkeypatch.setattr(psycopg, "connect", refused)
    with pytest.raises(EnvironmentMissing, match="server closed the connection") as raised:
        Session(f"host=db password={SECRET}")
    assert SECRET not in raised.value.message


def test_a_file_holds_statements_by_name() -> None:
    assert named_blocks("-- why\n-- name: one\nSELECT 1;\n\n-- name: two\nSELECT 2;\n") == {
        "one": "SELECT 1;\n\n",
        "two": "SELECT 2;\n",
    }


def test_a_name_stands_once_in_all_files() -> None:
    texts = [file.read_text() for file in sql_session.SQL.glob("*.sql")]
    names = [name for text in texts for name in re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)]
    assert sorted(names) == sorted(sql_session.STATEMENTS)


@pytest.mark.parametrize("name", sql_session.STATEMENTS)
def test_a_name_is_one_command(name: str) -> None:
    text = re.sub(r"--[^\n]*|\$\$.*?\$\$", "", sql_session.statement(name), flags=re.DOTALL).strip()
    assert text
    assert ";" not in text.removesuffix(";")


def test_no_statement_holds_what_only_psql_understands() -> None:
    assert [name for name, text in sql_session.STATEMENTS.items() if re.search(r":'\w+'", text)] == []


def test_psycopg_has_one_importer_in_the_runbook() -> None:
    root = Path(runbook.__file__).parent
    importers = {
        file.relative_to(root).as_posix()
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Import) and any(one.name.split(".")[0] == "psycopg" for one in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "psycopg")
    }
    assert importers == {"sql_session.py"}
