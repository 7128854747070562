"""Bad values are told together, one line each, naming key, value and range."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from infra import document
from infra.config import RESERVED_CONNECTIONS, parse
from infra.edge import combined
from infra.keys import KEYS
from runbook.pool.judge import RESERVE
from runbook.up.certificate import self_signed

TLS_FILES = ("tlsCertificateFile", "tlsKeyFile")


def problems(**given_values: str) -> list[str]:
    return parse(given_values.get)[1]


def test_defaults_are_valid() -> None:
    assert problems() == []


def test_a_value_out_of_range_names_key_value_and_range() -> None:
    assert problems(replicas="99") == ["amas:replicas = 99: must be an integer from 1 to 8"]


def test_every_bad_value_is_told_at_once() -> None:
    found = problems(
        httpPort="0", readsNeedKey="maybe", bindAddress="everywhere", logLevel="loud", healthSchedule="hourly"
    )
    assert len(found) == 5
    assert "amas:readsNeedKey = maybe: must be true or false" in found


def test_text_where_a_number_belongs_is_refused() -> None:
    assert problems(dbMemoryMb="1g") == ["amas:dbMemoryMb = 1g: must be an integer from 512 to 262144"]


def test_pools_of_a_roll_must_fit_the_database() -> None:
    found = problems(replicas="6", maxReplicas="12")
    assert len(found) == 1
    assert found[0].startswith("amas:dbMaxConnections = 200: must be at least 250 for a roll of 6 replicas")


def test_places_of_the_balancer_must_fit_a_roll() -> None:
    assert "amas:maxReplicas = 3" in problems(replicas="2", maxReplicas="3")[0]


def test_a_password_in_the_address_off_site_is_refused() -> None:
    (found,) = problems(offsiteRepository="rest:https://amas:hunter2@backup.example.org/amas")
    assert "rest:https://amas:***@backup.example.org/amas" in found
    assert "no password in it" in found
    assert problems(offsiteRepository="rest:https://amas@backup.example.org/amas") == []


def test_beyond_loopback_needs_tls() -> None:
    (found,) = problems(bindAddress="0.0.0.0")
    assert found.startswith(
        "amas:bindAddress = 0.0.0.0: beyond loopback only with TLS: set amas:tls to files"
    )
    assert problems(bindAddress="0.0.0.0", tls="self-signed") == []
    assert problems(bindAddress="::1") == problems(bindAddress="127.0.0.9") == []


def test_a_certificate_and_its_key_must_exist_and_belong_together(tmp_path: Path) -> None:
    assert [one.split(" =")[0] for one in problems(tls="files", tlsKeyFile="nowhere")] == [
        "amas:tlsCertificateFile",
        "amas:tlsKeyFile",
    ]
    pairs = [self_signed(("localhost",)) for _ in range(2)]
    for number, pem in enumerate(pairs):
        (tmp_path / f"{number}.pem").write_text(pem)
    certificate, other = str(tmp_path / "0.pem"), str(tmp_path / "1.pem")
    assert problems(tls="files", tlsCertificateFile=certificate, tlsKeyFile=certificate) == []
    (found,) = problems(tls="files", tlsCertificateFile=certificate, tlsKeyFile=other)
    assert found.startswith(f"amas:tlsKeyFile = {other}: not the key of tlsCertificateFile = {certificate}")


def test_remarks_in_any_language_and_one_file_for_both_make_a_pem(tmp_path: Path) -> None:
    pem = self_signed(("localhost",))
    both = tmp_path / "both.pem"
    both.write_bytes("subject=O = Größe\n".encode("latin-1") + pem.encode())
    assert problems(tls="files", tlsCertificateFile=str(both), tlsKeyFile=str(both)) == []
    made = combined(str(both), str(both))
    assert made.count("BEGIN PRIVATE KEY") == made.count("BEGIN CERTIFICATE") == 1
    assert pem in made


def test_a_certificate_that_is_not_used_is_told() -> None:
    (found,) = problems(tlsCertificateFile="site.pem")
    assert found == "amas:tlsCertificateFile = site.pem: not used while amas:tls is off; set it to files"


def test_one_port_cannot_serve_two() -> None:
    assert problems(httpsPort="3000") == []
    assert problems(httpsPort="3000", tls="self-signed") == [
        "amas:httpsPort = 3000: already taken by amas:httpPort"
    ]
    assert problems(httpPort="9090") == ["amas:prometheusPort = 9090: already taken by amas:httpPort"]


def test_grafanas_port_counts_where_grafana_runs() -> None:
    image = "sha256:" + "ab" * 32
    assert problems(grafanaPort="3000") == []
    assert problems(grafanaImage=image, grafanaPort="9090") == [
        "amas:grafanaPort = 9090: already taken by amas:prometheusPort"
    ]
    assert "an image's ID on this host" in problems(grafanaImage="grafana/grafana:latest")[0]


@given(st.dictionaries(st.sampled_from([key.name for key in KEYS]), st.text(max_size=20)))
def test_any_text_gives_a_value_in_range_or_a_problem_that_names_the_key(raw: dict[str, str]) -> None:
    values, found = parse(raw.get)
    for key in KEYS:
        assert key.allowed is None or key.allowed.admits(values[key.name])
    named = {problem.split(" ")[0].removeprefix("amas:") for problem in found}
    assert named <= set(raw) | {
        "maxReplicas",
        "dbMaxConnections",
        "prometheusPort",
        "grafanaPort",
        "httpsPort",
        "schedulerMemoryMb",
        *TLS_FILES,
    }


@given(st.integers(1, 4), st.integers(6, 60))
def test_accepted_configurations_keep_the_connection_budget(replicas: int, pool: int) -> None:
    values, found = parse({"replicas": str(replicas), "dbConnectionPoolSize": str(pool)}.get)
    fits = 2 * replicas * pool + RESERVED_CONNECTIONS <= int(values["dbMaxConnections"])
    assert (found == []) == fits


def test_pulumi_yaml_and_readme_are_up_to_date() -> None:
    assert document.main(["--check"]) == 0


def test_the_pool_page_keeps_the_same_reserve() -> None:
    assert RESERVE == RESERVED_CONNECTIONS


def test_a_large_load_test_needs_a_scheduler_that_can_hold_it() -> None:
    large = {"loadTestSchedule": "0 3 * * 5", "loadTestProfile": "average"}
    told = "amas:schedulerMemoryMb = 256: must be at least 768 for load tests above smoke"
    assert problems(**large) == problems(breakpointSchedule="0 3 2 */3 *") == [told]
    assert problems(**large, schedulerMemoryMb="1024") == []
    assert problems(loadTestSchedule="0 3 * * 5") == problems(loadTestProfile="average") == []
