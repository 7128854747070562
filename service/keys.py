"""Bearer keys: which scopes a request's key opens. Only SHA-256 sums are known here."""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from service.errors import Problem

Scope = Literal["ingest", "read", "admin", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# Why a request was not let in, as it is counted.
REFUSALS = ("no_key", "not_bearer", "unknown_key", "other_scope")
# Digits of a key's sum that tell keys apart in the audit log.
FINGERPRINT_DIGITS = 8

_LINE = re.compile(r"(?P<scope>\w+)\s+(?P<sum>[0-9a-fA-F]{64})")


def _uncounted(_: str) -> None:
    pass


@dataclass(frozen=True)
class Keys:
    """Pairs of scope and SHA-256 sum; several per scope may live, so that keys can be rotated."""

    known: tuple[tuple[Scope, bytes], ...]
    refused: Callable[[str], None]

    def demand(self, scope: Scope, authorization: str | None) -> str:
        """Whose key it is; raises Problem 401 without a known key, 403 when it opens other scopes only.

        An admin key opens every scope: whoever may delete can do no more harm by reading or writing.
        """
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            self.refused("not_bearer" if authorization else "no_key")
            raise _unauthorized(scope, bad_key=bool(authorization))
        came = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()
        held = self._scopes(came)
        if not held:
            self.refused("unknown_key")
            raise _unauthorized(scope, bad_key=True)
        if scope not in held and "admin" not in held:
            self.refused("other_scope")
            raise _forbidden(scope, held)
        return f"{scope if scope in held else 'admin'}:{came.hex()[:FINGERPRINT_DIGITS]}"

    def _scopes(self, came: bytes) -> set[Scope]:
        """Compares with every sum, so that the time taken tells nothing about which one matched."""
        return {scope for scope, known in self.known if hmac.compare_digest(known, came)}


def parse(text: str, refused: Callable[[str], None] = _uncounted) -> Keys:
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
    return Keys(tuple(known), refused)


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
