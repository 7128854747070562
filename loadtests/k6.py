"""k6 as a child: its own environment alone, a line of progress, signals, a limit of time, what it used."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from loadtests import generator, live
from loadtests.catalog import HERE
from loadtests.guard import Needed
from loadtests.plan import GRACEFUL_S, Plan
from runbook.errors import CheckFailed, EnvironmentMissing

MAJOR = 2
SAMPLE_EVERY_S = 1.0
ASK_TIMEOUT_S = 2.0
# What it means; any other code is a fault of k6 or of the script.
PASSED, CROSSED, INTERRUPTED = 0, 99, 105
MEANINGS = {
    PASSED: "ended by itself",
    CROSSED: "a threshold was crossed",
    104: "its options are wrong",
    INTERRUPTED: "was interrupted",
    107: "the script threw before the load began",
    108: "the script refused to go on",
    109: "k6 itself failed",
    -signal.SIGKILL: "was killed",
}


@dataclass(frozen=True)
class Keys:
    """What the scripts send."""

    ingest: str | None = field(default=None, repr=False)
    read: str | None = field(default=None, repr=False)

    @contextlib.contextmanager
    def handed(self) -> Iterator[tuple[int, dict[str, str]]]:
        """A descriptor for the child, and the variable that tells its script where to read them.

        A file in memory and without a name: an argument or a variable is seen by every tool that lists
        processes, and a file on disk would outlive a run that was killed.
        """
        with os.fdopen(os.memfd_create("keys"), "w", encoding="utf-8") as file:
            json.dump({"ingest": self.ingest, "read": self.read}, file)
            file.flush()
            yield file.fileno(), {"LOADTEST_KEYS": f"/proc/self/fd/{file.fileno()}"}


@dataclass(frozen=True)
class Folder:
    """Where a run keeps its files."""

    path: Path

    @property
    def options(self) -> Path:
        return self.path / "options.json"

    @property
    def summary(self) -> Path:
        return self.path / "k6-summary.json"

    @property
    def log(self) -> Path:
        return self.path / "k6.log"


@dataclass(frozen=True)
class Ended:
    """How it went. `cpu_share` is of all that this machine lets it use, which is `cpus`."""

    exit_code: int
    elapsed_s: float
    cpu_s: float
    cpu_share: float
    rss_bytes: int
    samples: Sequence[live.Sample] = ()
    stopped_because: str | None = None
    interrupted: bool = False
    cpus: float = 1.0

    @property
    def meaning(self) -> str:
        return MEANINGS.get(self.exit_code, f"ended with {self.exit_code}")


@dataclass(frozen=True)
class Command:
    """A k6 and what it is run with; `program` may be several words in tests."""

    program: tuple[str, ...]
    script: Path
    environment: Mapping[str, str]
    keys: Keys

    def inspect(self) -> Needed:
        """Raises CheckFailed when k6 does not take script and options; sends nothing."""
        words = ["inspect", "--execution-requirements", "--include-system-env-vars", str(self.script)]
        with self.keys.handed() as (descriptor, told):
            done = subprocess.run(
                [*self.program, *words],
                env={**self.environment, **told},
                pass_fds=(descriptor,),
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise CheckFailed(f"k6 does not take {self.script.name}: {done.stderr.strip()[-400:]}")
        needed = json.loads(done.stdout)
        return Needed(int(needed["maxVUs"]), span_s(needed["totalDuration"]))

    def version(self) -> str:
        done = subprocess.run(
            [*self.program, "version"], env=self.environment, capture_output=True, text=True, check=False
        )
        found = re.search(r"v(\d+\.\d+\.\d+)", done.stdout)
        if done.returncode != 0 or found is None or int(found[1].split(".")[0]) != MAJOR:
            raise EnvironmentMissing(
                f"{self.program[0]} is not k6 {MAJOR}: it says {(done.stdout or done.stderr)[:80]!r}",
                "./scripts/up",
            )
        return found[1]


def find(beside: Path | None = None) -> str:
    """Our own first, else what PATH has; raises EnvironmentMissing."""
    places = os.pathsep.join([*([str(beside)] if beside else []), os.environ.get("PATH", os.defpath)])
    found = shutil.which("k6", path=places)
    if found is None:
        raise EnvironmentMissing("k6 is not there", "./scripts/up")
    return found


def command(k6: str, plan: Plan, folder: Folder, keys: Keys) -> Command:
    """Nothing of the caller's environment goes in: a proxy or a K6_ variable would change the run."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder.path),
        "LOADTEST_OPTIONS": str(folder.options),
        "K6_NO_USAGE_REPORT": "true",
    }
    return Command((k6,), HERE / "k6" / f"{plan.test}.js", environment, keys)


def write_options(plan: Plan, folder: Folder) -> None:
    run = {
        "id": plan.run_id,
        "url": plan.url,
        "environment": plan.kind,
        "seed": plan.seed,
        "steady": {one.name: one.rate for one in plan.scenarios if one.rate},
        "think_s": plan.think_s,
        "summary": str(folder.summary),
    }
    folder.options.write_text(json.dumps({"run": run, "options": plan.options()}), encoding="utf-8")


def run(
    command: Command,
    plan: Plan,
    folder: Folder,
    say: Callable[[list[live.Sample]], None],
    stop: Callable[[], str | None] = lambda: None,
) -> Ended:
    """Until it ends, `stop` gives a reason, the limit of time is reached, or this process is told to end.

    k6 is then asked to end, so that it still writes its summary, and is killed when it does not.
    """
    port = _free_port()
    words = ["run", "--quiet", "--no-color", "--address", f"127.0.0.1:{port}", "--include-system-env-vars"]
    words += [f"--log-output=file={folder.log}", "--log-format=json", str(command.script)]
    started = time.monotonic()
    with ended_as_by_hand(), (folder.path / "k6.out").open("wb") as out:
        with command.keys.handed() as (descriptor, told):
            process = subprocess.Popen(
                [*command.program, *words],
                env={**command.environment, **told},
                pass_fds=(descriptor,),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C reaches it through us alone
            )
        following = _Following(process, f"http://127.0.0.1:{port}/v1/metrics", plan, started, say, stop)
        return following.until_ended()


class _Following:
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        address: str,
        plan: Plan,
        started: float,
        say: Callable[[list[live.Sample]], None],
        stop: Callable[[], str | None],
    ) -> None:
        self._process = process
        self._address = address
        self._plan = plan
        self._started = started
        self._used = _used_by_children()
        self._say = say
        self._stop = stop
        self._samples: list[live.Sample] = []
        self._stopped_because: str | None = None
        self._interrupted = False

    def until_ended(self) -> Ended:
        try:
            with httpx.Client(timeout=ASK_TIMEOUT_S, trust_env=False) as client:
                self._follow(client)
        except KeyboardInterrupt:
            self._interrupted = True
            self._stopped_because = "interrupted"
            self._end()
        except BaseException:
            self._end()
            raise
        return self._ended()

    def _follow(self, client: httpx.Client) -> None:
        while not self._gone_within(SAMPLE_EVERY_S):
            self._take(client)
            reason = self._stop() or self._late()
            if reason:
                self._stopped_because = reason
                self._end()
                return

    def _take(self, client: httpx.Client) -> None:
        """Now and then k6 has no time to answer; the next one will do."""
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError, OSError):
            answer = client.get(self._address).json()
            elapsed_s, cpu_s = time.monotonic() - self._started, generator.used_s(self._process.pid)
            self._samples.append(live.sample(answer, elapsed_s, cpu_s))
            self._say(self._samples)

    def _late(self) -> str | None:
        limit_s = self._plan.wall_limit_s
        return f"not done within {limit_s:.0f} s" if time.monotonic() - self._started > limit_s else None

    def _end(self) -> None:
        for sent, within_s in ((signal.SIGINT, GRACEFUL_S + 5), (signal.SIGKILL, 10.0)):
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(sent)
                with contextlib.suppress(KeyboardInterrupt):
                    self._gone_within(within_s)

    def _gone_within(self, timeout_s: float) -> bool:
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _ended(self) -> Ended:
        elapsed_s = time.monotonic() - self._started
        allowed = cpus()
        cpu_s, rss_bytes = _used_by_children()
        cpu_s -= self._used[0]
        return Ended(
            exit_code=self._process.returncode,
            elapsed_s=elapsed_s,
            cpu_s=cpu_s,
            cpu_share=cpu_s / (elapsed_s * allowed),
            rss_bytes=rss_bytes,
            samples=self._samples,
            stopped_because=self._stopped_because,
            interrupted=self._interrupted,
            cpus=allowed,
        )


def _used_by_children() -> tuple[float, int]:
    """CPU seconds, and the most memory of any; of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def script_errors(log: Path) -> list[str]:
    """What the scripts threw: k6 goes on after that, and its exit code is 0."""
    if not log.exists():
        return []
    entries = (_entry(line) for line in log.read_text(encoding="utf-8", errors="replace").splitlines())
    thrown = [one for one in entries if one.get("source") == "stacktrace"]
    return [str(one.get("msg", "")).strip().partition("\n")[0] for one in thrown]


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def cpus() -> float:
    """What this process may use: fewer than the machine has inside a container with a limit."""
    allowed = float(len(os.sched_getaffinity(0)))
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        allowed = min(allowed, int(quota) / int(period))
    return allowed


def span_s(text: str) -> float:
    """Of a duration as Go writes it: `1m30s`, `500ms`."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|h|m|s)", text))


@contextlib.contextmanager
def ended_as_by_hand() -> Iterator[None]:
    """A SIGTERM ends what is inside as Ctrl-C does, so that the run's rows are purged."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port
