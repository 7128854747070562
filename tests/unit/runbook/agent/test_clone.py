"""A clone is the template again, and a template is what this project makes."""

from typing import Any

import pytest

from runbook.agent.clone import BURST_LABEL, body, faults, fingerprint, to_remove
from runbook.agent.clone import replica as told
from tests.unit.runbook.agent.inspected import REPLICA, replica

NETWORK = "amas-local"


def test_a_clone_has_the_templates_image_environment_mounts_limits_and_guards() -> None:
    made = body(REPLICA, NETWORK, "api")
    for name in ("Env", "Cmd", "User", "Healthcheck", "WorkingDir"):
        assert made[name] == REPLICA["Config"][name]
    for name in (
        "Binds",
        "Memory",
        "MemorySwap",
        "CapDrop",
        "SecurityOpt",
        "ReadonlyRootfs",
        "Tmpfs",
        "Ulimits",
    ):
        assert made["HostConfig"][name] == REPLICA["HostConfig"][name]
    assert made["Image"] == REPLICA["Image"]
    assert made["NetworkingConfig"] == {"EndpointsConfig": {NETWORK: {"Aliases": ["api"]}}}
    assert made["HostConfig"]["NetworkMode"] == NETWORK
    assert made["Labels"] == {**REPLICA["Config"]["Labels"], BURST_LABEL: "true"}


def test_a_clone_has_nothing_else() -> None:
    made = body(replica(HostConfig__Privileged=True, HostConfig__CapAdd=["SYS_ADMIN"]), NETWORK, "api")
    assert not {"Privileged", "CapAdd", "Devices", "PidMode", "PortBindings"} & made["HostConfig"].keys()
    assert "Hostname" not in made


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"HostConfig__Privileged": True}, "it has Privileged"),
        ({"HostConfig__CapAdd": ["SYS_ADMIN"]}, "it has CapAdd"),
        ({"HostConfig__Devices": [{"PathOnHost": "/dev/sda"}]}, "it has Devices"),
        ({"HostConfig__PidMode": "host"}, "PidMode is 'host'"),
        ({"HostConfig__IpcMode": "host"}, "IpcMode is 'host'"),
        ({"HostConfig__UsernsMode": "host"}, "UsernsMode is 'host'"),
        ({"HostConfig__Binds": ["/:/host"]}, "it mounts / of the host"),
        ({"HostConfig__Mounts": [{"Type": "bind", "Source": "/etc"}]}, "it mounts /etc of the host"),
        ({"Mounts": [{"Type": "bind", "Source": "/root"}]}, "it mounts /root of the host"),
        ({"NetworkSettings__Networks": {"host": {}}}, "not on amas-local alone"),
        ({"NetworkSettings__Networks": {"amas-local": {}, "other": {}}}, "not on amas-local alone"),
        ({"Config__User": ""}, "it runs as root"),
        ({"Config__User": "0:0"}, "it runs as root"),
        ({"HostConfig__CapDrop": []}, "it lacks a guard"),
        ({"HostConfig__ReadonlyRootfs": False}, "it lacks a guard"),
        ({"HostConfig__Memory": 0}, "it lacks a guard"),
        ({"HostConfig__SecurityOpt": None}, "no-new-privileges is not set"),
        ({"Image": "alpine"}, "its image has no id"),
    ],
)
def test_a_replica_that_breaks_the_standard_is_no_template(changes: dict[str, Any], words: str) -> None:
    assert any(words in one for one in faults(replica(**changes), NETWORK))
    assert faults(REPLICA, NETWORK) == []


def test_replicas_of_one_release_are_alike_and_of_two_are_not() -> None:
    same = replica("b", Name="/other", Created="2027", Config__Env=list(reversed(REPLICA["Config"]["Env"])))
    assert fingerprint(same) == fingerprint(REPLICA)
    for changes in (
        {"Image": "sha256:" + "2" * 64},
        {"Config__Env": ["LOG_LEVEL=debug"]},
        {"HostConfig__Binds": ["amas-local-api-secrets-other:/secrets:ro"]},
        {"HostConfig__Memory": 1},
    ):
        assert fingerprint(replica(**changes)) != fingerprint(REPLICA)


def test_a_clones_fingerprint_is_its_templates() -> None:
    made = body(REPLICA, NETWORK, "api")
    host = {**REPLICA["HostConfig"], **made["HostConfig"]}
    clone = replica("b", HostConfig=host, Config={**REPLICA["Config"], "Labels": made["Labels"]})
    assert fingerprint(clone) == fingerprint(REPLICA)
    assert told(clone).burst
    assert not told(REPLICA).burst


def test_the_stale_goes_before_the_ill_and_the_ill_before_the_youngest() -> None:
    base = told(REPLICA)
    labels = {**REPLICA["Config"]["Labels"], BURST_LABEL: "true"}
    old = told(replica("b", Config__Labels=labels, Created="2026-01-01"))
    young = told(replica("c", Config__Labels=labels, Created="2026-01-09"))
    ill = told(
        replica("d", Config__Labels=labels, Created="2026-01-05", State__Health={"Status": "unhealthy"})
    )
    stale = told(replica("e", Config__Labels=labels, Created="2026-01-03", Image="sha256:" + "2" * 64))
    assert to_remove([], [base]) is None
    assert to_remove([old, young], [base]) == young
    assert to_remove([old, ill, young], [base]) == ill
    assert to_remove([old, stale, ill, young], [base]) == stale
