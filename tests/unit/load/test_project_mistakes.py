# ruff: noqa: E501 - sentences stay whole, so that they can be searched for

"""Every mistake that a bakery.yml can hold, and the sentence it is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.errors import InputErrors
from bakery.load.project import load_project
from tests.unit.load.conftest import Load, Mistakes, Write

HEAD = """\
version: 1
bases:
  deb: {debian: {suite: bookworm}}
"""

LONG, DEEP = "a" * 300, "/".join(["a" * 200] * 30)
SHOWN = f"'{'a' * 60}…'"

# What follows HEAD, beginning on line 4, and the mistakes.
TABLE: list[tuple[str, list[str]]] = [
    # names that refer to something
    ("role_sets: {web: {base: dep, roles: [nginx]}}", ["4: there is no base 'dep'; did you mean 'deb'?"]),
    ("role_sets: {web: {base: xyz, roles: [nginx]}}", ["4: there is no base 'xyz'; there are: deb"]),
    (
        "role_sets:\n  web:\n    roles: [nginx]",
        ["5: role set 'web' has no base; write base: NAME; there are: deb"],
    ),
    (
        "role_sets:\n  web:\n    base: deb\n    roles:\n    - common\n    - ngnix",
        ["9: role 'ngnix' is not in roles/; did you mean 'nginx'?"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [zz]}}",
        ["4: role 'zz' is not in roles/; there are: app, common, nginx"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [a.b.c]}}",
        [
            "4: role 'a.b.c' is not in roles/; roles of collections cannot be layers yet; include it from a role of your own"
        ],
    ),
    (
        "role_sets:\n  web: {base: deb, roles: [nginx]}\n  api: {from: wbe, roles: [app]}",
        ["6: there is no role set 'wbe'; did you mean 'web'?"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [nginx], targets: [contaner]}}",
        ["4: there is no target 'contaner'; did you mean 'container'?"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [nginx], targets: [7]}}",
        ["4: role_sets.web.targets[0] must be the name of a target, not the number 7; write container"],
    ),
    (
        "role_sets: {web: {roles: [nginx]}}\ndefaults: {base: dbe}",
        ["5: there is no base 'dbe'; did you mean 'deb'?"],
    ),
    # names that no file can have
    (
        f"role_sets: {{web: {{base: deb, roles: [{LONG}]}}}}",
        [f"4: role {SHOWN} is not in roles/; there are: app, common, nginx"],
    ),
    (
        f"role_sets: {{web: {{base: deb, roles: [{{name: app, inputs: [{LONG}]}}]}}}}",
        [f"4: the input {SHOWN} does not exist; it is looked for at ROOT/{LONG}"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], checks: [~nobody-at-all/x]}}",
        ["4: the check '~nobody-at-all/x' does not exist; it is looked for at ROOT/~nobody-at-all/x"],
    ),
    (
        'role_sets: {web: {base: deb, roles: [app], checks: ["z\\e[31mred"]}}',
        ["4: the check 'z\\x1b[31mred' does not exist; it is looked for at ROOT/z\\x1b[31mred"],
    ),
    (
        f"role_sets: {{web: {{base: deb, roles: [app], vars_files: [{DEEP}]}}}}",
        [f"4: the file of variables {SHOWN} does not exist; it is looked for at ROOT/{DEEP}"],
    ),
    (
        f"role_sets: {{web: {{base: deb, roles: [app]}}}}\ndefaults: {{roles_path: [roles, {LONG}]}}",
        [f"5: the roles_path {SHOWN} does not exist; it is looked for at ROOT/{LONG}"],
    ),
    (
        f"role_sets: {{{LONG}: {{base: deb, roles: [app]}}}}",
        [f"4: {SHOWN} is no name for one of the role sets; use at most 100 characters"],
    ),
    # circles
    (
        "role_sets:\n  a: {from: b, roles: [app]}\n  b: {from: a, roles: [app]}",
        ["5: role sets build on each other in a circle: a -> b -> a; remove one 'from'"],
    ),
    (
        "role_sets:\n  a: {from: a}",
        ["5: role sets build on each other in a circle: a -> a; remove one 'from'"],
    ),
    (
        "role_sets:\n  x: {from: b}\n  a: {from: b}\n  b: {from: c}\n  c: {from: a}",
        ["7: role sets build on each other in a circle: b -> c -> a -> b; remove one 'from'"],
    ),
    (
        "role_sets:\n  s51: {base: deb, roles: [app]}\n"
        + "".join(f"  s{n}: {{from: s{n + 1}}}\n" for n in range(51)),
        ["6: role set 's0' builds on more than 50 others; build on fewer"],
    ),
    # versions
    (
        "role_sets: {web: {base: deb, roles: [nginx@1.3.0]}}",
        [
            "4: role 'nginx' has version 1.2.0, and 1.3.0 is asked for; write nginx@1.2.0, or change roles/nginx"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app@1]}}",
        ["4: role 'app' states no version, and 1 is asked for; write it into roles/app/VERSION"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [{name: nginx@1.2.0, version: 1.3.0}]}}",
        [
            "4: role 'nginx' has version 1.2.0, and 1.3.0 is asked for; write nginx@1.2.0, or change roles/nginx",
            "4: role 'nginx' is asked for as 1.2.0 and as 1.3.0; keep one of them",
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: ['nginx@']}}",
        [
            "4: role_sets.web.roles[0] must be the name of a role, not the text 'nginx@'; write nginx or nginx@1.4.2"
        ],
    ),
    # unknown keys
    (
        "role_sets: {web: {base: deb, rolse: [nginx], roles: [nginx]}}",
        ["4: the key 'rolse' is unknown in role_sets.web; did you mean 'roles'?"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [{name: nginx, when: x}]}}",
        ["4: the key 'when' is unknown in role_sets.web.roles[0]; known are name, version, vars, inputs"],
    ),
    (
        "rolesets: {}\nrole_sets: {web: {base: deb, roles: [app]}}",
        ["4: the key 'rolesets' is unknown here; did you mean 'role_sets'?"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {port: [80]}}}",
        ["4: the key 'port' is unknown in role_sets.web.image; did you mean 'ports'?"],
    ),
    # what follows from another mistake is none
    (
        "role_sets: {web: {bsae: deb, roles: [nginx@1.3.0]}}",
        [
            "4: role 'nginx' has version 1.2.0, and 1.3.0 is asked for; write nginx@1.2.0, or change roles/nginx",
            "4: the key 'bsae' is unknown in role_sets.web; did you mean 'base'?",
        ],
    ),
    (
        "role_sets: {web: {base: deb, rolse: [nginx]}, api: {form: web, roles: [app]}}",
        [
            "4: the key 'form' is unknown in role_sets.api; did you mean 'from'?",
            "4: the key 'rolse' is unknown in role_sets.web; did you mean 'roles'?",
        ],
    ),
    (
        "role_set: {web: {base: deb, roles: [nginx]}}",
        ["4: the key 'role_set' is unknown here; did you mean 'role_sets'?"],
    ),
    # presence
    ("", ["1: the file has no 'role_sets'; write role_sets: {web: {base: debian12, roles: [nginx]}}"]),
    (
        "role_sets: {}",
        [
            "4: role_sets must be a mapping of role sets, not an empty one; write {web: {base: debian12, roles: [nginx]}}"
        ],
    ),
    (
        "role_sets:",
        [
            "4: role_sets must be a mapping of role sets, not nothing; write {web: {base: debian12, roles: [nginx]}}"
        ],
    ),
    (
        "role_sets: {web: {base: deb}}",
        ["4: role_sets.web has neither 'roles' nor 'from'; write {base: debian12, roles: [common, nginx]}"],
    ),
    (
        "role_sets: {web: {base: deb, roles: []}}",
        ["4: role_sets.web.roles must be a list of roles, not an empty list; write [common, nginx]"],
    ),
    (
        "role_sets:\n  web: {base: deb, roles: [app]}\n  api: {base: deb, from: web}",
        ["6: role_sets.api has both 'base' and 'from'; keep one of them"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [{vars: {a: 1}}]}}",
        ["4: role_sets.web.roles[0] has no 'name'; write name: nginx or nginx@1.4.2"],
    ),
    # wrong types
    (
        "role_sets: [web]",
        [
            "4: role_sets must be a mapping of role sets, not a list; write {web: {base: debian12, roles: [nginx]}}"
        ],
    ),
    (
        "role_sets: {web: nginx}",
        [
            "4: role_sets.web must be a mapping, not the text 'nginx'; write {base: debian12, roles: [common, nginx]}"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: nginx}}",
        ["4: role_sets.web.roles must be a list of roles, not the text 'nginx'; write [common, nginx]"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [[nginx]]}}",
        [
            "4: role_sets.web.roles[0] must be a role, not a list; write nginx, nginx@1.4.2 or {name: nginx, vars: {…}}"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [~]}}",
        [
            "4: role_sets.web.roles[0] must be a role, not nothing; write nginx, nginx@1.4.2 or {name: nginx, vars: {…}}"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], checks: checks/web}}",
        ["4: role_sets.web.checks must be a list of paths, not the text 'checks/web'; write [checks/web]"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], vars: [a]}}",
        ["4: role_sets.web.vars must be a mapping of variables, not a list; write {http_port: 8080}"],
    ),
    (
        "role_sets: {web: {base: [deb], roles: [app]}}",
        ["4: role_sets.web.base must be the name of a base, not a list; write debian12"],
    ),
    (
        "role_sets: {web: {base: !vault x, roles: [app]}}",
        ["4: role_sets.web.base must be the name of a base, not a vault value; write debian12"],
    ),
    # names
    (
        "role_sets: {Web: {base: deb, roles: [app]}}",
        [
            "4: 'Web' is no name for one of the role sets; it also names the image: use lower-case letters and digits, with . _ - between them"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], vars: {my-var: 1}}}",
        ["4: 'my-var' is no name for a variable; use letters, digits and '_', and begin with a letter"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], vars: {bakery_home: 1}}}",
        ["4: 'bakery_home' is no name for a variable: bakery's own begin with 'bakery_'; rename it"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {env: {'A=B': 1}}}}",
        ["4: 'A=B' is no name for one of the environment variables; leave '=' out"],
    ),
]


def expected(sentences: list[str], root: Path) -> list[str]:
    return [f"bakery.yml:{sentence}".replace("ROOT", str(root)) for sentence in sentences]


@pytest.mark.parametrize(("text", "sentences"), TABLE)
def test_mistake(text: str, sentences: list[str], mistakes: Mistakes, root: Path) -> None:
    assert sorted(mistakes(HEAD + text)) == sorted(expected(sentences, root))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", ["bakery.yml: this file is empty; write a project into it, or make one with 'bakery init'"]),
        (
            "# nothing\n",
            ["bakery.yml: this file is empty; write a project into it, or make one with 'bakery init'"],
        ),
        (
            "just words",
            [
                "bakery.yml:1: the file must be a project (a mapping with version and role_sets), not the text 'just words'; write version: 1"
            ],
        ),
        (
            "[1]",
            [
                "bakery.yml:1: the file must be a project (a mapping with version and role_sets), not a list; write version: 1"
            ],
        ),
        (
            "version: 2\nrole_sets: {a: {base: b, roles: [app]}}\nbases: {b: {oci: docker://x}}",
            ["bakery.yml:1: version must be 1, the only version of the format, not the number 2; write 1"],
        ),
        (
            "bases: {b: {oci: docker://x}}\nrole_sets: {a: {base: b, roles: [app]}}",
            ["bakery.yml:1: the file has no 'version'; write version: 1"],
        ),
        ("a: 1\n\tb: 2", ["bakery.yml:2: this line is indented with a tab; indent with spaces"]),
    ],
)
def test_mistake_about_the_whole_file(text: str, sentences: list[str], mistakes: Mistakes) -> None:
    assert mistakes(text) == sentences


def test_all_mistakes_come_at_once_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    text = """\
version: one
bases:
  deb: {debian: {suit: bookworm}}
role_sets:
  web:
    base: dbe
    roles: [ngnix, nginx@9]
    image:
      ports: [99999]
    image: {}
  api:
    from: wbe
    checks: [nowhere]
  api: {}
defaults:
  freshness: soon
"""
    assert [line.split(": ")[0].removeprefix("bakery.yml:") for line in mistakes(text)] == [
        "1", "3", "6", "7", "7", "9", "10", "12", "13", "14", "16",
    ]  # fmt: skip


def test_a_wrong_value_is_told_once_and_not_again_where_it_is_used(mistakes: Mistakes) -> None:
    text = "version: 1\nbases: {b: 7}\nrole_sets:\n  web: {base: b, roles: [app], image: 3}\n  api: {from: web}\n"
    assert len(mistakes(text)) == 2


def test_a_thousand_mistakes_are_counted_and_not_all_shown(mistakes: Mistakes) -> None:
    found = mistakes(
        HEAD + "role_sets: {web: {base: deb, roles: [app]}}\n" + "".join(f"key{n}: 1\n" for n in range(1000))
    )
    assert len(found) == 51
    assert found[-1] == "bakery.yml: 950 more mistakes are not shown"


def test_roles_are_looked_for_in_every_folder_that_is_named(mistakes: Mistakes, write: Write) -> None:
    write("shared/roles/db/tasks/main.yml", "---\n")
    text = HEAD + "role_sets: {web: {base: deb, roles: [zz]}}\ndefaults: {roles_path: [roles, shared/roles]}"
    assert mistakes(text) == [
        "bakery.yml:4: role 'zz' is not in roles/ or shared/roles/; there are: app, common, db, nginx"
    ]


def test_a_version_file_that_is_binary_is_a_sentence(load: Load, root: Path) -> None:
    load(HEAD + "role_sets: {web: {base: deb, roles: [nginx]}}")
    (root / "roles/nginx/VERSION").write_bytes(b"\0\1")
    (root / "bakery.yml").write_text(HEAD + "role_sets: {web: {base: deb, roles: [nginx@1]}}")
    with pytest.raises(
        InputErrors,
        match="the version of role 'nginx' cannot be read: roles/nginx/VERSION:1: this is a binary",
    ):
        load_project(root / "bakery.yml")


@pytest.mark.parametrize("name", ["bakery.yml", "."])
def test_a_directory_is_a_sentence(root: Path, name: str) -> None:
    (root / "bakery.yml").mkdir()
    with pytest.raises(InputErrors, match="this is a directory, not a file"):
        load_project(root / name)


def test_a_set_without_target_is_a_sentence_where_none_is_known(root: Path, load: Load) -> None:
    text = HEAD + "role_sets: {web: {base: deb, roles: [nginx]}}"
    load(text)
    with pytest.raises(InputErrors) as caught:
        load_project(root / "bakery.yml")
    assert (
        str(caught.value)
        == "bakery.yml:4: role set 'web' has no target; write targets: [NAME] under defaults"
    )


@pytest.mark.parametrize(
    ("bases", "sentence"),
    [
        (
            "bases: [deb]",
            "bases must be a mapping of bases, not a list; write {debian12: {debian: {suite: bookworm}}}",
        ),
        ("base: {deb: {oci: docker://x}}", "the key 'base' is unknown here; did you mean 'bases'?"),
    ],
)
def test_bases_that_cannot_be_read_are_not_missing(bases: str, sentence: str, mistakes: Mistakes) -> None:
    rest = "role_sets:\n  web: {base: deb, roles: [nginx]}\ndefaults: {base: other}\n"
    assert mistakes(f"version: 1\n{bases}\n{rest}") == [f"bakery.yml:2: {sentence}"]
