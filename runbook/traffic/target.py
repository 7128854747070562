"""Where made-up traffic may go, and how much of it: this machine, or the stack's own load balancer."""

from urllib.parse import urlsplit

from runbook.errors import UsageError

ALLOWED_HOSTS = ("127.0.0.1", "localhost", "::1", "lb")
MOST_TRACES = 1_000_000
LONGEST_S = 3_600.0
AGAIN = "amas traffic --help"


def check_url(url: str) -> str:
    """The address without a path; refuses every other host, so that a typing error reaches nobody."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--url {url!r}: {error}", AGAIN) from None
    if parts.scheme not in {"http", "https"}:
        raise UsageError(f"--url {url!r}: must begin with http:// or https://", AGAIN)
    if host not in ALLOWED_HOSTS:
        raise UsageError(f"--url {url!r}: host must be one of {', '.join(ALLOWED_HOSTS)}", AGAIN)
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError("--url: must be scheme, host and port only, such as http://127.0.0.1:3000", AGAIN)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def check_bounds(count: int, time_limit_s: float, rate: float | None, connections: int) -> None:
    _within("--count", count, 1, MOST_TRACES)
    _within("--time-limit", time_limit_s, 1, LONGEST_S)
    _within("--connections", connections, 1, 256)
    if rate is not None:
        _within("--rate", rate, 1, 100_000)


def _within(option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UsageError(f"{option} {value:g}: must be from {least:g} to {most:g}", AGAIN)
