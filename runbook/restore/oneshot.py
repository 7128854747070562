"""One command in a container of the backup image: with the data volume, and without the running parts.

As unprivileged as the stack's own; it is gone with the command.
"""

import json
import secrets
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from runbook.engine import PART_LABEL, STACK_LABEL, docker_client
from runbook.errors import CheckFailed

PART = "restore"
UID = 10001
DATA, KEPT, OFFSITE = "/var/lib/amas/db", "/var/lib/amas/backup", "/var/lib/amas/offsite"
TMPFS = "rw,noexec,nosuid,nodev,size=64m,mode=1777"
SAID_LINES = 12
ERROR, NEXT = "error: ", "next: "


@dataclass(frozen=True)
class OneShot:
    """`mounts`: volume name, or an absolute path of the host, to the path inside (`:ro` for reading).

    Without a network, but for a copy that lies on another host.
    """

    stack: str
    image: str
    memory_mb: int
    mounts: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str = "none"

    def run(self, command: Sequence[str], say: Callable[[str], None], stdin: str = "") -> Mapping[str, Any]:
        """The JSON object it prints; what it says on stderr is passed on. CheckFailed with its last words."""
        said: list[str] = []
        name = f"amas-{self.stack}-{PART}-{secrets.token_hex(3)}"
        with subprocess.Popen(
            self.arguments(name, command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            if not (process.stdin and process.stdout and process.stderr):
                raise AssertionError("pipes were asked for")
            listener = threading.Thread(target=_listen, args=(process.stderr, say, said), daemon=True)
            listener.start()
            process.stdin.write(stdin)
            process.stdin.close()
            told = process.stdout.read()
            listener.join()
        if process.returncode:
            raise _failure(command, process.returncode, said)
        return _answer(command, told)

    def arguments(self, name: str, command: Sequence[str]) -> list[str]:
        """No secret stands here: those go in by stdin."""
        labels = {STACK_LABEL: self.stack, PART_LABEL: PART}
        return [
            docker_client(),
            *("run", "--rm", "--init", "--interactive", f"--name={name}", f"--network={self.network}"),
            *(f"--label={key}={value}" for key, value in labels.items()),
            *(f"--user={UID}:{UID}", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
            *(f"--tmpfs=/run:{TMPFS}", f"--tmpfs=/tmp:{TMPFS}", "--shm-size=128m", "--log-driver=none"),
            *(f"--memory={self.memory_mb}m", f"--memory-swap={self.memory_mb}m"),
            *(f"--env={key}={value}" for key, value in sorted(self.environment.items())),
            *(f"--volume={source}:{path}" for source, path in self.mounts.items()),
            self.image,
            *("amas-backup", *command),
        ]


def _answer(command: Sequence[str], told: str) -> Mapping[str, Any]:
    try:
        answer: Mapping[str, Any] = json.loads(told)
    except ValueError:
        raise CheckFailed(f"{' '.join(command[:3])} answered no JSON: {told[-200:]!r}") from None
    return answer


def _failure(command: Sequence[str], exit_code: int, said: Sequence[str]) -> CheckFailed:
    """Where the verb inside told an error, its own words are the reason, and its next command."""
    begun = next((at for at, line in enumerate(said) if line.startswith(ERROR)), None)
    if begun is None:
        words = [f"{' '.join(command[:3])} ended with {exit_code}", *said[-SAID_LINES:]]
        return CheckFailed("\n".join(words))
    told = [line.strip() for line in said[begun:]]
    following = [line.removeprefix(NEXT) for line in told if line.startswith(NEXT)]
    reason = [line.removeprefix(ERROR) for line in told if not line.startswith(NEXT)]
    return CheckFailed("\n".join(reason), following[-1] if following else None)


def _listen(stderr: IO[str], say: Callable[[str], None], said: list[str]) -> None:
    for line in stderr:
        text = line.rstrip()
        said.append(text)
        if text:
            say(text)
