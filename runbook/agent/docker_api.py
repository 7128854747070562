"""The engine's HTTP API over its socket: only the calls that the agent's orders need."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any, Self

import httpx

from runbook.agent.clone import Attributes
from runbook.errors import CheckFailed

# The oldest engine that is supported, Docker 20.10.
VERSION = "v1.41"
TIMEOUT_S = 20.0
LOG_LINES = 60
STACK_LABEL, PART_LABEL = "amas.stack", "amas.part"
PART = "api"


class EngineFailed(CheckFailed):
    """The engine did not answer, or not as it was asked."""


class Gone(EngineFailed):
    """What was asked for is not there, or not for long."""


class DockerApi:
    """One engine, by its socket."""

    def __init__(self, socket: str, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(
            base_url=f"http://engine/{VERSION}",
            transport=transport or httpx.HTTPTransport(uds=socket),
            timeout=TIMEOUT_S,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ping(self) -> None:
        self._call("GET", "/_ping")

    def replicas(self, stack: str) -> list[Attributes]:
        """Inspected; one that goes meanwhile is left out."""
        labels = {"label": [f"{STACK_LABEL}={stack}", f"{PART_LABEL}={PART}"]}
        listed = self._call("GET", "/containers/json", {"all": "true", "filters": json.dumps(labels)}).json()
        asked = [self._client.get(f"/containers/{one['Id']}/json") for one in listed]
        return [one.json() for one in asked if one.status_code == httpx.codes.OK]

    def run(self, name: str, body: Mapping[str, Any]) -> str:
        """Created and started; one that cannot start is taken away again."""
        made = str(self._call("POST", "/containers/create", {"name": name}, body).json()["Id"])
        try:
            self._call("POST", f"/containers/{made}/start")
        except EngineFailed:
            self._call("DELETE", f"/containers/{made}", {"force": "true"})
            raise
        return made

    def remove(self, container: str, grace_s: int) -> None:
        """Stopped first, so that it drains; an `up` that removes it too is as good."""
        with contextlib.suppress(Gone):
            self._call("POST", f"/containers/{container}/stop", {"t": str(grace_s)}, within_s=grace_s)
            self._call("DELETE", f"/containers/{container}", {"force": "true"})

    def restart(self, container: str, grace_s: int) -> None:
        self._call("POST", f"/containers/{container}/restart", {"t": str(grace_s)}, within_s=grace_s)

    def diagnosed(self, container: str) -> dict[str, Any]:
        """Memory, processes and last words, for the one who looks for the leak."""
        stats = self._call("GET", f"/containers/{container}/stats", {"stream": "false", "one-shot": "true"})
        top = self._call("GET", f"/containers/{container}/top", {"ps_args": "-eo pid,rss,vsz,etimes,comm"})
        words = {"stdout": "true", "stderr": "true", "tail": str(LOG_LINES)}
        said = self._call("GET", f"/containers/{container}/logs", words).content
        return {"memory": stats.json().get("memory_stats"), "processes": top.json(), "log": log_lines(said)}

    def _call(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        within_s: float = 0.0,
    ) -> httpx.Response:
        try:
            answer = self._client.request(
                method, path, params=parameters, json=body, timeout=TIMEOUT_S + within_s
            )
        except httpx.TransportError as reason:
            raise EngineFailed(
                f"the Docker engine does not answer: {reason or type(reason).__name__}"
            ) from None
        if answer.status_code == httpx.codes.NOT_FOUND or "already in progress" in answer.text[:300]:
            raise Gone(f"the Docker engine: {answer.text[:200].strip()}")
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise EngineFailed(f"the Docker engine: {answer.status_code} {answer.text[:200].strip()}")
        return answer


def log_lines(raw: bytes) -> list[str]:
    """Of the engine's stream: each chunk has a header of 8 bytes, its length in the last four."""
    text = b""
    while len(raw) >= 8:
        length = int.from_bytes(raw[4:8], "big")
        text += raw[8 : 8 + length]
        raw = raw[8 + length :]
    return text.decode(errors="replace").splitlines()
