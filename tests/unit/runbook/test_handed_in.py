"""What goes off site with the data: the configuration, never what opens it."""

import base64
import io
import tarfile
from pathlib import Path

import pytest

from runbook import places
from runbook.errors import CheckFailed
from runbook.handed_in import FOLDER, hand_in
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container


@pytest.fixture
def state(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "stack_configurations", lambda: state_dir / "stacks")
    (state_dir / "stacks").mkdir(parents=True)
    (state_dir / "passphrase").write_text("phrase")
    (state_dir / "images.json").write_text('{"db": {}}')
    (state_dir / "stacks" / "Pulumi.local.yaml").write_text("encryptionsalt: v1:abc\n")
    (state_dir / "stacks" / "Pulumi.other.yaml").write_text("encryptionsalt: v1:other\n")
    return state_dir


def handed(engine: MemoryEngine) -> dict[str, bytes]:
    *_, folder, text = engine.commands[0]
    assert folder == FOLDER
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(text))) as tar:
        return {one.name: file.read() for one in tar if (file := tar.extractfile(one))}


@pytest.mark.usefixtures("state")
def test_it_is_the_stacks_own_configuration_and_the_image_lock() -> None:
    engine = MemoryEngine(held=[container("backup")])
    hand_in("local", engine, Progress())
    assert handed(engine) == {"Pulumi.local.yaml": b"encryptionsalt: v1:abc\n", "images.json": b'{"db": {}}'}


def test_alert_rules_of_its_own_go_with_it(state: Path, tmp_path: Path) -> None:
    rules = tmp_path / "mine.yaml"
    rules.write_text("rules: []\n")
    configuration = f"config:\n  amas:alertRulesFile: {rules}\n"
    (state / "stacks" / "Pulumi.local.yaml").write_text(configuration)
    engine = MemoryEngine(held=[container("backup")])
    hand_in("local", engine, Progress())
    assert handed(engine)["alert-rules.yaml"] == b"rules: []\n"


@pytest.mark.usefixtures("state")
def test_without_a_backup_there_is_nobody_to_hand_it_to() -> None:
    engine = MemoryEngine(held=[container("db"), container("backup", state="exited")])
    hand_in("local", engine, Progress())
    assert engine.commands == []


@pytest.mark.usefixtures("state")
def test_a_full_volume_is_told() -> None:
    engine = MemoryEngine(held=[container("backup")], answer=(2, "tar: No space left on device"))
    with pytest.raises(CheckFailed, match="No space left"):
        hand_in("local", engine, Progress())
