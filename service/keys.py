"""Bearer keys: which scopes a request's key opens. Only SHA-256 sums are known here."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal, get_args

from service.errors import Problem

Scope = Literal["ingest", "read", "admin", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_LINE = re.compile(r"(?P<scope>\w+)\s+(?P<sum>[0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Keys:
    """Pairs of scope and SHA-256 sum; several per scope may live, so that keys can be rotated."""

    known: tuple[tuple[Scope, bytes], ...]

    def demand(self, scope: Scope, authorization: str | None) -> None:
        """Raises Problem 401 without a known key, 403 when the key opens other scopes only.

        An admin key opens every scope: whoever may delete can do no more harm by reading or writing.
        """
        scheme, _, key = (authorization or "").partition(" ")
        held = self._scopes(key.strip()) if scheme.lower() == "bearer" else set()
        if not held:
            raise _unauthorized(scope, bad_key=bool(authorization))
        if scope not in held and "admin" not in held:
            raise _forbidden(scope, held)

    def _scopes(self, key: str) -> set[Scope]:
        """Compares with every sum, so that the time taken tells nothing about which one matched."""
        came = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        return {scope for scope, known in self.known if hmac.compare_digest(known, came)}


def parse(text: str) -> Keys:
    """Lines of `<scope> <sha256 hex>`; blank lines and # comments are skipped. Raises ValueError."""
    known: list[tuple[Scope, bytes]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        scope = next((one for one in SCOPES if match and match["scope"] == one), None)
        if match is None or scope is None:
            # The line is not shown: somebody may have put the key itself there.
            raise ValueError(
                f"line {number} is not '<scope> <sha256 hex>' with a scope of {', '.join(SCOPES)}"
            )
        known.append((scope, bytes.fromhex(match["sum"])))
    return Keys(tuple(known))


def _unauthorized(scope: Scope, *, bad_key: bool) -> Problem:
    came = "the key sent is not known" if bad_key else "no key was sent"
    challenge = 'Bearer realm="amas"' + (', error="invalid_token"' if bad_key else "")
    return Problem(
        401,
        "Key needed",
        f"{came}; send 'Authorization: Bearer <key>' with a key of scope {scope} (amas keys show {scope})",
        headers={"WWW-Authenticate": challenge},
    )


def _forbidden(scope: Scope, held: set[Scope]) -> Problem:
    return Problem(
        403,
        "Key of another scope",
        f"the key's scope is {', '.join(sorted(held))}; this route needs {scope} (amas keys show {scope})",
        headers={"WWW-Authenticate": f'Bearer realm="amas", error="insufficient_scope", scope="{scope}"'},
    )
