"""The console's two routes: the page, and the files it is made of. Neither needs a key: they hold no data."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service import http
from service.console.assets import Asset, Assets, load
from service.errors import Problem

# Scripts cannot turn text into markup at all: no value that is shown can become part of the page.
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
ASK_AGAIN = "no-cache"
FOR_EVER = "public, max-age=31536000, immutable"


def routes(assets: Assets | None = None) -> list[Route]:
    console = _Console(assets or load())
    return [Route("/", console.page), Route("/console/{release}/{name}", console.file)]


@dataclass(frozen=True)
class _Console:
    assets: Assets

    async def page(self, request: Request) -> Response:
        return _answer(request, self.assets.page, ASK_AGAIN)

    async def file(self, request: Request) -> Response:
        asset = self.assets.files.get(request.path_params["name"])
        if asset is None:
            raise Problem(404, "Not found", "the console has no such file")
        # While replicas are replaced, a page of one release may ask the other: it gets what there is.
        known = request.path_params["release"] == self.assets.release
        return _answer(request, asset, FOR_EVER if known else ASK_AGAIN)


def _answer(request: Request, asset: Asset, caching: str) -> Response:
    request.scope[http.POLICY] = POLICY
    packs = "gzip" in request.headers.get("accept-encoding", "")
    etag = f'"{asset.etag}{"-gzip" if packs else ""}"'
    headers = {"ETag": etag, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.packed if packs else asset.content, 200, headers | {"Content-Type": asset.kind})
