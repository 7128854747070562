"""The container standard as pure rules: the factory applies them on `up`, the tests on recorded inputs."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Inputs = Mapping[str, Any]
"""A container's inputs under the provider's snake_case names; values may still be Pulumi outputs."""

# Whoever may write to it is root on the host: one part has it, and that one has nothing else.
ENGINE_SOCKET = "/var/run/docker.sock"
ENGINE_OWNER = "agent"
# Inside the load balancer: 3443 speaks TLS, 3080 answers nothing but a redirect to it.
TLS_PORT, REDIRECT_PORT = 3443, 3080
TLS_PORTS = frozenset({TLS_PORT, REDIRECT_PORT})

_SECRET_NAME = re.compile(r"PASS(WORD)?|SECRET|TOKEN|API_KEYS?|(DATABASE|REDIS|QUEUE|WEBHOOK)_URL")


class PolicyViolation(Exception):
    """A container that does not hold the standard."""


def enforce(name: str, inputs: Inputs, *, job: bool, root_reason: str | None) -> None:
    """Raise PolicyViolation listing every rule that the container breaks."""
    found = violations(inputs, job=job, root_reason=root_reason)
    if found:
        raise PolicyViolation(f"container {name}: " + "; ".join(found))


def violations(inputs: Inputs, *, job: bool = False, root_reason: str | None = None) -> list[str]:
    """Broken rules in words. A job runs once: no health check, no restart. `root_reason` excuses root."""
    rules = [*COMMON, *(JOB if job else SERVICE), *([] if root_reason else UNPRIVILEGED)]
    return [text for rule in rules for text in rule(inputs)]


def _limits_memory_without_swap(inputs: Inputs) -> Iterator[str]:
    if not inputs.get("memory"):
        yield "no memory limit"
    elif inputs.get("memory_swap") != inputs["memory"]:
        yield "memory_swap must equal memory, or the limit doubles"


def _limits_cpu(inputs: Inputs) -> Iterator[str]:
    if not inputs.get("cpu_shares"):
        yield "no CPU share"


def _limits_processes(inputs: Inputs) -> Iterator[str]:
    if not any(limit.get("name") == "nproc" for limit in inputs.get("ulimits") or []):
        yield "no process limit (ulimit nproc)"


def _caps_logs(inputs: Inputs) -> Iterator[str]:
    options = inputs.get("log_opts") or {}
    if inputs.get("log_driver") != "json-file" or not {"max-size", "max-file"} <= set(options):
        yield "no log cap (json-file with max-size and max-file)"


def _drops_capabilities(inputs: Inputs) -> Iterator[str]:
    if (inputs.get("capabilities") or {}).get("drops") != ["ALL"]:
        yield "capabilities must drop ALL"


def _gains_no_privileges(inputs: Inputs) -> Iterator[str]:
    if "no-new-privileges:true" not in (inputs.get("security_opts") or []):
        yield "no-new-privileges is not set"
    if inputs.get("privileged") or inputs.get("pid_mode") == "host" or inputs.get("network_mode") == "host":
        yield "privileged and host namespaces are not allowed"


def _pins_image(inputs: Inputs) -> Iterator[str]:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", str(inputs.get("image"))):
        yield f"image {inputs.get('image')} is not a pinned ID"


def _binds_no_host_path(inputs: Inputs) -> Iterator[str]:
    for path in _host_paths(inputs):
        if path != ENGINE_SOCKET or _part(inputs) != ENGINE_OWNER:
            yield f"host path {path} is mounted"


def _leaves_the_engine_to_the_agent(inputs: Inputs) -> Iterator[str]:
    if ENGINE_SOCKET not in _host_paths(inputs):
        return
    if inputs.get("network_mode") != "none" or inputs.get("networks_advanced") or inputs.get("ports"):
        yield "who owns the engine's socket has no network and no port"
    if not inputs.get("read_only"):
        yield "who owns the engine's socket has a read-only root"
    if (inputs.get("capabilities") or {}).get("adds"):
        yield "who owns the engine's socket has no capability"


def _publishes_on_loopback(inputs: Inputs) -> Iterator[str]:
    for port in inputs.get("ports") or []:
        encrypted = port.get("internal") in TLS_PORTS
        if not encrypted and not ipaddress.ip_address(port.get("ip") or "0.0.0.0").is_loopback:  # noqa: S104
            yield f"port {port.get('external')} is published beyond loopback without TLS"


def _keeps_secrets_out_of_the_environment(inputs: Inputs) -> Iterator[str]:
    for entry in inputs.get("envs") or []:
        name = str(entry).partition("=")[0]
        if _SECRET_NAME.search(name) and not name.endswith("_FILE"):
            yield f"{name} belongs in a file, not in the environment"


def _proves_health(inputs: Inputs) -> Iterator[str]:
    check = inputs.get("healthcheck") or {}
    if not check.get("tests"):
        yield "no health check"
    if check.get("start_interval"):
        yield "start_interval needs engine API 1.44; the floor is 1.41"


def _restarts(inputs: Inputs) -> Iterator[str]:
    if inputs.get("restart") != "always":
        yield "restart must be always: a container must come back after a crash of the engine too"


def _stops_gracefully(inputs: Inputs) -> Iterator[str]:
    if not inputs.get("destroy_grace_seconds"):
        yield "no destroy_grace_seconds: the provider would kill at once"


def _never_restarts(inputs: Inputs) -> Iterator[str]:
    if inputs.get("restart") != "no" or inputs.get("must_run") is not False:
        yield "a job must not be restarted"


def _runs_unprivileged(inputs: Inputs) -> Iterator[str]:
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(inputs.get("user"))):
        yield f"user {inputs.get('user')} must be a numeric non-root uid:gid"
    if not inputs.get("read_only"):
        yield "the root file system must be read-only"


def _host_paths(inputs: Inputs) -> list[str]:
    return [str(one["host_path"]) for one in inputs.get("volumes") or [] if one.get("host_path")]


def _part(inputs: Inputs) -> str | None:
    labels = {one.get("label"): one.get("value") for one in inputs.get("labels") or []}
    return labels.get("amas.part")


Rule = Callable[[Inputs], Iterator[str]]
COMMON: tuple[Rule, ...] = (
    _limits_memory_without_swap,
    _limits_cpu,
    _limits_processes,
    _caps_logs,
    _drops_capabilities,
    _gains_no_privileges,
    _pins_image,
    _binds_no_host_path,
    _leaves_the_engine_to_the_agent,
    _publishes_on_loopback,
    _keeps_secrets_out_of_the_environment,
)
SERVICE: tuple[Rule, ...] = (_proves_health, _restarts, _stops_gracefully)
JOB: tuple[Rule, ...] = (_never_restarts,)
UNPRIVILEGED: tuple[Rule, ...] = (_runs_unprivileged,)
