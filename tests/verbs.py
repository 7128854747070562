"""The command line as it really is: which verbs there are, and whether a line is one that it takes."""

import functools
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from runbook.cli import app


class NoSuchVerb(Exception):
    """A line that the command line would refuse."""


@dataclass(frozen=True)
class Verb:
    """One command; `words` are what stands behind `amas`."""

    words: tuple[str, ...]
    command: Any

    @property
    def first(self) -> str:
        return self.words[0]

    def help(self, columns: int = 100) -> str:
        """As the command line prints it, on a terminal of that width."""
        context = self.command.context_class(
            self.command,
            info_name=" ".join(("amas", *self.words)),
            terminal_width=columns,
            help_option_names=["-h", "--help"],
        )
        return str(self.command.get_help(context))

    def purpose(self) -> str:
        return str(self.command.help or "").partition("\n")[0]


@functools.cache
def verbs() -> list[Verb]:
    """Every command that runs something, in the order of their names."""
    return sorted(_below((), _root()), key=lambda one: one.words)


@functools.cache
def _root() -> Any:
    return typer.main.get_command(app)


def parsed(line: str) -> Verb:
    """The verb that a line means, its options and arguments checked; runs nothing. Raises NoSuchVerb."""
    program, *words = shlex.split(line)
    if program != "amas":
        raise NoSuchVerb(f"{line}: does not begin with amas")
    command = _root()
    context: Any = None
    path: tuple[str, ...] = ()
    try:
        while True:
            context = command.make_context(path[-1] if path else "amas", words, parent=context)
            rest = [*context._protected_args, *context.args]
            if not hasattr(command, "commands") or (command.invoke_without_command and not rest):
                return Verb(path, command)
            name, command, words = command.resolve_command(context, rest)
            path = (*path, name)
    except typer.Exit:
        raise NoSuchVerb(f"{line}: names no verb, only a group") from None
    except typer.TyperException as refused:
        raise NoSuchVerb(f"{line}: {refused.format_message().partition(chr(10))[0]}") from None


def _below(words: tuple[str, ...], command: Any) -> Iterator[Verb]:
    below = getattr(command, "commands", None)
    if below is None or command.invoke_without_command:
        yield Verb(words, command)
    for name, one in (below or {}).items():
        if not one.hidden:  # steps of another verb: nobody types them
            yield from _below((*words, name), one)
