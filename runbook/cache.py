"""redis-cli inside the cache container; its password is typed into it, never given by argv or environment."""

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Sequence

from runbook.engine import Container, Engine, exec_command, has_terminal, require_part

PROMPT = b"Please input password:"
CLI = ["redis-cli", "--no-auth-warning", "--askpass"]


def cache_cli(engine: Engine, stack: str, password: str, arguments: Sequence[str]) -> int:
    """Returns redis-cli's own exit code."""
    container = require_part(engine, stack, "cache")
    if has_terminal():
        return _typed(container, password, arguments)
    return _piped(container, password, arguments)


def _piped(container: Container, password: str, arguments: Sequence[str]) -> int:
    """The password is the first line of stdin; our own stdin follows when redis-cli reads commands."""
    command = exec_command(container, [*CLI, *arguments], terminal=False)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        if process.stdin is None:
            raise AssertionError("a pipe was asked for")
        try:
            process.stdin.write(password.encode() + b"\n")
            if not arguments:
                shutil.copyfileobj(sys.stdin.buffer, process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass  # redis-cli has ended, and said why
    return process.returncode


def _typed(container: Container, password: str, arguments: Sequence[str]) -> int:
    """A terminal of our own in between answers the prompt, then only passes on."""
    command = exec_command(container, _as_large_as_ours([*CLI, *arguments]), terminal=True)
    return os.waitstatus_to_exitcode(pty.spawn(command, Answering(password).read))


class Answering:
    """Reads a terminal; types the password where it is asked for, and shows neither prompt nor stars."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._before: bytes | None = b""

    def read(self, terminal: int) -> bytes:
        told = os.read(terminal, 4096)
        if self._before is None:
            return told
        asked_before = PROMPT in self._before
        self._before += told
        if PROMPT in self._before and not asked_before:
            os.write(terminal, self._password + b"\r")
        if told and PROMPT not in self._before:
            return told
        after = self._before.partition(PROMPT)[2].partition(b"\n")
        if not after[1]:
            return b"\r"  # nothing at all would mean the end
        self._before = None
        return after[2] or b"\r"


def _as_large_as_ours(command: Sequence[str]) -> list[str]:
    """redis-cli measures its terminal at once, before the engine has told the inner one its size."""
    size = os.get_terminal_size()
    return ["sh", "-c", f'stty rows {size.lines} columns {size.columns}; exec "$@"', "sh", *command]
