"""Where incidents are kept: a record and a page each, written whole or not at all, numbered once."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runbook.errors import UsageError
from runbook.incident.record import Incident, from_json, to_json

Render = Callable[[Incident], str]


@dataclass(frozen=True)
class Book:
    """A folder, private to its owner: what people write of an incident may name anybody."""

    folder: Path

    def opened(self, make: Callable[[str], Incident], today: datetime, render: Render) -> Incident:
        """With the next number of the day, also where the file of the last one was deleted."""
        with self._alone():
            incident = make(self._number(today))
            self._write(incident, render)
        return incident

    def changed(self, incident_id: str, change: Callable[[Incident], Incident], render: Render) -> Incident:
        """Read, changed and written with nobody in between."""
        with self._alone():
            incident = change(self.read(incident_id))
            self._write(incident, render)
        return incident

    def read(self, incident_id: str) -> Incident:
        try:
            return from_json(json.loads(self._record(incident_id).read_text(encoding="utf-8")))
        except FileNotFoundError:
            known = ", ".join(self.ids()[-5:]) or "none"
            raise UsageError(
                f"no incident {incident_id!r}; the last ones: {known}", "amas incident list"
            ) from None
        except (ValueError, KeyError, TypeError) as reason:
            raise UsageError(f"{self._record(incident_id)} cannot be read: {reason}") from None

    def ids(self) -> list[str]:
        return sorted(one.stem for one in self.folder.glob("INC-*.json"))

    def of_stack(self, stack: str) -> list[Incident]:
        return [one for one in map(self.read, self.ids()) if one.stack == stack]

    def only_open(self, stack: str) -> str:
        """The one that is meant when none is named."""
        unresolved = [one.id for one in self.of_stack(stack) if one.is_open]
        if len(unresolved) != 1:
            told = ", ".join(unresolved) or "none"
            raise UsageError(f"name the incident; open now: {told}", "amas incident list")
        return unresolved[0]

    def page(self, incident_id: str) -> Path:
        return self.folder / f"{incident_id}.md"

    def _record(self, incident_id: str) -> Path:
        # The id is also a file's name: nothing but an id may be one.
        return self.folder / f"{Path(incident_id).name}.json"

    def _number(self, today: datetime) -> str:
        given = self.folder / "numbers"
        ids = given.read_text(encoding="utf-8").split() if given.exists() else []
        day = f"INC-{today:%Y-%m-%d}-"
        last = max(
            (int(one.removeprefix(day)) for one in {*ids, *self.ids()} if one.startswith(day)), default=0
        )
        number = f"{day}{last + 1:03d}"
        _put(given, "".join(f"{one}\n" for one in [*ids, number]))
        return number

    def _write(self, incident: Incident, render: Render) -> None:
        _put(self._record(incident.id), json.dumps(to_json(incident), indent=2, ensure_ascii=False) + "\n")
        _put(self.page(incident.id), render(incident))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _put(path: Path, text: str) -> None:
    """On the disk under another name first: a power cut leaves the old file or the new one."""
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
