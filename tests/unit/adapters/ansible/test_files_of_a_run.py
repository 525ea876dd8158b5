"""What a run is given: the play, the variables, the command, the environment, the private directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.role.include import RoleInclude
from hypothesis import given, settings
from hypothesis import strategies as st

from bakery.adapters.ansible.command import playbook_command
from bakery.adapters.ansible.environment import run_environment, told_home
from bakery.adapters.ansible.places import Places, collection_paths, find_places, known_targets
from bakery.adapters.ansible.private_dir import private_dir, sweep_private_dirs
from bakery.adapters.ansible.provision import ROLE_KEYWORDS, play_text
from bakery.adapters.ansible.yaml_text import data_to_yaml, templates_to_yaml
from bakery.errors import MachineError, Place
from bakery.model.project import RoleUse, VaultIdentity, VaultSpec, VaultText
from bakery.model.run import Provision, Run

NAME = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(
        ["yes", "017", "1e3", "{{ a }}", "{% if %}", "!vault x", "null", "~", "2026-01-01", "a: b\n"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)


def a_provision(**use: object) -> Provision:
    fields = {"vars": {}, "set_vars": {}, "vars_files": (), "inputs": (), **use}
    role = RoleUse(name="web", version=None, origin="web", where=Place("bakery.yml", 1), **fields)
    return Provision(
        (role,),
        (Path("/roles"),),
        VaultSpec(tuple(map(VaultIdentity, ("prod@vault.py", "plain", "/abs")))),
        {},
    )


def plain(value: object) -> object:
    """Without Ansible's tags, of which Python's equality knows nothing anyway; for a readable difference."""
    return json.loads(json.dumps(value)) if not isinstance(value, str) else str(value)


@settings(deadline=None)
@given(st.dictionaries(NAME, VALUE, max_size=4))
def test_ansible_reads_every_value_back_as_it_was(variables: dict[str, object]) -> None:
    assert plain(DataLoader().load(templates_to_yaml(variables))) == plain(variables)
    assert plain(DataLoader().load(data_to_yaml(variables))) == plain(variables)


def test_encrypted_values_stay_encrypted() -> None:
    text = templates_to_yaml(
        {"password": VaultText("$ANSIBLE_VAULT;1.1;AES256\n6162\n6364\n"), "n": [VaultText("x")]}
    )
    assert "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n  6364\n" in text
    assert "!vault" in text.split("n:")[1]


def test_data_that_looks_like_a_template_is_marked() -> None:
    assert data_to_yaml({"a": "{{ b }}", "c": "plain"}) == 'a: !unsafe "{{ b }}"\nc: plain\n'


def test_the_keywords_are_those_of_ansible() -> None:
    assert frozenset(RoleInclude.fattributes) <= ROLE_KEYWORDS


def test_a_role_variable_named_like_a_keyword_is_no_keyword() -> None:
    (play,) = yaml.safe_load(play_text(a_provision(vars={"port": 80, "tags": ["x"], "other": 1})))
    assert play["roles"] == [{"role": "web", "other": 1, "vars": {"port": 80, "tags": ["x"]}}]


def test_a_bare_role_is_a_bare_play() -> None:
    (play,) = yaml.safe_load(play_text(a_provision()))
    assert play == {
        "name": "Apply role web",
        "hosts": "machine",
        "gather_facts": True,
        "roles": [{"role": "web"}],
    }


def test_no_value_is_on_the_command_line(tmp_path: Path) -> None:
    run = Run("layer.yml", {"bakery_home": "SENTINEL"}, tmp_path, a_provision(vars={"password": "SENTINEL"}))
    with private_dir() as private:
        command = playbook_command(run, private, Places(Path("/playbooks"), Path("/collections")))
        assert not any("SENTINEL" in word for word in command)
        assert command[-1] == "/playbooks/layer.yml"
        identities = [command[i + 1] for i, word in enumerate(command) if word == "--vault-id"]
        assert identities == [f"prod@{tmp_path}/vault.py", f"default@{tmp_path}/plain", "default@/abs"]
        for file in private.path.rglob("*"):
            if not file.is_symlink():
                assert file.stat().st_mode & 0o077 == 0


def test_the_play_sees_the_project_but_no_stray_variables(tmp_path: Path) -> None:
    for name in ("files", "group_vars", "library", "filter_plugins", "roles", ".git"):
        (tmp_path / name).mkdir()
    provision = a_provision(inputs=(tmp_path / "filter_plugins",))
    with private_dir() as private:
        playbook_command(Run("layer.yml", {}, tmp_path, provision), private, find_places())
        assert sorted(path.name for path in (private.path / "project").iterdir()) == [
            "bakery_provision.yml",
            "files",
            "filter_plugins",
        ]


def test_the_environment_is_built_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSH_AUTH_SOCK", "ANSIBLE_VAULT_PASSWORD_FILE", "PYTHONPATH", "LD_PRELOAD", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("https_proxy", "http://proxy")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with private_dir() as private:
        environment = run_environment(Run("x.yml", {}, tmp_path), private, find_places())
    assert not environment.keys() & {
        "SSH_AUTH_SOCK", "ANSIBLE_VAULT_PASSWORD_FILE", "PYTHONPATH", "LD_PRELOAD", "GITHUB_TOKEN",
    }  # fmt: skip
    assert environment["https_proxy"] == "http://proxy"
    assert environment["AWS_REGION"] == "eu-central-1"
    assert environment["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert environment["ANSIBLE_NO_TARGET_SYSLOG"] == "True"
    assert environment["ANSIBLE_COLLECTIONS_PATH"].split(":") == [
        str(path) for path in collection_paths(tmp_path)
    ]


def test_a_private_directory_is_private_and_gone_after_an_exception() -> None:
    def use() -> None:
        with private_dir() as private:
            seen.append((private.path, private.path.stat().st_mode & 0o777))
            (private.path / "link").symlink_to(Path.home())
            raise RuntimeError

    seen: list[tuple[Path, int]] = []
    with pytest.raises(RuntimeError):
        use()
    ((path, mode),) = seen
    assert mode == 0o700
    assert not path.exists()
    assert Path.home().exists()


def test_the_temporary_directory_serves_where_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakery.adapters.ansible.private_dir._ROOM", 2**80)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with private_dir() as private:
        assert private.path.parent == tmp_path


def test_no_place_at_all_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakery.adapters.ansible.private_dir._ROOM", 2**80)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with (
        pytest.raises(MachineError, match=r"no place for the private files of a run .*set TMPDIR"),
        private_dir(),
    ):
        pass


def test_the_sweep_takes_what_the_dead_left_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        pass
    names = {
        f"bakery-run-{ended.pid}-1-{'a' * 16}": True,
        f"bakery-run-{os.getpid()}-1-{'b' * 16}": True,
        f"bakery-run-{os.getpid()}-1": False,
        "bakery-run-notes": False,
    }
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / f"bakery-run-{ended.pid}-1-{'c' * 16}").symlink_to(tmp_path)
    with private_dir() as mine:
        dead = {tmp_path / name for name, is_dead in names.items() if is_dead}
        assert {path for path in sweep_private_dirs(dry_run=True) if path.parent == tmp_path} == dead
        sweep_private_dirs(dry_run=False)
        assert mine.path.exists()
    left = {path.name for path in tmp_path.iterdir() if not path.is_symlink()}
    assert left == {name for name, is_dead in names.items() if not is_dead}


UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
IN_A_NAMESPACE_OF_ITS_OWN = [*UNSHARE, sys.executable, "-c"]
RUNNER = """
import sys
from bakery.adapters.ansible import private_dir
private_dir._ROOM = 2**80
with private_dir.private_dir() as mine:
    if sys.argv[1:]:
        (mine.path / "owner.json").write_text(sys.argv[1])
    print(mine.path, flush=True)
    sys.stdin.read()
    import os
    os._exit(0)
"""
SWEEPER = """
from bakery.adapters.ansible.private_dir import sweep_private_dirs
for path in sweep_private_dirs(dry_run=False):
    print(path)
"""


@pytest.mark.parametrize("owner_file", [(), ("",), ('{"boot": 5}',)], ids=["whole", "empty", "damaged"])
def test_a_sweep_in_another_container_leaves_a_private_directory_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner_file: tuple[str, ...]
) -> None:
    """Both have one /tmp, and in both somebody has the same process id."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    common: dict[str, Any] = {"cwd": Path(__file__).parents[4], "env": environment, "text": True}
    with subprocess.Popen(
        [*IN_A_NAMESPACE_OF_ITS_OWN, RUNNER, *owner_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **common,
    ) as runner:
        assert runner.stdout is not None
        path = Path(runner.stdout.readline().strip())
        assert path.parent == tmp_path

        def sweep() -> list[Path]:
            done = subprocess.run(
                [*IN_A_NAMESPACE_OF_ITS_OWN, SWEEPER], check=True, stdout=subprocess.PIPE, **common
            )
            return [found for found in map(Path, done.stdout.splitlines()) if found.parent == tmp_path]

        assert sweep() == []
        day_old = time.time() - 90_000
        os.utime(path, (day_old, day_old))
        # Who is in no container sees that it lives, and then that it does not.
        assert path not in sweep_private_dirs(dry_run=True)
        assert sweep() == [path]
        assert not path.exists()
        path.mkdir()
        runner.communicate("")
    assert path in sweep_private_dirs(dry_run=True)


def test_a_home_that_is_not_utf8_is_told_by_a_link(tmp_path: Path) -> None:
    home = tmp_path / "not-utf8-\udcff"
    with private_dir() as private:
        told = told_home(private, home)
        assert told == told_home(private, home)
        assert str(told).isascii()
        assert told.readlink() == home
        assert told_home(private, tmp_path / "müller") == tmp_path / "müller"


@pytest.mark.parametrize("value", ["\udcff", ["\udcff"], {"a": {"\udcff": 1}}, {"a": ("b", "\udcff")}])
def test_any_other_name_that_is_not_utf8_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    run = Run("sweep.yml", {"bakery_x": value}, project_root=tmp_path)
    with private_dir() as private:
        with pytest.raises(MachineError, match=r"\\xff is not UTF-8, which a run cannot be told of"):
            playbook_command(run, private, find_places())
        monkeypatch.setenv("HOME", "/\udcff")
        with pytest.raises(MachineError, match="the environment variable HOME is not UTF-8"):
            run_environment(run, private, find_places())


def test_an_installed_package_carries_its_playbooks(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "bakery"
    roles = package / "_ansible/collections/ansible_collections/bakery/images/roles"
    for name in ("target_null", "target_container", "other"):
        (roles / name).mkdir(parents=True)
    places = find_places(package)
    assert places.playbooks == package / "_ansible/playbooks"
    assert known_targets(places) == ("container", "null")


def test_a_kind_for_tests_only_needs_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "bakery"
    roles = package / "_ansible/collections/ansible_collections/bakery/images/roles"
    (roles / "target_container").mkdir(parents=True)
    (roles / "target_bare" / "files").mkdir(parents=True)
    (roles / "target_bare" / "files" / "for-tests-only").write_text("BAKERY_BARE\n")
    places = find_places(package)
    monkeypatch.delenv("BAKERY_BARE", raising=False)
    assert known_targets(places) == ("container",)
    monkeypatch.setenv("BAKERY_BARE", "0")
    assert known_targets(places) == ("container",)
    monkeypatch.setenv("BAKERY_BARE", "1")
    assert known_targets(places) == ("bare", "container")
    with private_dir() as private:
        assert run_environment(Run("x.yml", {}, tmp_path), private, places)["BAKERY_BARE"] == "1"


def test_a_project_cannot_name_the_kind_that_isolates_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKERY_NULL_TARGET", raising=False)
    assert known_targets() == ("container", "ec2")


def test_a_package_without_its_collection_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="install bakery again"):
        find_places(tmp_path / "bakery")


@pytest.mark.parametrize(("target", "seen"), [("container", {"DOCKER_CONFIG"}), ("ec2", {"AWS_PROFILE"})])
def test_credentials_reach_only_runs_of_the_target_that_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, seen: set[str]
) -> None:
    theirs = {"AWS_PROFILE", "DOCKER_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS"}
    for name in theirs:
        monkeypatch.setenv(name, "x")
    run = Run("x.yml", {"bakery_target": target}, tmp_path)
    with private_dir() as private:
        assert run_environment(run, private, find_places()).keys() & theirs == seen


def test_the_callers_environment_is_written_down_only_for_vault_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s.SENTINEL")
    told = []
    for provision in (None, a_provision()):
        with private_dir() as private:
            playbook_command(Run("x.yml", {}, tmp_path, provision), private, find_places())
            told.append("s.SENTINEL" in (private.path / "sealed.json").read_text())
    assert told == [False, True]
