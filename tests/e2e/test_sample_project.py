"""The sample project from real packages: all role sets baked, and what their images are good for."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NOTHING, Kitchen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WEB = "127.77.0.11:8081"
API = "127.77.0.12:8082"

Podman = Callable[..., str]


@pytest.fixture(scope="module")
def sample(repository: Path, home: Path, bakery_command: Path) -> Kitchen:
    return Kitchen(command=bakery_command, home=home, project=repository)


@pytest.fixture(scope="module")
def baked(sample: Kitchen) -> dict[str, Any]:
    """The results of ``bakery bake --all`` by role set."""
    results = sample.bake("--all", "--jobs", "2").document["results"]
    return {result["role_set"]: result for result in results}


@pytest.fixture(scope="module")
def run_podman(podman: str, podman_environment: dict[str, str]) -> Podman:
    def run(*words: str) -> str:
        done = subprocess.run(
            [podman, *words], env=podman_environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@contextmanager
def running(run_podman: Podman, image: str, *options: str) -> Iterator[str]:
    """A container of ``image`` as a user would start it, removed afterwards."""
    container = run_podman("run", "--detach", "--systemd=always", *options, image).strip()
    try:
        wait_until_booted(run_podman, container)
        yield container
    finally:
        run_podman("rm", "--force", "--time", "5", container)


def wait_until_booted(run_podman: Podman, container: str) -> None:
    """Ask until systemd has a bus to answer on and says that every unit is up."""
    for _ in range(300):
        said = run_podman("exec", container, "sh", "-c", "systemctl is-system-running --wait || true")
        if said.strip() in {"running", "degraded"}:
            break
    assert said.strip() == "running", run_podman("exec", container, "systemctl", "--failed")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def test_every_role_set_is_baked_and_verified(baked: dict[str, Any], sample: Kitchen) -> None:
    assert {name: one["status"] for name, one in baked.items()} == dict.fromkeys(
        ("web", "api", "db"), "baked"
    )
    assert all(one["checks"]["passed"] > 0 and one["checks"]["failed"] == 0 for one in baked.values())
    assert sample.leftovers() == NOTHING


def test_what_role_sets_share_is_baked_once(baked: dict[str, Any]) -> None:
    prefix = {name: [layer["digest"] for layer in one["layers"][:2]] for name, one in baked.items()}
    assert prefix["web"] == prefix["api"] == prefix["db"]
    layers = [layer for one in baked.values() for layer in one["layers"]]
    fresh = sorted(layer["role"] for layer in layers if not layer["cached"])
    assert fresh == ["app", "common", "hardening", "nginx", "postgresql"]


def test_podman_runs_the_image_from_the_layout_and_it_serves(
    baked: dict[str, Any], sample: Kitchen, run_podman: Podman
) -> None:
    image = f"oci:{sample.home}/container/oci:web:latest"
    with running(run_podman, image, "--publish", f"{WEB}:80"):
        assert get(f"http://{WEB}/healthz").strip() == "ok"


def test_a_loaded_image_serves_and_has_an_identity_of_its_own(
    baked: dict[str, Any], sample: Kitchen, run_podman: Podman
) -> None:
    sample.run("load", "api")
    with (
        running(run_podman, "localhost/api:latest", "--publish", f"{API}:80") as first,
        running(run_podman, "localhost/api:latest") as second,
    ):
        assert "healthy" in get(f"http://{API}/healthz") or get(f"http://{API}/healthz")
        identities = [
            run_podman("exec", one, "cat", "/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub")
            for one in (first, second)
        ]
    assert identities[0] != identities[1]
    run_podman("rmi", "localhost/api:latest")


def test_nothing_of_the_bake_is_in_an_image(baked: dict[str, Any], sample: Kitchen, tmp_path: Path) -> None:
    """Read by an independent reader: umoci unpacks the layout."""
    bundle = tmp_path / "bundle"
    subprocess.run(
        ["umoci", "raw", "unpack", "--image", f"{sample.home}/container/oci:web:latest", bundle],
        check=True,
        capture_output=True,
    )
    unwanted = [
        "root/.ansible*",
        "root/.bash_history",
        "root/.cache",
        "etc/ssh/ssh_host_*",
        "var/lib/apt/lists/*_*",
        "var/cache/apt/*.bin",
        "var/cache/apt/archives/*.deb",
        "var/lib/dpkg/*-old",
        "var/lib/systemd/random-seed",
        "var/cache/ldconfig/aux-cache",
        "etc/*-",
        "tmp/*",
        "var/tmp/*",
        "run/*",
        "usr/**/__pycache__/*ansible*",
    ]
    found = [str(path.relative_to(bundle)) for pattern in unwanted for path in bundle.glob(pattern)]
    # An empty log may stay where its owner could not make it anew in a directory of root's.
    logs = [
        str(path.relative_to(bundle))
        for path in (bundle / "var/log").rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_size
    ]
    assert found == []
    assert logs == []
    assert (bundle / "etc/machine-id").read_text().strip() in {"", "uninitialized"}


def test_skopeo_reads_the_image_and_its_history_names_the_roles(
    baked: dict[str, Any], sample: Kitchen
) -> None:
    done = subprocess.run(
        ["skopeo", "inspect", "--config", f"oci:{sample.home}/container/oci:web:latest"],
        capture_output=True,
        text=True,
        check=True,
    )
    config = json.loads(done.stdout)
    created_by = [entry["created_by"] for entry in config["history"]]
    assert [line.split()[2] for line in created_by[-3:]] == ["common", "hardening", "nginx"]
    diff_ids = config["rootfs"]["diff_ids"]
    assert diff_ids[-3:] == [layer["digest"] for layer in baked["web"]["layers"]]


@pytest.mark.parametrize(("name", "transport"), [("oci", "oci-archive"), ("docker", "docker-archive")])
def test_an_exported_archive_is_readable(
    baked: dict[str, Any], sample: Kitchen, tmp_path: Path, name: str, transport: str
) -> None:
    archive = tmp_path / "web.tar"
    sample.run("export", "web", str(archive), "--format", name)
    done = subprocess.run(
        ["skopeo", "inspect", "--config", f"{transport}:{archive}"],
        capture_output=True,
        text=True,
        check=True,
    )
    diff_ids = json.loads(done.stdout)["rootfs"]["diff_ids"]
    assert diff_ids[-3:] == [layer["digest"] for layer in baked["web"]["layers"]]


def test_diff_tells_packages_and_files_by_role(baked: dict[str, Any], sample: Kitchen) -> None:
    text = sample.run("diff", "web", "api").stdout
    assert "app" in text
    assert (
        "/opt/app" in text
        or "/usr/local" in text
        or "app" in sample.run("diff", "web", "api", "--json").stdout
    )


def test_show_tells_layers_packages_and_config(baked: dict[str, Any], sample: Kitchen) -> None:
    shown = sample.run("show", "web").stdout
    for word in ("common", "hardening", "nginx", "checks", "80"):
        assert word in shown


def test_everything_is_unchanged_the_second_time(baked: dict[str, Any], sample: Kitchen) -> None:
    again = sample.bake("--all").document["results"]
    assert {one["status"] for one in again} == {"unchanged"}
