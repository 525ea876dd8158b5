"""What a peer needs, brought by its own package manager at a pinned version."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench import children
from bench.places import PEERS, REQUIREMENTS, ROOT


def ensure_packages(*names: str) -> None:
    """Debian packages; raises CommandFailed if one cannot be had."""
    children.run([ROOT / "tools" / "install-packages", *names], log=PEERS / "install.log")


def ensure_venv(name: str) -> Path:
    """The virtual environment of ``requirements/<name>.txt``, made anew when that file changed."""
    venv, wanted = PEERS / name, REQUIREMENTS / f"{name}.txt"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    stamp = venv / ".installed"
    if stamp.exists() and stamp.read_text() == digest:
        return venv
    print(f"bench: installing {name} into {venv.relative_to(ROOT)}", flush=True)
    log = PEERS / "install.log"
    children.run([ROOT / "tools" / "make-venv", venv], log=log)
    pip: list[str | Path] = [
        venv / "bin" / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--quiet",
        "install",
    ]
    children.run([*pip, "--requirement", wanted], log=log)
    stamp.write_text(digest)
    return venv


def site_packages(venv: Path) -> Path:
    return next((venv / "lib").glob("python3*")) / "site-packages"
