"""Orders on a twin of the engine, and over a real socket."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook.agent.act import DRAIN_S, Agent
from runbook.agent.client import AgentClient, AgentFailed
from runbook.agent.clone import BURST_LABEL
from runbook.agent.docker_api import EngineFailed, log_lines
from runbook.agent.order import BurstDown, BurstUp, Look, Refused, Restart
from runbook.agent.serve import Listener, answered
from tests.unit.runbook.agent.inspected import REPLICA, replica

NOW = datetime(2026, 1, 2, 3, 5, 6, 123456, tzinfo=UTC)


@dataclass
class Twin:
    """Does what it is asked, and remembers it."""

    held: list[dict[str, Any]] = field(default_factory=lambda: [replica("a"), replica("b")])
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    away: bool = False
    waits: threading.Event | None = None
    began: threading.Event = field(default_factory=threading.Event)

    def replicas(self, stack: str) -> list[Mapping[str, Any]]:
        if self.away:
            raise EngineFailed("the Docker engine does not answer: gone")
        return [one for one in self.held if one["Config"]["Labels"]["amas.stack"] == stack]

    def run(self, name: str, body: Mapping[str, Any]) -> str:
        self.asked.append(("run", name, body))
        labels = {**REPLICA["Config"]["Labels"], BURST_LABEL: "true"}
        made = replica(f"{len(self.held)}", Name=f"/{name}", Created="2027", Config__Labels=labels)
        self.held.append(made)
        return str(made["Id"])

    def remove(self, container: str, grace_s: int) -> None:
        self.began.set()
        if self.waits:
            assert self.waits.wait(5)
        self.asked.append(("remove", container, grace_s))
        self.held = [one for one in self.held if one["Id"] != container]

    def restart(self, container: str, grace_s: int) -> None:
        self.asked.append(("restart", container, grace_s))

    def diagnosed(self, container: str) -> dict[str, Any]:
        self.asked.append(("diagnosed", container))
        return {"memory": {"usage": 1}}


def agent(engine: Twin, most_burst: int = 2) -> Agent:
    return Agent(engine, "local", most_burst, lambda: NOW)


def test_a_burst_is_cloned_under_a_name_of_the_stack_and_taken_away_drained() -> None:
    engine = Twin()
    made = agent(engine).carry_out(BurstUp())
    assert made["name"].startswith("amas-local-api-burst-")
    assert engine.asked[0][2]["Image"] == REPLICA["Image"]
    assert agent(engine).carry_out(BurstDown())["id"] == made["id"]
    assert engine.asked[-1] == ("remove", made["id"], DRAIN_S)


def test_the_configured_replicas_are_never_taken_away() -> None:
    engine = Twin()
    with pytest.raises(Refused, match="no burst replica"):
        agent(engine).carry_out(BurstDown())
    assert engine.asked == []


def test_the_agent_keeps_its_own_bound() -> None:
    engine = Twin()
    for _ in range(2):
        agent(engine).carry_out(BurstUp())
    with pytest.raises(Refused, match="2 burst replicas are the most"):
        agent(engine).carry_out(BurstUp())


def test_nothing_is_cloned_while_the_replicas_are_not_alike() -> None:
    engine = Twin([replica("a"), replica("b", Image="sha256:" + "2" * 64)])
    with pytest.raises(Refused, match="a release is on its way"):
        agent(engine).carry_out(BurstUp())
    assert agent(engine).carry_out(Look())["rolling"]


def test_nothing_is_cloned_from_what_is_ill_or_breaks_the_standard() -> None:
    ill = {"Status": "unhealthy"}
    with pytest.raises(Refused, match="nothing to clone"):
        agent(Twin([replica("a", State__Health=ill)])).carry_out(BurstUp())
    forged = Twin([replica("a", HostConfig__Binds=["/:/host"])])
    with pytest.raises(Refused, match="is no template: it mounts / of the host"):
        agent(forged).carry_out(BurstUp())
    assert forged.asked == []


def test_a_restart_is_of_a_replica_of_this_stack_with_its_diagnostics_first() -> None:
    engine = Twin()
    done = agent(engine).carry_out(Restart("a" * 12))
    assert done["diagnostics"] == {"memory": {"usage": 1}}
    assert [one[0] for one in engine.asked] == ["diagnosed", "restart"]
    with pytest.raises(Refused, match="no replica of this stack has the id cccccccccccc"):
        agent(engine).carry_out(Restart("c" * 64))


def test_the_last_that_serves_is_not_restarted() -> None:
    with pytest.raises(Refused, match="it is the only one"):
        agent(Twin([replica("a")])).carry_out(Restart("a" * 12))
    ill = replica("b", State__Status="exited")
    with pytest.raises(Refused, match="no other replica serves meanwhile: amas-local-api-0"):
        agent(Twin([replica("a"), ill])).carry_out(Restart("a" * 12))


def test_while_a_release_is_on_its_way_nothing_is_restarted() -> None:
    engine = Twin([replica("a"), replica("b", Image="sha256:" + "2" * 64)])
    with pytest.raises(Refused, match="a release is on its way"):
        agent(engine).carry_out(Restart("a" * 12))
    assert engine.asked == []


def test_a_look_tells_of_each_replica() -> None:
    engine = Twin()
    agent(engine).carry_out(BurstUp())
    engine.held[-1]["Image"] = "sha256:" + "2" * 64
    seen = agent(engine).carry_out(Look())
    assert not seen["rolling"]
    assert [(one["burst"], one["stale"]) for one in seen["replicas"]] == [
        (False, False),
        (False, False),
        (True, True),
    ]
    assert seen["replicas"][0] | {"name": ""} == {
        "id": "a" * 64,
        "name": "",
        "burst": False,
        "healthy": True,
        "stale": False,
        "ageSeconds": 60.0,
        "memoryBytes": 536870912,
    }


def test_every_order_that_changes_or_is_refused_is_told_and_a_look_is_not() -> None:
    told: list[dict[str, Any]] = []
    engine = Twin()
    for line in (b'{"do": "look"}', b'{"do": "burst-up"}', b'{"do": "run", "image": "alpine"}'):
        answered(agent(engine), line, told.append)
    assert [(one["order"], one["ok"]) for one in told] == [("BurstUp", True), ("unknown", False)]
    engine.away = True
    assert answered(agent(engine), b'{"do": "look"}', told.append)["failed"].endswith("gone")
    assert told[-1]["order"] == "Look"


@contextmanager
def listening(path: Path, engine: Twin) -> Iterator[AgentClient]:
    with Listener(path, agent(engine)) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield AgentClient(path)
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "orders.sock"


def test_orders_go_over_the_socket_and_its_group_may_give_them(place: Path) -> None:
    place.touch()  # what a killed one left
    with listening(place, Twin()) as client:
        assert place.stat().st_mode & 0o777 == 0o660
        assert len(client.send(Look())["replicas"]) == 2
        client.send(BurstUp())
        assert len(client.send(Look())["replicas"]) == 3
        with pytest.raises(AgentFailed, match="no replica of this stack"):
            client.send(Restart("c" * 12))
    with pytest.raises(AgentFailed, match="does not answer"):
        client.send(Look())


def test_a_look_is_answered_while_a_replica_drains_and_a_second_change_is_refused(place: Path) -> None:
    engine = Twin(waits=threading.Event())
    with listening(place, engine) as client:
        client.send(BurstUp())
        draining = threading.Thread(target=client.send, args=(BurstDown(),))
        draining.start()
        assert engine.began.wait(5)
        with pytest.raises(AgentFailed, match="another change is under way"):
            client.send(BurstUp())
        assert client.send(Look())["replicas"]
        assert engine.waits
        engine.waits.set()
        draining.join()


def test_garbage_on_the_socket_is_refused_and_harms_nobody(place: Path) -> None:
    with listening(place, Twin()) as client:
        for said in (b"POST /containers/create HTTP/1.1\n", b"\xff\xfe\n", b"x" * 5000 + b"\n"):
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(place))
                line.sendall(said)
                line.shutdown(socket.SHUT_WR)
                assert not json.loads(line.makefile("rb").readline())["ok"]
        assert client.send(Look())["ok"]


def test_the_engines_log_stream_is_read_as_lines() -> None:
    chunks = [b"one\n", b"two\nthr", b"ee\n"]
    raw = b"".join(bytes([1, 0, 0, 0]) + len(one).to_bytes(4, "big") + one for one in chunks)
    assert log_lines(raw) == ["one", "two", "three"]
    assert log_lines(b"") == []
