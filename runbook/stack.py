"""The sole caller of the pulumi CLI. Secret values go in by stdin and come out by pipe, never by argv."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from runbook import environment, places
from runbook.errors import CheckFailed, EnvironmentMissing, Terminated
from runbook.events import Event, read_event
from runbook.site import Site

NAMESPACE = "amas"
NO_SUCH_STACK_EXIT = 6
STATE_VERSION = 3
FOLLOW_EVERY_S = 0.1
BEGIN_WITH = "./scripts/up"


@dataclass(frozen=True)
class Setting:
    """One value of the stack's configuration, decrypted."""

    value: str
    secret: bool

    def __repr__(self) -> str:
        return "Setting(<secret>)" if self.secret else f"Setting({self.value!r})"


@dataclass(frozen=True)
class Stack:
    """A stack of this checkout; each method is one call of the CLI.

    `program`: a folder with another program than the checkout's, and its image lock in `lock` below it.
    """

    name: str
    program: Path | None = None

    def select_or_create(self) -> None:
        self._call("stack", "select", "--create", "--secrets-provider", "passphrase", "--stack", self.name)

    def config(self) -> dict[str, Setting]:
        """Every key of our namespace, without the namespace."""
        listed = json.loads(self._call("config", "--show-secrets", "--json", *self._stack))
        return {
            key.removeprefix(f"{NAMESPACE}:"): Setting(str(entry.get("value", "")), bool(entry.get("secret")))
            for key, entry in listed.items()
            if key.startswith(f"{NAMESPACE}:")
        }

    def set_secret(self, key: str, value: str) -> None:
        self._call("config", "set", "--secret", f"{NAMESPACE}:{key}", *self._stack, stdin=value)

    def set_plain(self, settings: Mapping[str, str]) -> None:
        """All in one call; none of them is a secret."""
        if settings:
            pairs = [
                w for key, value in settings.items() for w in ("--plaintext", f"{NAMESPACE}:{key}={value}")
            ]
            self._call("config", "set-all", *pairs, *self._stack)

    def unset(self, key: str) -> None:
        self._call("config", "rm", f"{NAMESPACE}:{key}", *self._stack)

    def secret(self, key: str) -> str:
        found = self.config().get(key)
        if found is None:
            raise EnvironmentMissing(f"stack `{self.name}` has no `{key}` in its configuration", BEGIN_WITH)
        return found.value

    def outputs(self) -> dict[str, object]:
        outputs: dict[str, object] = json.loads(self._call("stack", "output", "--json", *self._stack))
        return outputs

    def url(self) -> str:
        return self.site().url

    def site(self, outputs: Mapping[str, object] | None = None) -> Site:
        """Where the load balancer is published, and what it shows there."""
        outputs = self.outputs() if outputs is None else outputs
        url = outputs.get("url")
        if not isinstance(url, str):
            raise EnvironmentMissing(f"stack `{self.name}` does not stand: it has no `url`", BEGIN_WITH)
        return Site(url, str(outputs.get("certificate") or ""))

    def up(
        self,
        settings: Sequence[str],
        log: Path,
        on_event: Callable[[Event], None],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> int:
        """`meanwhile` is called several times a second while the CLI works."""
        config = [argument for setting in settings for argument in ("--config", setting)]
        return self._operation(["up", "--skip-preview", *config], log, on_event, meanwhile)

    def destroy(self, flags: Sequence[str], log: Path, on_event: Callable[[Event], None]) -> int:
        return self._operation(["destroy", "--skip-preview", *flags], log, on_event)

    def refresh(self, log: Path, on_event: Callable[[Event], None]) -> int:
        """Takes what the engine holds into the state, so that what was deleted by hand is made again."""
        return self._operation(["refresh", "--skip-preview"], log, on_event)

    def refresh_preview(self) -> list[dict[str, Any]]:
        """Each resource with what a refresh would find; nothing is written."""
        told = json.loads(self._call("refresh", "--preview-only", "--json", *self._stack))
        steps: list[dict[str, Any]] = told.get("steps") or []
        return steps

    def export(self) -> dict[str, Any]:
        """The deployment as the backend holds it; secrets stay encrypted."""
        deployment: dict[str, Any] = json.loads(self._call("stack", "export", *self._stack))["deployment"]
        return deployment or {}

    def put_state(self, deployment: Mapping[str, Any]) -> None:
        """What `export` gave, changed."""
        whole = json.dumps({"version": STATE_VERSION, "deployment": deployment})
        self._call("stack", "import", *self._stack, stdin=whole)

    def cancel(self) -> None:
        """Takes away the backend's lock."""
        self._call("cancel", "--yes", self.name)

    def unprotect_all(self) -> None:
        self._call("state", "unprotect", "--all", "--yes", *self._stack)

    def remove(self) -> None:
        """Forgets the stack: its state, history and configuration file."""
        self._call("stack", "rm", "--yes", *self._stack)

    def _own_lock(self) -> dict[str, str]:
        return {"AMAS_STATE_DIR": str(self.program / "lock")} if self.program else {}

    @property
    def _stack(self) -> list[str]:
        return ["--stack", self.name]

    def _call(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [pulumi(self.name), *arguments, "--non-interactive", "--color", "never"],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=places.ROOT,
            env=shell(self.name),
            check=False,
        )
        if done.returncode == 0:
            return done.stdout
        reason = done.stderr.strip() or done.stdout.strip()
        if done.returncode == NO_SUCH_STACK_EXIT or "no stack named" in reason:
            raise EnvironmentMissing(f"there is no stack `{self.name}` in this checkout", BEGIN_WITH)
        if "incorrect passphrase" in reason:
            raise EnvironmentMissing(
                f"{places.state_dir() / 'passphrase'} does not open the secrets of stack `{self.name}`",
                "put back the passphrase file that belongs to .amas/stacks and .amas/backend, from your copy",
            )
        raise CheckFailed(f"pulumi {' '.join(arguments[:2])} ended with {done.returncode}: {reason}")

    def _operation(
        self,
        arguments: list[str],
        log: Path,
        on_event: Callable[[Event], None],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> int:
        """Returns the exit code; what the CLI prints goes to the log, its events to the caller."""
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        event_log = log.with_suffix(".events.jsonl")
        event_log.unlink(missing_ok=True)
        command = [pulumi(self.name), *arguments, "--yes", "--non-interactive", "--color", "never"]
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, *self._stack, "--event-log", str(event_log)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.program or places.ROOT,
                env=shell(self.name) | {"PULUMI_DEBUG_COMMANDS": "true"} | self._own_lock(),
            )
            try:
                _follow(process, event_log, on_event, meanwhile)
            except Terminated:
                process.send_signal(signal.SIGINT)  # nobody told the CLI: it ends what it is at, no more
                process.wait()
                raise
            except KeyboardInterrupt:
                process.wait()  # the terminal told the CLI too: a second signal would kill its update
                raise
            except BaseException:
                process.terminate()
                process.wait()
                raise
        return process.returncode


def shell(stack: str) -> dict[str, str]:
    return environment.for_subprocess(environment.of_this_checkout(stack), os.environ)


def pulumi(stack: str) -> str:
    found = shutil.which("pulumi", path=shell(stack)["PATH"])
    if not found:
        raise EnvironmentMissing("the pulumi CLI is not there yet", BEGIN_WITH)
    if not (places.state_dir() / "passphrase").exists():
        raise EnvironmentMissing("this checkout has no stack yet: its passphrase file is missing", BEGIN_WITH)
    return found


def _follow(
    process: subprocess.Popen[bytes],
    event_log: Path,
    on_event: Callable[[Event], None],
    meanwhile: Callable[[], None],
) -> None:
    """Passes each event on as it is written, the last ones after the process has ended."""
    while not event_log.exists() and not _ended_within(process, FOLLOW_EVERY_S):
        pass
    if not event_log.exists():
        return
    with event_log.open() as lines:
        over = False
        while not over:
            over = _ended_within(process, FOLLOW_EVERY_S)
            meanwhile()
            for line in _whole_lines(lines):
                event = read_event(line)
                if event:
                    on_event(event)


def _whole_lines(lines: IO[str]) -> Iterator[str]:
    while True:
        before = lines.tell()
        line = lines.readline()
        if not line.endswith("\n"):
            lines.seek(before)
            return
        yield line


def _ended_within(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True
