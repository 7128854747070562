"""The state after a failed release, on cases small enough to read."""

from typing import Any

import pytest

from runbook.engine import Container
from runbook.testing import container
from runbook.up.repair import (
    CONTAINER,
    NETWORK,
    VOLUME,
    Held,
    Repair,
    in_order,
    needs_repair,
    plan_repair,
    references,
)

PROVIDER = "urn:pulumi:local::amas::pulumi:providers:docker::default"


def resource(name: str, made: str = "", *, kind: str = CONTAINER, **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:local::amas::{kind}::{name}"
    return {"urn": urn, "type": kind, "id": made or name, "custom": True, **more}


def replica(made: str, **changes: Any) -> Container:
    return container("api", id=made, name=f"amas-local-api-{made}", **changes)


def plan(
    resources: list[dict[str, Any]],
    containers: list[Container],
    earlier: list[Container] | None = None,
    **held: Any,
) -> Repair:
    known = None if earlier is None else {one.id: one.part for one in earlier}
    facts = {"volumes": frozenset[str](), "networks": frozenset[str](), **held}
    return plan_repair({"resources": resources}, Held("local", containers, earlier=known, **facts))


def left(repair: Repair) -> dict[str, str]:
    """Name to id of what the state holds as live."""
    resources = repair.deployment["resources"]
    assert not [one for one in resources if one.get("delete")]
    return {one["urn"].rpartition("::")[2]: one["id"] for one in resources}


OLD = [replica("old-0"), replica("old-1")]


def test_earlier_replicas_are_live_again_and_the_new_ones_go() -> None:
    new = [replica("new-0"), replica("new-1", health="unhealthy")]
    state = [
        resource("api-0", "new-0"),
        resource("api-1", "new-1", initErrors=["not healthy"]),
        resource("api-0", "old-0", delete=True),
        resource("api-1", "old-1", delete=True),
    ]
    repair = plan(state, [*OLD, *new], earlier=OLD)
    assert left(repair) == {"api-0": "old-0", "api-1": "old-1"}
    assert repair.containers == tuple(new)


def test_the_same_holds_without_a_record_of_the_run() -> None:
    """Plain `pulumi up` writes none."""
    new = [replica("new-0"), replica("new-1", health="unhealthy")]
    state = [
        resource("api-0", "new-0"),
        resource("api-1", "new-1", initErrors=["not healthy"]),
        resource("api-0", "old-0", delete=True),
        resource("api-1", "old-1", delete=True),
    ]
    repair = plan(state, [*OLD, *new])
    assert left(repair) == {"api-0": "old-0", "api-1": "old-1"}
    assert repair.containers == tuple(new)


def test_a_replica_added_by_the_failed_release_goes_though_it_is_well() -> None:
    added = replica("new-2")
    state = [resource("api-0", "old-0"), resource("api-1", "old-1"), resource("api-2", "new-2")]
    repair = plan(state, [*OLD, added], earlier=OLD)
    assert left(repair) == {"api-0": "old-0", "api-1": "old-1"}
    assert repair.containers == (added,)


def test_a_container_the_state_does_not_know_goes_when_it_came_with_the_run() -> None:
    orphan, stranger = replica("orphan"), replica("stranger")
    state = [resource("api-0", "old-0"), resource("api-1", "old-1")]
    assert plan(state, [*OLD, orphan], earlier=OLD).containers == (orphan,)
    assert plan(state, [*OLD, stranger], earlier=[*OLD, stranger]).containers == ()
    assert plan(state, [*OLD, stranger]).containers == ()


def test_once_an_earlier_replica_has_gone_for_good_the_new_ones_stay() -> None:
    """Pulumi deletes the earlier ones last: all the new ones had become healthy."""
    new = [replica("new-0"), replica("new-1")]
    state = [resource("api-0", "new-0"), resource("api-1", "new-1"), resource("api-1", "old-1", delete=True)]
    repair = plan(state, [OLD[1], *new], earlier=OLD)
    assert repair.deployment["resources"] == state
    assert repair.containers == ()


def test_when_an_earlier_replica_died_by_itself_an_ill_release_still_goes() -> None:
    new = [replica("new-0", health="unhealthy")]
    state = [
        resource("api-0", "new-0"),
        resource("api-1", "old-1"),
        resource("api-0", "old-0", delete=True),
    ]
    repair = plan(state, [OLD[1], *new], earlier=OLD)
    assert left(repair) == {"api-1": "old-1"}
    assert repair.containers == tuple(new)


def test_after_a_first_release_no_replica_is_left_and_the_stores_stay() -> None:
    new, database = replica("new-0"), container("db")
    state = [resource("db", "id-db"), resource("api-0", "new-0")]
    repair = plan(state, [database, new], earlier=[])
    assert left(repair) == {"db": "id-db"}
    assert repair.containers == (new,)


@pytest.mark.parametrize(
    ("part", "changes", "stays"),
    [
        ("db", {"health": "starting"}, True),
        ("db", {"health": "unhealthy"}, True),
        ("db", {"health": "starting", "restarts": 4}, False),
        ("db", {"state": "restarting", "health": "unhealthy"}, False),
        ("lb", {"health": "starting"}, False),
        ("lb", {}, True),
    ],
)
def test_a_part_stopped_first_stays_when_well_or_at_work_on_its_data(
    part: str, changes: dict[str, Any], stays: bool
) -> None:
    new = container(part, id="new", **changes)
    repair = plan([resource(part, "new", initErrors=["x"])], [new, *OLD], earlier=OLD)
    assert left(repair) == ({part: "new"} if stays else {})
    assert repair.containers == (() if stays else (new,))


def test_a_new_database_keeps_the_secrets_it_was_made_with() -> None:
    """Its predecessor has gone: the earlier secrets are of no use to anybody."""
    database = container("db", id="db-new", volumes=("secrets-new", "amas-local-db"))
    loaders = [
        container("files", id=f"load-{age}", name=f"amas-local-load-{age}", state="exited")
        for age in ("old", "new")
    ]
    volume = resource("db-secrets", "secrets-new", kind=VOLUME)
    loader = resource("load", "load-new", dependencies=[volume["urn"]])
    state = [
        volume,
        loader,
        resource("db", "db-new", dependencies=[loader["urn"]]),
        resource("load", "load-old", delete=True),
        resource("db-secrets", "secrets-old", kind=VOLUME, delete=True),
    ]
    repair = plan(
        state,
        [database, *loaders],
        earlier=[loaders[0]],
        volumes=frozenset({"secrets-old", "secrets-new", "amas-local-db"}),
    )
    assert left(repair) == {"db-secrets": "secrets-new", "load": "load-new", "db": "db-new"}
    assert [one.id for one in repair.containers] == ["load-old"]
    assert repair.volumes == ("secrets-old",)


def test_secrets_of_the_failed_release_go_and_the_earlier_stay() -> None:
    state = [
        resource("api-secrets", "secrets-new", kind=VOLUME),
        resource("api-secrets", "secrets-old", kind=VOLUME, delete=True),
    ]
    repair = plan(state, [], earlier=[], volumes=frozenset({"secrets-old", "secrets-new"}))
    assert left(repair) == {"api-secrets": "secrets-old"}
    assert repair.volumes == ("secrets-new",)


def test_no_volume_with_data_is_ever_removed() -> None:
    repair = plan([], [], earlier=[], volumes=frozenset({"amas-local-db", "amas-local-queue", "somebodys"}))
    assert repair.volumes == ()


def test_what_the_engine_no_longer_holds_leaves_the_state_and_its_dependents_forget_it() -> None:
    gone = resource("db", "gone")
    api = resource("api-0", "old-0", dependencies=[gone["urn"]], propertyDependencies={"x": [gone["urn"]]})
    repair = plan([gone, api, resource("net", "n", kind=NETWORK)], OLD[:1], earlier=OLD[:1])
    assert left(repair) == {"api-0": "old-0"}
    assert list(references(repair.deployment["resources"][0])) == []


def test_cut_short_operations_are_forgotten_and_the_rest_of_the_state_is_kept() -> None:
    deployment = {"manifest": {"time": "t"}, "resources": [], "pending_operations": [{"type": "creating"}]}
    repair = plan_repair(deployment, Held("local", [], frozenset(), frozenset()))
    assert repair.deployment == {"manifest": {"time": "t"}, "resources": []}


def test_the_state_keeps_an_order_in_which_all_comes_after_what_it_needs() -> None:
    """An earlier resource stands last in the state of a failed run."""
    provider = {"urn": PROVIDER, "type": "pulumi:providers:docker", "id": "p", "custom": True}
    old = resource("api-0", "old-0", provider=f"{PROVIDER}::p")
    balancer = resource("lb", dependencies=[old["urn"]], deletedWith="nothing")
    names = [one["urn"].rpartition("::")[2] for one in in_order([balancer, old, provider])]
    assert names == ["default", "api-0", "lb"]


@pytest.mark.parametrize(
    ("deployment", "needed"),
    [
        ({}, False),
        ({"resources": [resource("a")]}, False),
        ({"resources": [resource("a", delete=True)]}, True),
        ({"resources": [resource("a", initErrors=["x"])]}, True),
        ({"resources": [], "pending_operations": [{}]}, True),
    ],
)
def test_a_run_that_did_not_end_well_shows_in_the_state(deployment: dict[str, Any], needed: bool) -> None:
    assert needs_repair(deployment) is needed
