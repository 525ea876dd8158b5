"""What the engine says that is no last word; the engine is a program of the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman

# Refuses to remove as many times as there are lines in the file ``refusals``, which it counts down.
_ENGINE = """\
#!/bin/sh
cd '{directory}'
echo "$1" >>calls
case "$1" in
container) echo '[{{"State": {{"Running": false}}}}]' ;;
rm)
    refusal=$(head -n 1 refusals)
    sed -i 1d refusals
    [ -z "$refusal" ] || {{ echo "$refusal" >&2; exit 2; }}
    ;;
esac
"""
_ENDING = "Error: cannot remove container 1 as it could not be stopped: container state improper: stopped"


@pytest.fixture
def refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with what the engine says before it removes a container."""
    engine = tmp_path / "podman"
    engine.write_text(_ENGINE.format(directory=tmp_path))
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "refusals"


def test_a_container_that_ends_just_then_is_removed_a_moment_later(refusals: Path) -> None:
    refusals.write_text(f"{_ENDING}\n{_ENDING}\n")
    Podman().remove("web", grace_s=0)
    assert (refusals.parent / "calls").read_text().split() == ["rm", "container", "rm", "container", "rm"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-30T01:23:37.123456789Z", 1796001817.123456789),
        ("2026-11-30T01:23:37.5+01:00", 1795998217.5),
        ("2026-11-30T01:23:37Z", 1796001817.0),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_when_a_container_ended_is_told_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, moment: float | None
) -> None:
    state = {"Running": False, "ExitCode": 7, "FinishedAt": text}
    engine = tmp_path / "podman"
    engine.write_text(f"#!/bin/sh\necho '{json.dumps([{'State': state}])}'\n")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = Podman().inspect("web")
    assert found is not None
    assert (found.running, found.exit_code) == (False, 7)
    assert found.finished == (pytest.approx(moment) if moment else None)


def test_another_refusal_is_told_at_once(refusals: Path) -> None:
    refusals.write_text("Error: the store is locked\n")
    with pytest.raises(MachineFailure, match="the store is locked"):
        Podman().remove("web", grace_s=0)
    assert (refusals.parent / "calls").read_text().split() == ["rm", "container"]
