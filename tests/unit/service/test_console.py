"""The page's files: how they are sent, and what they may not do."""

import gzip
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from service import http
from service.console import assets, routes
from service.errors import Problem
from tests.unit.service.standing import client_of, problem, standing

pytestmark = pytest.mark.anyio

FILES = sorted(assets.STATIC.iterdir())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=routes.routes(), exception_handlers={HTTPException: http.problem_response,
                                                                Problem: http.problem_response})  # fmt: skip
    async with client_of(http.Edge(app)) as made:
        yield made


def linked(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/[^"]*)"', page)


async def test_the_service_answers_the_page_without_a_key_and_has_an_own_policy_for_it() -> None:
    async with standing(READS_NEED_KEY="true") as up:
        page, api = await up.client.get("/"), await up.client.get("/health")
    assert page.status_code == 200
    assert page.headers.get_list("content-security-policy") == [routes.POLICY.decode()]
    assert api.headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]


async def test_the_page_is_always_asked_for_again(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.headers["cache-control"] == "no-cache"
    assert "{{" not in response.text


async def test_everything_the_page_links_to_is_there_for_ever(client: httpx.AsyncClient) -> None:
    links = linked((await client.get("/")).text)
    assert len(links) >= 3
    for link in links:
        response = await client.get(link)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_page_and_files_carry_a_strict_policy(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    for path in ("/", linked(page.text)[0]):
        headers = (await client.get(path)).headers
        assert headers.get_list("content-security-policy") == [routes.POLICY.decode()]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
    policy = routes.POLICY.decode()
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient, encoding: str) -> None:
    sent = {"accept-encoding": encoding}
    first = await client.get("/", headers=sent)
    again = await client.get("/", headers=sent | {"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["vary"] == "Accept-Encoding"


async def test_files_are_packed_for_who_takes_it(client: httpx.AsyncClient) -> None:
    plain = await client.get("/", headers={"accept-encoding": "identity"})
    packed = await client.get("/", headers={"accept-encoding": "br, gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    assert packed.headers["etag"] != plain.headers["etag"]


async def test_a_file_of_another_release_is_answered_and_not_kept(client: httpx.AsyncClient) -> None:
    response = await client.get("/console/0123456789/main.js")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["other.js", "index.html", "..%2fassets.py", "%2e%2e", "main.js.map"])
async def test_no_other_file_is_reached(client: httpx.AsyncClient, name: str) -> None:
    problem(await client.get(f"/console/0123456789/{name}"), 404)


def test_the_release_changes_with_every_file(tmp_path: Path) -> None:
    static = tmp_path / "static"
    shutil.copytree(assets.STATIC, static)
    before = assets.load(static, tmp_path / "none").release
    assert assets.load(static, tmp_path / "none").release == before
    for name in ("index.html", "main.js", "console.css"):
        (static / name).write_text((static / name).read_text() + "\n")
        changed = assets.load(static, tmp_path / "none").release
        assert changed != before
        before = changed


def test_the_page_knows_whether_charts_are_installed(tmp_path: Path) -> None:
    (tmp_path / "uPlot.esm.js").write_text("export default 1;")
    (tmp_path / "LICENSE").write_text("not sent")
    with_charts, without = assets.load(charts=tmp_path), assets.load(charts=tmp_path / "none")
    assert b'data-charts="installed"' in with_charts.page.content
    assert b'data-charts="missing"' in without.page.content
    assert set(with_charts.files) - set(without.files) == {"uPlot.esm.js"}
    assert gzip.decompress(with_charts.files["uPlot.esm.js"].packed) == b"export default 1;"


def test_a_replica_without_its_page_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        assets.load(tmp_path / "nowhere")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_origin(path: Path) -> None:
    text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]", text)


FORBIDDEN = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|createContextualFragment",
    r"\beval\(|new Function|setTimeout\([\"'`]",
    r"localStorage|sessionStorage|indexedDB|document\.cookie|history\.pushState",
)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_scripts_make_no_markup_run_no_text_and_store_nothing(path: Path, forbidden: str) -> None:
    assert not re.search(forbidden, path.read_text())


def test_the_page_has_no_script_or_style_inside_it() -> None:
    page = (assets.STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son[a-z]+=|javascript:", page)


def test_every_element_that_scripts_name_is_in_the_page() -> None:
    page = (assets.STATIC / "index.html").read_text()
    here = set(re.findall(r'\bid="([^"]+)"', page))
    made = {"ask-field-key"}
    for path in SCRIPTS:
        named = set(re.findall(r'byId\("([^"]+)"\)', path.read_text()))
        assert named <= here | made, path.name


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here; the browser tests parse these too")
def test_scripts_are_modules_that_parse() -> None:
    parse = (
        "for (const path of process.argv.slice(1)) {"
        " try { new (require('vm').SourceTextModule)(require('fs').readFileSync(path, 'utf8')); }"
        " catch (error) { console.log(path, String(error)); } }"
    )
    node = ["node", "--no-warnings", "--experimental-vm-modules", "--eval", parse, *map(str, SCRIPTS)]
    checked = subprocess.run(node, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
