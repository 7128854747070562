"""What a verb may end with besides success: a message, the next command to try, an exit code."""

OK = 0


class AmasError(Exception):
    """Ends a verb with one line of reason; never shown as a traceback."""

    exit_code = 1

    def __init__(self, message: str, next_command: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_command = next_command

    def as_json(self) -> dict[str, object]:
        return {"error": self.message, "next": self.next_command, "exitCode": self.exit_code}


class CheckFailed(AmasError):
    """Something was looked at and is not as it should be."""

    exit_code = 1


class UsageError(AmasError):
    """The request itself is wrong, or was refused; nothing was touched."""

    exit_code = 2


class EnvironmentMissing(AmasError):
    """What the verb needs is not there: no engine, no stack, no tool."""

    exit_code = 3


class Terminated(KeyboardInterrupt):
    """SIGTERM: as Ctrl-C, but for that the terminal did not tell the programs that were started too."""
