from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bakery.adapters.ansible.targets import target_kinds
from bakery.cli.doctor.host import host_findings
from bakery.cli.doctor.install import packages_for
from bakery.cli.doctor.needs import Asked, Finding, Requirement, State, load_requirements
from bakery.cli.doctor.probing import probe, probe_all
from bakery.cli.projects import targets_asked
from bakery.errors import MachineError
from bakery.model.target import Target, TargetKind
from tests.unit.builders import project, role_set


def requirement(*argv: str, **changes: object) -> Requirement:
    return Requirement("thing", "for tests", argv, Path("/files"), **changes)  # type: ignore[arg-type]


def test_a_probe_that_succeeds_shows_its_first_line(tmp_path: Path) -> None:
    finding = probe(requirement("printf", "thing 1.2\nmore\n"), tmp_path)
    assert (finding.state, finding.found) == (State.OK, "thing 1.2")


def test_a_probe_that_fails_shows_its_last_complaint(tmp_path: Path) -> None:
    finding = probe(requirement("sh", "-c", "echo first >&2; echo last >&2; exit 3"), tmp_path)
    assert (finding.state, finding.trouble) == (State.MISSING, "last")


def test_a_command_that_is_not_there_is_a_need_not_met(tmp_path: Path) -> None:
    finding = probe(requirement("no-such-command-here"), tmp_path)
    assert (finding.state, finding.trouble) == (State.MISSING, "there is no command 'no-such-command-here'")


def test_probes_know_the_home_and_their_own_files(tmp_path: Path) -> None:
    finding = probe(requirement("echo", "{home}", "{files}/x"), tmp_path / "not" / "made")
    assert finding.found == f"{tmp_path} /files/x"


def test_probes_know_the_python_of_bakery_and_what_the_project_says(tmp_path: Path) -> None:
    finding = probe(requirement("echo", "{python}", "{options}", options={"region": "here"}), tmp_path)
    assert finding.found == f'{sys.executable} {{"region": "here"}}'


def test_findings_are_in_the_order_of_the_needs(tmp_path: Path) -> None:
    slow, fast = requirement("sh", "-c", "cat /dev/null; echo slow"), requirement("echo", "fast")
    assert [one.found for one in probe_all((slow, fast), tmp_path)] == ["slow", "fast"]


def write_needs(roles: Path, kind: str, *needs: str) -> None:
    """Have a kind of target whose role lists these needs."""
    files = roles / f"target_{kind}" / "files"
    files.mkdir(parents=True)
    rows = [{"need": need, "why": "runs", "probe": ["true"], "packages": {"apt": [need]}} for need in needs]
    (files / "doctor.json").write_text(json.dumps({"requirements": rows}))


def test_every_target_lists_its_needs_and_one_named_twice_counts_once(tmp_path: Path) -> None:
    for kind in ("one", "two"):
        write_needs(tmp_path, kind, "engine")
    (found,) = load_requirements(tmp_path)
    assert found.packages == {"apt": ("engine",)}


def test_what_only_unused_targets_need_is_optional(tmp_path: Path) -> None:
    write_needs(tmp_path, "one", "engine", "shell")
    write_needs(tmp_path, "two", "account", "shell")
    used = {"one": Asked(used=False), "two": Asked(used=True, options={"region": "here"})}
    found = {one.need: one for one in load_requirements(tmp_path, used)}
    assert {need for need, one in found.items() if one.optional} == {"engine"}
    assert found["account"].options == {"region": "here"}


def test_targets_of_a_project_are_those_of_its_role_sets() -> None:
    near, far = TargetKind("near", frozenset(), ()), TargetKind("far", frozenset({"find"}), ())
    targets = {"near": Target(near), "far": Target(far, {"region": "here"})}
    shop = replace(project(role_set("web", "nginx", targets=("far",))), targets=targets)
    assert targets_asked(shop) == {
        "near": Asked(used=False),
        "far": Asked(used=True, options={"region": "here"}),
    }


def test_outside_of_a_project_a_target_that_is_elsewhere_is_not_used() -> None:
    used = {name for name, asked in targets_asked(None).items() if asked.used}
    assert used == {kind.name for kind in target_kinds() if "find" not in kind.steps}
    assert used != set(targets_asked(None))


@pytest.mark.parametrize("text", ["", "[]", '{"requirements": [{}]}', "\x00"])
def test_a_damaged_list_of_needs_is_a_sentence(text: str, tmp_path: Path) -> None:
    files = tmp_path / "target_one" / "files"
    files.mkdir(parents=True)
    (files / "doctor.json").write_text(text)
    with pytest.raises(MachineError, match=r"doctor\.json cannot be read; install bakery again"):
        load_requirements(tmp_path)


def test_the_lists_that_bakery_ships_are_whole(repository: Path) -> None:
    roles = repository / "collections" / "ansible_collections" / "bakery" / "images" / "roles"
    needs = load_requirements(roles)
    assert needs
    for one in needs:
        assert one.why
        assert not one.why.endswith(".")
        command, *words = (word.replace("{files}", str(one.files)) for word in one.probe)
        if command.startswith("/"):
            assert Path(command).stat().st_mode & stat.S_IXUSR, command
        assert all(Path(word).is_file() for word in words if word.startswith(str(one.files)))


def test_only_what_is_missing_and_needed_is_installed() -> None:
    def finding(state: State, package: str, *, optional: bool = False) -> Finding:
        return Finding("x", "y", state, optional=optional, packages={"apt": (package,)})

    findings = (
        finding(State.OK, "there"),
        finding(State.MISSING, "wanted"),
        finding(State.MISSING, "wanted"),
        finding(State.MISSING, "luxury", optional=True),
        finding(State.SKIPPED, "untried"),
    )
    assert packages_for(findings, "apt") == ("wanted",)


def test_room_is_measured_where_the_home_will_be(tmp_path: Path) -> None:
    (room,) = (one for one in host_findings(tmp_path / "not" / "made") if one.need == "room")
    assert str(tmp_path / "not" / "made") in str(room.found)
