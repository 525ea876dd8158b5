from __future__ import annotations

from pathlib import Path

import pytest

from bakery.errors import InputError, Place
from bakery.load.project import find_project, load_project
from bakery.model.project import BaseSpec, ImageSpec, Timeouts, VaultIdentity, VaultSpec, VaultText
from tests.unit.load.conftest import TARGETS, Load, Write

MINIMAL = """\
version: 1
bases:
  deb: {debian: {suite: bookworm}}
role_sets:
  web: {base: deb, roles: [common, nginx]}
"""


def test_a_minimal_project(load: Load, root: Path) -> None:
    project = load(MINIMAL)
    assert (project.root, project.file, project.name) == (root, root / "bakery.yml", root.name)
    assert project.roles_path == (root / "roles",)
    assert (project.freshness_s, project.vault, project.timeouts) == (None, VaultSpec(), Timeouts())
    web = project.role_sets["web"]
    assert (web.base, web.ancestry, web.targets, web.checks) == ("deb", (), ("container",), ())
    assert web.image == ImageSpec()
    assert web.where == Place("bakery.yml", 5)
    assert [use.name for use in web.roles] == ["common", "nginx"]


def test_a_debian_base_has_its_defaults_written_out(load: Load) -> None:
    options = {
        "suite": "bookworm",
        "components": ["main"],
        "packages": [],
        "systemd": True,
        "variant": "minbase",
    }
    assert load(MINIMAL).bases["deb"] == BaseSpec("deb", "debian", options, Place("bakery.yml", 3))


@pytest.mark.parametrize(
    ("written", "reference"),
    [
        ("docker://debian:12", "docker://debian:12"),
        ("{reference: 'docker://a/b@sha256:0'}", "docker://a/b@sha256:0"),
        ("oci:layout:tag", "oci:ROOT/layout:tag"),
        ("oci-archive:../x.tar", "oci-archive:PARENT/x.tar"),
        ("docker-archive:/srv/x.tar", "docker-archive:/srv/x.tar"),
    ],
)
def test_an_oci_base(load: Load, root: Path, written: str, reference: str) -> None:
    project = load(MINIMAL.replace("{debian: {suite: bookworm}}", f"{{oci: {written}}}"))
    expected = reference.replace("ROOT", str(root)).replace("PARENT", str(root.parent))
    assert project.bases["deb"].options == {"reference": expected}


def test_variables_reach_roles_by_scope(load: Load, write: Write, root: Path) -> None:
    write("vars/web.yml", "a: 1\n")
    write("vars/api.yml", "a: 1\n")
    project = load("""\
version: 1
bases: {deb: {debian: {suite: bookworm}}}
defaults: {vars: {everywhere: 1, both: default}}
role_sets:
  web:
    base: deb
    vars: {web_only: 1, both: web}
    vars_files: [vars/web.yml]
    roles: [common, {name: nginx@1.2.0, vars: {own: [!vault abc]}, inputs: [bakery.yml]}]
  api:
    from: web
    vars: {api_only: 1}
    vars_files: [vars/api.yml]
    roles: [app]
""")
    common, nginx, app = project.role_sets["api"].roles
    assert (common.origin, nginx.origin, app.origin) == ("web", "web", "api")
    assert common.set_vars == nginx.set_vars == {"everywhere": 1, "both": "web", "web_only": 1}
    assert app.set_vars == {"everywhere": 1, "both": "default", "api_only": 1}
    assert (nginx.vars, nginx.version, nginx.inputs) == (
        {"own": [VaultText("abc")]},
        "1.2.0",
        (root / "bakery.yml",),
    )
    assert (nginx.vars_files, app.vars_files) == ((root / "vars/web.yml",), (root / "vars/api.yml",))
    assert nginx.where == Place("bakery.yml", 9)
    assert nginx.vars["own"][0].where == Place("bakery.yml", 9)


def test_what_is_kept_reaches_roles_by_scope(load: Load) -> None:
    project = load("""\
version: 1
bases: {deb: {debian: {suite: bookworm}}}
defaults: {keep: [/var/log/all]}
role_sets:
  web: {base: deb, keep: [/srv/web, /var/log/all], roles: [common]}
  api: {from: web, keep: [/srv/api], roles: [app]}
""")
    common, app = project.role_sets["api"].roles
    assert common.keep == ("/srv/web", "/var/log/all")
    assert app.keep == ("/srv/api", "/var/log/all")


def test_from_inherits_base_checks_image_and_targets(load: Load, root: Path) -> None:
    project = load("""\
version: 1
bases: {deb: {debian: {suite: bookworm}}}
role_sets:
  c: {from: b, roles: [app], image: {ports: [443], env: {B: c}}, checks: [roles/app, checks/web]}
  b: {from: a, image: {env: {B: b}, user: www}}
  a:
    base: deb
    roles: [common]
    targets: ['null', container]
    checks: [checks/web]
    image: {ports: [80], env: {A: a}, labels: {x: 1}, cmd: [run], compression: zstd}
""")
    c = project.role_sets["c"]
    assert (c.base, c.ancestry, c.targets) == ("deb", ("b", "a"), ("null", "container"))
    assert [use.name for use in c.roles] == ["common", "app"]
    assert c.checks == (root / "checks/web", root / "roles/app")
    assert c.image == ImageSpec(
        cmd=("run",),
        env={"A": "a", "B": "c"},
        ports=("443/tcp",),
        labels={"x": "1"},
        user="www",
        compression="zstd",
    )
    assert list(project.role_sets) == ["c", "b", "a"]


def test_image_values_take_the_form_that_engines_know(load: Load) -> None:
    image = """
    image:
      entrypoint: []
      cmd: nginx -g 'daemon off;'
      env: {N: 1.10, B: yes, E: '', T: a b}
      ports: [80, '443', 53/udp, 80/tcp]
      labels: {version: 2024-01-02}
      user: 1000
      workdir: /srv
      healthcheck: {test: curl -f x, interval: 1m30s, timeout: 1500ms, retries: 3, start_period: 0s}
      stop_signal: SIGRTMIN+3
      volumes: [/data]
"""
    project = load(
        MINIMAL.replace("{base: deb, roles: [common, nginx]}", "\n    base: deb\n    roles: [app]" + image)
    )
    assert project.role_sets["web"].image == ImageSpec(
        entrypoint=(),
        cmd=("/bin/sh", "-c", "nginx -g 'daemon off;'"),
        env={"N": "1.10", "B": "yes", "E": "", "T": "a b"},
        ports=("80/tcp", "443/tcp", "53/udp"),
        labels={"version": "2024-01-02"},
        user="1000",
        workdir="/srv",
        healthcheck={
            "test": ["CMD-SHELL", "curl -f x"],
            "interval": "90s",
            "timeout": "1500ms",
            "retries": 3,
            "start_period": "0s",
        },
        stop_signal="SIGRTMIN+3",
        volumes=("/data",),
    )


@pytest.mark.parametrize(
    ("written", "test"),
    [
        ("[curl, -f, x]", ["CMD", "curl", "-f", "x"]),
        ("[CMD-SHELL, a]", ["CMD-SHELL", "a"]),
        ("[NONE]", ["NONE"]),
    ],
)
def test_a_healthcheck_begins_with_its_form(load: Load, written: str, test: list[str]) -> None:
    image = f"image: {{healthcheck: {{test: {written}}}}}"
    project = load(MINIMAL.replace("roles:", f"{image}, roles:"))
    assert project.role_sets["web"].image.healthcheck == {"test": test}


def test_defaults(load: Load, write: Write, root: Path) -> None:
    write("shared/db/tasks/main.yml", "---\n")
    write(".vault", "x")
    write("client", "#!/bin/sh\n").chmod(0o755)
    project = load("""\
version: 1
name: shop
bases: {deb: {debian: {suite: bookworm}}}
role_sets: {web: {roles: [db, app]}}
defaults:
  base: deb
  targets: ['null']
  roles_path: [roles, shared]
  freshness: 1w2d
  timeouts: {idle: 10m, total: 1h30m}
  vault: {password_file: .vault, client: client, identities: [prod@.vault]}
""")
    assert (project.name, project.freshness_s) == ("shop", 9 * 86_400)
    assert project.timeouts == Timeouts(600, 5400)
    assert project.roles_path == (root / "roles", root / "shared")
    paths = (f"{root}/.vault", f"{root}/client", f"prod@{root}/.vault")
    assert project.vault == VaultSpec(tuple(map(VaultIdentity, paths)))
    assert {one.where for one in project.vault.identities} == {Place("bakery.yml", 11)}
    assert (project.role_sets["web"].base, project.role_sets["web"].targets) == ("deb", ("null",))


@pytest.mark.parametrize(
    ("checks", "default", "strict", "paths"),
    [
        ("checks: [checks/web]", "", False, 1),
        ("checks: strict", "", True, 0),
        ("checks: lenient", "defaults: {checks: strict}", False, 0),
        ("checks: [checks/web]", "defaults: {checks: strict}", True, 1),
        ("checks: {mode: strict, paths: [checks/web]}", "", True, 1),
        ("checks: {paths: [checks/web]}", "defaults: {checks: lenient}", False, 1),
        ("checks: {mode: lenient}", "defaults: {checks: strict}", False, 0),
    ],
)
def test_checks_may_be_strict(load: Load, checks: str, default: str, *, strict: bool, paths: int) -> None:
    project = load(f"""\
version: 1
bases: {{deb: {{debian: {{suite: bookworm}}}}}}
role_sets:
  web: {{base: deb, roles: [app], {checks}}}
  child: {{from: web}}
  own: {{from: web, checks: strict}}
{default}
""")
    assert (project.role_sets["web"].strict, len(project.role_sets["web"].checks)) == (strict, paths)
    assert project.role_sets["child"].strict is strict
    assert project.role_sets["own"].strict
    assert len(project.role_sets["own"].checks) == paths


def test_sections_may_be_left_empty(load: Load) -> None:
    text = MINIMAL.replace("roles: [common", "vars: , vars_files: , checks: , image: , roles: [common")
    assert load(text + "defaults:\n") == load(MINIMAL)


def test_the_version_may_be_written_without_quotes(load: Load, write: Write) -> None:
    load(MINIMAL)
    write("roles/app/VERSION", "v1.10\n")
    use = load(MINIMAL.replace("[common, nginx]", "[{name: app, version: 1.10}]")).role_sets["web"].roles[0]
    assert use.version == "1.10"


def test_a_role_may_be_named_twice(load: Load) -> None:
    roles = (
        load(MINIMAL.replace("[common, nginx]", "[app, {name: app, vars: {x: 1}}]")).role_sets["web"].roles
    )
    assert [dict(use.vars) for use in roles] == [{}, {"x": 1}]


def test_anchors_and_merge_keys_work(load: Load) -> None:
    text = MINIMAL.replace("{base: deb", "&web {base: deb") + "  api: {<<: *web, roles: [app]}\n"
    project = load(text)
    assert [use.name for use in project.role_sets["api"].roles] == ["app"]


def test_any_target_goes_where_none_is_known(load: Load, root: Path) -> None:
    load(MINIMAL.replace("base: deb", "base: deb, targets: [container]"))
    assert load_project(root / "bakery.yml").role_sets["web"].targets == ("container",)


def test_a_project_may_be_named_by_its_directory(load: Load, root: Path) -> None:
    assert load(MINIMAL) == load_project(root, targets=TARGETS)


def test_paths_do_not_depend_on_the_working_directory(
    load: Load, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = load(MINIMAL.replace("base: deb", "base: deb, checks: [checks/web]"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    there = load_project(root / "bakery.yml", targets=TARGETS)
    assert there.role_sets["web"].checks == here.role_sets["web"].checks == (root / "checks/web",)
    assert there.role_sets["web"].where == Place(f"{root}/bakery.yml", 5)


def test_the_project_is_found_by_walking_up(write: Write, root: Path) -> None:
    file = write("bakery.yml", MINIMAL)
    (root / "a/b").mkdir(parents=True)
    assert find_project(root / "a/b") == find_project(root) == find_project(file) == file


def test_no_project_is_a_sentence(root: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_project(root)
    assert (
        str(caught.value)
        == f"there is no bakery.yml in {root} or above; go to a project, or make one with 'bakery init'"
    )


def test_another_ending_is_told(write: Write, root: Path) -> None:
    write("bakery.yaml", MINIMAL)
    with pytest.raises(InputError) as caught:
        find_project(root)
    assert str(caught.value) == "bakery.yaml: the project file is called bakery.yml; rename it"


def test_a_project_that_is_not_there_is_a_sentence(root: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_project(root / "nowhere")
    assert str(caught.value) == "nowhere: this does not exist; name a project file or its directory"
