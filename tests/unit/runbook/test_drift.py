"""What differs from the release is named; what the program never knew is told apart from a burst replica."""

from typing import Any

from runbook.drift import CONTAINER, VOLUME, Difference, lost_volumes, seen_by_the_provider, unseen
from runbook.engine import Inspected, inspected_facts

INPUTS: dict[str, Any] = {
    "envs": ["LOG_LEVEL=info", "EMPTY="],
    "labels": [{"label": "amas.part", "value": "api"}],
    "volumes": [{"containerPath": "/secrets", "volumeName": "amas-local-api-secrets-1"}],
    "networksAdvanced": [{"name": "amas-local", "aliases": ["api"]}],
}
FOUND: dict[str, Any] = {
    "id": "a",
    "name": "amas-local-api-0",
    "environment": {"LOG_LEVEL": "info", "EMPTY": ""},
    "labels": {"amas.part": "api"},
    "networks": {"amas-local": ("api", "0123456789ab")},
    "volumes": {"/secrets": "amas-local-api-secrets-1"},
}


def resource(name: str, kind: str = CONTAINER, **more: Any) -> dict[str, Any]:
    return {
        "urn": f"urn:pulumi:local::amas::{kind}::{name}",
        "type": kind,
        "id": "a",
        "inputs": INPUTS,
        **more,
    }


def told(**changes: Any) -> list[str]:
    return [one.line() for one in unseen([resource("api-0")], [Inspected(**{**FOUND, **changes})])]


def test_a_container_as_released_is_no_difference() -> None:
    assert told() == []


def test_each_property_that_the_provider_does_not_read_is_compared() -> None:
    assert told(environment={"LOG_LEVEL": "debug", "EMPTY": "", "MORE": "1"}) == [
        "api-0: environment LOG_LEVEL: released info, found debug",
        "api-0: environment MORE: released nothing, found 1",
    ]
    assert told(labels={"amas.part": "db"}) == ["api-0: label amas.part: released api, found db"]
    assert told(volumes={}) == ["api-0: mount /secrets: released amas-local-api-secrets-1, found nothing"]


def test_a_folder_of_the_host_is_compared_as_well() -> None:
    socket = {"containerPath": "/engine", "hostPath": "/var/run/docker.sock"}
    agent = resource("agent", inputs=INPUTS | {"volumes": [socket]})
    as_released = Inspected(**FOUND | {"volumes": {"/engine": "/var/run/docker.sock"}})
    assert list(unseen([agent], [as_released])) == []
    (found,) = unseen([agent], [Inspected(**FOUND | {"volumes": {"/engine": "/"}})])
    assert found.line() == "agent: mount /engine: released /var/run/docker.sock, found /"


def test_networks_are_compared_with_the_names_in_them() -> None:
    assert told(networks={"bridge": ()}) == [
        "api-0: is not in network amas-local",
        "api-0: is in network bridge besides",
    ]
    assert told(networks={"amas-local": ("other",)}) == ["api-0: is not called api in network amas-local"]


def test_what_is_gone_and_what_is_not_the_programs_is_told() -> None:
    assert [one.line() for one in unseen([resource("api-0")], [])] == ["api-0: is gone"]
    stray = Inspected("b", "amas-local-stray", labels={"amas.stack": "local"})
    burst = Inspected("c", "amas-local-burst", labels={"amas.burst": "1"})
    assert [one.line() for one in unseen([], [stray, burst])] == ["amas-local-stray: is not the program's"]


def test_a_job_without_a_network_is_in_none() -> None:
    alone = {**INPUTS, "networkMode": "none", "networksAdvanced": []}
    found = Inspected(**{**FOUND, "networks": {}})
    assert list(unseen([resource("db-roles", inputs=alone)], [found])) == []


def test_a_lost_volume_is_told_once() -> None:
    volumes = [resource("db-data", VOLUME, id="amas-local-db"), resource("x", VOLUME, id="amas-local-x")]
    assert list(lost_volumes(volumes, ("amas-local-x",), set())) == [Difference("db-data", "is gone")]
    assert list(lost_volumes(volumes, (), {"db-data", "x"})) == []


def test_of_the_providers_changes_only_names_are_told() -> None:
    before, after = {"memory": 256, "secret": "a", "__defaults": []}, {"memory": 300, "secret": "a", "new": 1}
    steps: list[dict[str, Any]] = [
        {"op": "refresh", "urn": "u::t::network"},
        {"op": "delete", "urn": "u::t::host-exporter"},
        {"op": "update", "urn": "u::t::lb", "oldState": {"inputs": before}, "newState": {"inputs": after}},
    ]
    assert [one.line() for one in seen_by_the_provider(steps)] == [
        "host-exporter: is gone",
        "lb: was changed: memory",
    ]


def test_what_comes_from_the_image_is_no_difference() -> None:
    attributes = {
        "Id": "a",
        "Name": "/amas-local-api-0",
        "Config": {"Env": ["PATH=/bin", "LOG_LEVEL=info"], "Labels": {"amas.part": "api", "from": "image"}},
        "NetworkSettings": {"Networks": {"amas-local": {"Aliases": ["api"]}, "none": {}}},
        "Mounts": [
            {"Type": "volume", "Destination": "/secrets", "Name": "v"},
            {"Type": "tmpfs", "Destination": "/x"},
        ],
    }
    found = inspected_facts(attributes, {"Env": ["PATH=/bin"], "Labels": {"from": "image"}})
    assert found.environment == {"LOG_LEVEL": "info"}
    assert found.labels == {"amas.part": "api"}
    assert found.networks == {"amas-local": ("api",)}
    assert found.volumes == {"/secrets": "v"}
