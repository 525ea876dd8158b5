# ruff: noqa: E501 - tables

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.errors import InputError, InputErrors
from bakery.load.role_folders import role_version
from bakery.load.roles import load_role, load_roles
from bakery.model.role_source import RoleSource
from tests.unit.load.conftest import Load, Write

LoadRole = Callable[[], RoleSource]


@pytest.fixture
def role(write: Write, root: Path) -> LoadRole:
    """Loads the role ``web``, which has tasks from the start."""
    write("roles/web/tasks/main.yml", "---\n")
    return lambda: load_role("web", (root / "roles",))


def test_a_role_is_described(role: LoadRole, write: Write, root: Path) -> None:
    write("roles/web/templates/x.j2", "{{ web_port }}")
    write("roles/web/VERSION", "1.2.0\n")
    write("roles/web/checks/test_web.py", "")
    source = role()
    assert (source.name, source.path, source.version) == ("web", root / "roles/web", "1.2.0")
    assert set(source.files) == {"VERSION", "tasks/main.yml", "templates/x.j2"}
    assert (source.checks, source.dynamic, source.uses) == (root / "roles/web/checks", None, ())
    assert "web_port" in source.names


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("README.md", False),
        ("README", False),
        ("checks/test_x.py", False),
        ("tests/test.yml", False),
        ("molecule/default/molecule.yml", False),
        (".gitignore", False),
        (".github/x", False),
        ("meta/.galaxy_install_info", False),
        ("library/__pycache__/x.pyc", False),
        ("tasks/main.yml~", False),
        ("defaults/main.yml", True),
        ("files/README.md", True),
        ("files/tests/x", True),
        ("files/.gitignore", True),
        ("templates/checks/x.j2", True),
        ("meta/argument_specs.yml", True),
        ("READMORE", True),
    ],
)
def test_what_counts_of_a_role(path: str, counts: bool, role: LoadRole, write: Write) -> None:
    before = role().digest
    write(f"roles/web/{path}", "install_date: today\n")
    assert (role().digest != before) == counts


def test_the_checkout_does_not_matter(role: LoadRole, write: Write, root: Path) -> None:
    write("elsewhere/web/tasks/main.yml", "---\n")
    assert load_role("web", (root / "elsewhere",)).digest == role().digest


def test_the_first_folder_that_has_a_role_wins(role: LoadRole, write: Write, root: Path) -> None:
    write("shared/web/tasks/main.yml", "- x\n")
    write("shared/other/tasks/main.yml", "- x\n")
    folders = (root / "roles", root / "shared")
    assert load_role("web", folders).path == root / "roles/web"
    assert load_role("other", folders).path == root / "shared/other"


@pytest.mark.parametrize(
    ("path", "text", "version"),
    [
        ("VERSION", "1.2.0\n", "1.2.0"),
        ("VERSION", "\n", None),
        ("meta/main.yml", "galaxy_info:\n  role_name: x\n  version: 1.10\n", "1.10"),
        ("meta/main.yaml", "{galaxy_info: {version: '2'}}", "2"),
        ("meta/main.yml", "galaxy_info:\n  platforms: [{versions: [all]}]\n", None),
        ("meta/.galaxy_install_info", "install_date: 'x'\nversion: v3.1\n", "v3.1"),
        ("tasks/main.yml", "---\n", None),
    ],
)
def test_where_a_version_stands(path: str, text: str, version: str | None, write: Write, root: Path) -> None:
    write(f"roles/web/{path}", text)
    assert role_version(root / "roles/web") == version


@pytest.mark.parametrize(
    ("text", "found", "not_found"),
    [
        ("port: '{{ http_port }}'", {"http_port", "port"}, {"http"}),
        ("{{ a.b_c['d'] | default(e2) }}", {"a", "b_c", "d", "e2", "default"}, {"2"}),
        ('x: "\\nname\\tother"', {"name", "other"}, set()),
        ("80 8x 9", set(), {"80", "8x", "9"}),
        ("größe name", {"name"}, {"größe"}),
    ],
)
def test_names_are_the_identifiers_of_the_text(
    text: str, found: set[str], not_found: set[str], role: LoadRole, write: Write
) -> None:
    write("roles/web/templates/x", text)
    names = role().names
    assert found <= names
    assert names.isdisjoint(not_found)


def test_binaries_have_no_names(role: LoadRole, root: Path) -> None:
    (root / "roles/web/files").mkdir()
    (root / "roles/web/files/x").write_bytes(b"\x7fELF\0 secret_name")
    assert "secret_name" not in role().names


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("tasks/main.yml", "\n- x: {{ lookup('vars', 'a_' ~ b) }}", "web/tasks/main.yml:2: lookup('vars'"),
        ("tasks/main.yml", "{{ q('ansible.builtin.varnames', '^a') }}", "web/tasks/main.yml:1: q('ansible.builtin.varnames'"),
        ("tasks/main.yml", "- x: '{{ query(kind, name) }}'", "web/tasks/main.yml:1: query(k"),
        ("templates/x.j2", "{{ vars['a_' ~ b] }}", "web/templates/x.j2:1: vars["),
        ("templates/x.j2", "{{ hostvars[inventory_hostname]['a_' ~ b] }}", "web/templates/x.j2:1: hostvars["),
        ("templates/x.j2", "{% for k in vars.keys() %}", "web/templates/x.j2:1: vars.keys"),
        ("templates/x.j2", "{{ vars | to_json }}", "web/templates/x.j2:1: vars |"),
        ("tasks/main.yml", "- debug:\n  with_varnames: [x]", "web/tasks/main.yml:2: with_varnames"),
        ("lookup_plugins/x.py", "pass", "web/lookup_plugins/x.py:1: a plugin that is given every variable"),
        ("filter_plugins/x.py", "\n@pass_context\ndef f(c): ...", "web/filter_plugins/x.py:2: pass_context"),
        ("tasks/main.yml", "- vars:\n    a: 1\n  include_vars: vars/x.yml", None),
        ("tasks/main.yml", "- x: \"{{ lookup('file', 'x') }}\"", None),
        ("tasks/main.yml", "- x: \"{{ lookup('env', 'HOME') }}\"", None),
        ("files/x.py", "print(vars['x'])", None),
        ("filter_plugins/x.py", "def f(x): ...", None),
        ("README.md", "{{ vars['x'] }}", None),
    ],
)  # fmt: skip
def test_dynamic_reads_are_noticed(
    path: str, text: str, why: str | None, role: LoadRole, write: Write
) -> None:
    write(f"roles/web/{path}", text)
    assert role().dynamic == why


@pytest.mark.parametrize(
    ("path", "text", "uses"),
    [
        ("meta/main.yml", "dependencies: [common, {role: app}, {name: db, x: 1}]", ("app", "common", "db")),
        ("meta/main.yml", "dependencies: []", ()),
        ("meta/main.yml", "dependencies:\n", ()),
        ("tasks/main.yml", "- include_role: {name: app}", ("app",)),
        ("tasks/main.yml", "- ansible.builtin.import_role:\n    name: app\n    tasks_from: x", ("app",)),
        ("tasks/main.yml", "- include_role: name=app tasks_from=x", ("app",)),
        ("tasks/main.yml", "- include_role:\n  args: {name: app}", ("app",)),
        ("tasks/deep/x.yml", "- block:\n  - block:\n    - include_role: {name: app}", ("app",)),
        ("handlers/main.yml", "- import_role: {name: app}", ("app",)),
        ("tasks/main.yml", "- include_role: {name: a.b.c}", ()),
        ("tasks/main.yml", "- include_role: {name: not-there}\n  when: false", ()),
        ("tasks/main.yml", "- include_role: {name: web, tasks_from: x}", ()),
        ("tasks/main.yml", "- include_role: {name: '{{ item }}'}", ("app", "common", "db")),
        ("tasks/main.yml", "- include_role: {name: ../app}", ("app", "common", "db")),
        ("tasks/main.yml", "- action: include_role name=app", ("app", "common", "db")),
        ("tasks/main.yml", "- include_role: {name: app\n", ("app", "common", "db")),
        ("tasks/main.yml", "# include_role: {name: app}\n- debug:", ()),
    ],
)
def test_other_roles_that_a_role_can_run(
    path: str, text: str, uses: tuple[str, ...], role: LoadRole, write: Write
) -> None:
    for name in ("common", "app", "db"):
        write(f"roles/{name}/tasks/main.yml", "---\n")
    write(f"roles/web/{path}", text)
    assert role().uses == uses


def test_roles_that_are_used_are_loaded_too(load: Load, write: Write) -> None:
    write("roles/a/meta/main.yml", "dependencies: [b]")
    write("roles/b/tasks/main.yml", "- include_role: {name: c}")
    write("roles/c/tasks/main.yml", "- include_role: {name: a}")
    project = load("version: 1\nbases: {b: {oci: docker://x}}\nrole_sets: {x: {base: b, roles: [a, app]}}")
    roles = load_roles(project)
    assert list(roles) == ["a", "app", "b", "c"]
    assert roles["b"].uses == ("c",)


def test_a_missing_dependency_is_a_sentence(role: LoadRole, write: Write) -> None:
    write("roles/web/meta/main.yml", "galaxy_info: {}\ndependencies:\n  - comon\n  - a.b.c\n")
    write("roles/common/tasks/main.yml", "---\n")
    with pytest.raises(InputErrors) as caught:
        role()
    assert str(caught.value) == (
        "roles/web/meta/main.yml:3: the dependency role 'comon' is not in roles/; did you mean 'common'?"
    )


def test_a_missing_role_is_a_sentence(role: LoadRole, root: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_role("wbe", (root / "roles", root / "other"))
    assert str(caught.value) == "role 'wbe' is not in roles/ or other/; did you mean 'web'?"


def test_a_folder_that_is_no_role_is_a_sentence(write: Write, root: Path) -> None:
    write("roles/web/README.md", "")
    with pytest.raises(InputError) as caught:
        load_role("web", (root / "roles",))
    assert str(caught.value) == "roles/web: this folder is not a role; a role has at least tasks/main.yml"


def test_the_mistakes_of_all_roles_come_at_once(load: Load, write: Write, root: Path) -> None:
    project = load(
        "version: 1\nbases: {b: {oci: docker://x}}\nrole_sets: {x: {base: b, roles: [app, common]}}"
    )
    write("roles/app/meta/main.yml", "dependencies: [x\n")
    write("roles/common/meta/main.yml", "dependencies: [nowhere]")
    with pytest.raises(InputErrors) as caught:
        load_roles(project)
    assert [str(error).split(": ")[0] for error in caught.value.errors] == [
        "roles/app/meta/main.yml:1",
        "roles/common/meta/main.yml:1",
    ]


def test_encrypted_files_that_nobody_names_must_be_opened(role: LoadRole, write: Write) -> None:
    for path in ("vars/main.yml", "defaults/main/secret.yml", "vars/prod.yml", "files/vault"):
        write(f"roles/web/{path}", "$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    write("roles/web/defaults/main/plain.yml", "a: 1\n")
    assert [str(one.where) for one in role().vaults] == [
        "roles/web/defaults/main/secret.yml",
        "roles/web/vars/main.yml",
    ]
