"""Builds the images the engine does not have yet, and writes down which ones stand.

An image is found again by the hash of everything that goes into it, kept as its label: a fresh checkout of
the same sources builds nothing.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from runbook import places
from runbook.errors import AmasError, CheckFailed, EnvironmentMissing
from runbook.terminal import Progress, seconds, show_error, size
from runbook.up.image_plan import (
    Entry,
    Input,
    Lock,
    Plan,
    Recipe,
    build_arguments,
    context,
    debian_mirrors,
    failing_step,
    missing_package,
    npmrc,
    parse_versions,
    pip_conf,
    plain,
    plan_all,
    plan_of,
    render_lock,
    tag_of,
    waves,
)
from runbook.up.secrets import ensure_state_dir

SUITE = "trixie"
LABEL = "amas.inputs"
VERSIONS_FILE = "/etc/amas/versions"
AT_ONCE = 2
STEP_TIMEOUT_S = 1800  # silence within one build step, not its length
PULL_TIMEOUT_S = 30


def ensure_images(progress: Progress, tools_bin: Path) -> Lock:
    """Every image of the stack, found or built; the lock is written when all of them stand."""
    ensure_state_dir(places.state_dir())
    base, others = plan_all(places.ROOT, tools_bin)
    known = read_lock(places.image_lock())
    lock: Lock = {"base": _ensure(base, {}, known, progress)}

    def ensured(plan: Plan) -> Entry:
        return _ensure(plan, lock, known, progress)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for wave in waves(others, lock):
            entries = list(pool.map(ensured, wave))
            lock |= {plan.recipe.name: entry for plan, entry in zip(wave, entries, strict=True)}
    write_lock(lock, places.image_lock())
    return lock


def ensure_for_tests(recipe: Recipe, progress: Progress) -> Entry:
    """An image that no stack needs: it stands in no lock."""
    ensure_state_dir(places.state_dir())
    base, (wanted,) = plan_of([recipe], places.ROOT, places.ROOT)
    known = read_lock(places.image_lock())
    return _ensure(wanted, {"base": _ensure(base, {}, known, progress)}, {}, progress)


def _ensure(plan: Plan, standing: Lock, known: Lock, progress: Progress) -> Entry:
    started, name, done = time.monotonic(), plan.recipe.name, "found"
    try:
        with closing(_connect()) as engine:
            image = _find(engine, plan)
            if image is None:
                progress.say(f"{name}: building, log in {_log_path(name)}")
                image, done = _build(engine, plan, standing), "built"
            entry = _entry(engine, plan, image, known.get(name))
    except (DockerException, RequestException, HTTPError) as reason:
        raise CheckFailed(f"image {name}: the Docker engine failed: {reason}", "docker info") from reason
    elapsed = seconds(time.monotonic() - started)
    progress.say(f"{name}: {done} in {elapsed}, {entry['tag']}, {size(entry['size_bytes'])}")
    return entry


def _connect(timeout_s: int = STEP_TIMEOUT_S) -> docker.DockerClient:
    try:
        return docker.from_env(timeout=timeout_s)
    except DockerException as reason:
        raise EnvironmentMissing(f"no Docker engine answers: {reason}", "./scripts/up") from reason


def _find(engine: docker.DockerClient, plan: Plan) -> Image | None:
    """By label and tag: layers left by a failed build inherit the label of the image they stand on."""
    labelled = engine.images.list(f"amas/{plan.recipe.name}", filters={"label": f"{LABEL}={plan.hash}"})
    return next((image for image in labelled if _tag(image, plan)), None)


def _tag(image: Image, plan: Plan) -> str | None:
    ending = f"-{plan.hash[:12]}"
    return next((tag for tag in image.tags if tag.endswith(ending)), None)


def _entry(engine: docker.DockerClient, plan: Plan, image: Image, known: Entry | None) -> Entry:
    tag = _tag(image, plan)
    if known and tag and known["id"] == image.id and known["tag"] == tag:
        return known
    packages = _packages(engine, image)
    if not tag:
        tag = tag_of(plan.recipe, packages, plan.hash)
        image.tag(tag)
    return Entry(id=str(image.id), tag=tag, size_bytes=image.attrs["Size"], packages=packages)


def _packages(engine: docker.DockerClient, image: Image) -> dict[str, str]:
    container = engine.containers.create(str(image.id), "true", network_mode="none")
    try:
        chunks, _ = container.get_archive(VERSIONS_FILE)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            content = tar.extractfile(Path(VERSIONS_FILE).name)
            return parse_versions(content.read().decode()) if content else {}
    finally:
        container.remove()


def _build(engine: docker.DockerClient, plan: Plan, standing: Lock) -> Image:
    """Raises with the failing step, its last lines and the log's place."""
    log = _log_path(plan.recipe.name)
    log.write_text("")
    settings = []
    if plan.recipe.files:
        listed = _output_of(sys.executable, "-m", "pip", "config", "list")
        settings.append(Input("pip.conf", pip_conf(listed).encode()))
    if any(each.path == "package-lock.json" for each in plan.inputs):
        listed = _output_of("npm", "config", "list", "--json")
        settings.append(Input("npmrc", npmrc(listed, os.environ).encode()))
    answers = engine.api.build(
        fileobj=io.BytesIO(context((*plan.inputs, *settings))),
        custom_context=True,
        buildargs=build_arguments(
            {name: standing[image]["tag"] for name, image in plan.recipe.parents.items()}
            or {"PARENT": _root_file_system(engine, plan, log)},
            os.environ,
            _output_of("apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy"),
        ),
        labels={LABEL: plan.hash},
        rm=True,
        forcerm=True,
        decode=True,
    )
    return engine.images.get(_follow(answers, plan.recipe.name, log))


def _follow(answers: Iterable[Mapping[str, Any]], name: str, log: Path) -> str:
    """Writes the build's output as it comes; the image's id in the end."""
    image_id, failed = "", False
    with log.open("a") as out:
        # To its end also after an error: an answer half read would hold its connection.
        for answer in answers:
            out.write(plain(answer.get("stream", "") or answer.get("error", "")))
            image_id = answer.get("aux", {}).get("ID", image_id)
            failed = failed or "error" in answer
    if failed:
        raise build_failure(name, log)
    return image_id


def build_failure(name: str, log: Path) -> CheckFailed:
    lines = log.read_text().splitlines()
    package = missing_package(lines)
    reason = f": package {package} cannot be had from the package source" if package else ""
    return CheckFailed(
        "\n".join([f"image {name} was not built{reason}", *failing_step(lines), f"the whole output: {log}"]),
        f"less {log}",
    )


def _log_path(name: str) -> Path:
    return places.state_dir() / "logs" / f"image-{name}.log"


def _output_of(*command: str) -> str:
    """Empty where the program is missing or fails: each answer here has a default."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def read_lock(path: Path) -> Lock:
    """Empty when there is none, or none that can be read: it is only a record, and is written anew."""
    try:
        lock: Lock = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return lock


def write_lock(lock: Lock, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(render_lock(lock))
    unfinished.replace(path)


# The root file system under the base image: Debian's own where a registry answers, else made from packages.


def _root_file_system(engine: docker.DockerClient, base: Plan, log: Path) -> str:
    script = next(each for each in base.inputs if each.path == "debootstrap.sh")
    tag = f"{SUITE}-{hashlib.sha256(script.content).hexdigest()[:12]}"
    try:
        return engine.images.get(f"amas/rootfs:{tag}").tags[0]
    except ImageNotFound:
        pass
    try:
        with closing(_connect(PULL_TIMEOUT_S)) as impatient:
            return impatient.images.pull("debian", f"{SUITE}-slim").tags[0]
    except (DockerException, RequestException) as reason:
        log.write_text(f"no registry: {reason}\n")
    _debootstrap(engine, tag, log)
    return f"amas/rootfs:{tag}"


def _debootstrap(engine: docker.DockerClient, tag: str, log: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise EnvironmentMissing(
            f"image base: no registry answers for debian:{SUITE}-slim, and making it from packages"
            " needs root and the package debootstrap",
            "apt-get install debootstrap",
        )
    targets = _output_of(
        "apt-get", "indextargets", "--format", "$(REPO_URI)|$(LABEL)", "Created-By: Packages"
    )
    mirrors = debian_mirrors(targets, os.environ.get("AMAS_DEBIAN_MIRROR"))
    script = places.ROOT / "images" / "base" / "debootstrap.sh"
    places.cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.cache_dir()) as work, log.open("a") as out:
        archive = Path(work) / "rootfs.tar"
        with archive.open("wb") as tar:
            made = subprocess.run([script, SUITE, *mirrors, work], stdout=tar, stderr=out, check=False)
        if made.returncode != 0:
            raise build_failure("base", log)
        engine.api.import_image(src=str(archive), repository="amas/rootfs", tag=tag)


def main() -> int:
    from runbook.up.toolchain import tools_bin  # noqa: PLC0415 - only when run alone

    try:
        ensure_images(Progress(), tools_bin())
    except AmasError as error:
        show_error(error, as_json=False)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
