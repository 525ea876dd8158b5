# ruff: noqa: E501 - sentences stay whole, so that they can be searched for

"""Mistakes inside the image config, paths, defaults and bases of a bakery.yml."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.load.conftest import Load, Mistakes
from tests.unit.load.test_project_mistakes import HEAD, expected

# What follows HEAD, beginning on line 4, and the mistakes.
SECTIONS: list[tuple[str, list[str]]] = [
    # the image config
    (
        "role_sets: {web: {base: deb, roles: [app], image: {ports: [0, 65536, 80/xyz, 8080:80, 1.5]}}}",
        [
            "4: role_sets.web.image.ports[0] must be a port from 1 to 65535, not the number 0; write 80, 443/tcp or 53/udp",
            "4: role_sets.web.image.ports[1] must be a port from 1 to 65535, not the number 65536; write 80, 443/tcp or 53/udp",
            "4: role_sets.web.image.ports[2] must be a port from 1 to 65535, not the text '80/xyz'; write 80, 443/tcp or 53/udp",
            "4: role_sets.web.image.ports[3] must be a port from 1 to 65535, not the text '8080:80'; write 80, 443/tcp or 53/udp",
            "4: role_sets.web.image.ports[4] must be a port from 1 to 65535, not the number 1.5; write 80, 443/tcp or 53/udp",
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {cmd: {a: b}}}}",
        [
            "4: role_sets.web.image.cmd must be a list of words or a shell command, not a mapping; write cmd: [/usr/bin/app, --port, '80']"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {env: {A: [1]}}}}",
        ["4: role_sets.web.image.env.A must be text, not a list; write '80'"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {env: {A: }}}}",
        ["4: role_sets.web.image.env.A must be text, not nothing; write '80'"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {workdir: srv}}}",
        ["4: role_sets.web.image.workdir must be an absolute path, not the text 'srv'; write /srv"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {volumes: [data]}}}",
        [
            "4: role_sets.web.image.volumes[0] must be an absolute path, not the text 'data'; write /var/lib/app"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {stop_signal: TERM}}}",
        [
            "4: role_sets.web.image.stop_signal must be the name of a signal, not the text 'TERM'; write SIGTERM"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {compression: gz}}}",
        [
            "4: role_sets.web.image.compression must be one of gzip, zstd, not the text 'gz'; did you mean 'gzip'?"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {healthcheck: {interval: 30}}}}",
        [
            "4: role_sets.web.image.healthcheck has no 'test'; write test: [CMD, curl, -f, http://localhost/]",
            "4: role_sets.web.image.healthcheck.interval must be a duration, not the number 30; write 30s",
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], image: {healthcheck: {test: x, retries: 0}}}}",
        [
            "4: role_sets.web.image.healthcheck.retries must be a number from 1 to 1000, not the number 0; write 3"
        ],
    ),
    # paths
    (
        "role_sets: {web: {base: deb, roles: [app], checks: [checks/wbe]}}",
        ["4: the check 'checks/wbe' does not exist; did you mean 'web'?"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], vars_files: [vars/x.yml]}}",
        ["4: the file of variables 'vars/x.yml' does not exist; it is looked for at ROOT/vars/x.yml"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [{name: app, inputs: [dist]}]}}",
        ["4: the input 'dist' does not exist; it is looked for at ROOT/dist"],
    ),
    # defaults
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {freshness: 7}",
        ["5: defaults.freshness must be a duration, not the number 7; write 7d"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {freshness: 7 days}",
        ["5: defaults.freshness must be a duration, not the text '7 days'; write 7d"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {timeouts: {idle: 0s}}",
        ["5: defaults.timeouts.idle must be a duration, not the text '0s'; write 7d"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {roles_path: [roles, other]}",
        ["5: the roles_path 'other' does not exist; it is looked for at ROOT/other"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {roles_path: [roles, bakery.yml]}",
        ["5: the roles_path 'bakery.yml' is no directory; name a directory"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {vault: {password_file: .vault}}",
        ["5: the vault password file '.vault' does not exist; it is looked for at ROOT/.vault"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {vault: {client: bakery.yml}}",
        ["5: the vault client 'bakery.yml' cannot be executed; run chmod +x on it"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {vault: {identities: [x]}}",
        ["5: defaults.vault.identities[0] must be ID@PATH, not the text 'x'; write prod@.vault-prod"],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app], keep: [var/log, /a/../b]}}",
        [
            "4: role_sets.web.keep[0] must be an absolute path, and none in /dev, /proc, /run, /sys or /tmp, not the text 'var/log'; write /var/log/app",
            "4: role_sets.web.keep[1] must be an absolute path, and none in /dev, /proc, /run, /sys or /tmp, not the text '/a/../b'; write /var/log/app",
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {keep: [/run/app]}",
        [
            "5: defaults.keep[0] must be an absolute path, and none in /dev, /proc, /run, /sys or /tmp, not the text '/run/app'; write /var/log/app"
        ],
    ),
    (
        "role_sets: {web: {base: deb, roles: [app]}}\ndefaults: {targets: []}",
        ["5: defaults.targets must be a list of targets, not an empty list; write [NAME]"],
    ),
]

BASES: list[tuple[str, list[str]]] = [
    ("b: {debian: {}}", ["3: bases.b.debian has no 'suite'; write suite: bookworm"]),
    (
        "b: {}",
        [
            "3: bases.b has neither 'debian' nor 'oci'; write debian: {suite: bookworm}, or oci: docker://debian:12"
        ],
    ),
    (
        "b: {debian: {suite: bookworm}, oci: docker://x}",
        ["3: bases.b has both 'debian' and 'oci'; keep one of them"],
    ),
    (
        "b: {debain: {suite: bookworm}}",
        ["3: the key 'debain' is unknown in bases.b; did you mean 'debian'?"],
    ),
    (
        "b: debian",
        [
            "3: bases.b must be a mapping, not the text 'debian'; write debian: {suite: bookworm}, or oci: docker://debian:12"
        ],
    ),
    (
        "b: {oci: 'debian:12'}",
        [
            "3: bases.b.oci must be an image reference with a transport (docker://, oci:, oci-archive: or docker-archive:), not the text 'debian:12'; write docker://debian:12"
        ],
    ),
    (
        "b: {oci: [x]}",
        [
            "3: bases.b.oci must be an image reference with a transport (docker://, oci:, oci-archive: or docker-archive:), not a list; write docker://debian:12"
        ],
    ),
    (
        "b: {debian: {suite: 12}}",
        ["3: bases.b.debian.suite must be the name of a release, not the number 12; write bookworm"],
    ),
    (
        "b: {debian: {suite: bookworm, systemd: 1}}",
        ["3: bases.b.debian.systemd must be true or false, not the number 1; write true"],
    ),
    (
        "b: {debian: {suite: bookworm, components: []}}",
        [
            "3: bases.b.debian.components must be a list of archive components, not an empty list; write [main]"
        ],
    ),
    (
        "b: {debian: {suite: bookworm, variant: minbas}}",
        [
            "3: bases.b.debian.variant must be one of minbase, apt, essential, required, important, standard, buildd, not the text 'minbas'; did you mean 'minbase'?"
        ],
    ),
    (
        "b: {debian: {suite: bookworm, packages: [a b]}}",
        ["3: bases.b.debian.packages[0] must be a package, not the text 'a b'; write ca-certificates"],
    ),
    (
        "b: {debian: {suite: bookworm, keyring: k.gpg}}",
        ["3: the keyring 'k.gpg' does not exist; it is looked for at ROOT/k.gpg"],
    ),
]


@pytest.mark.parametrize(("text", "sentences"), SECTIONS)
def test_mistake_in_a_section(text: str, sentences: list[str], mistakes: Mistakes, root: Path) -> None:
    assert sorted(mistakes(HEAD + text)) == sorted(expected(sentences, root))


@pytest.mark.parametrize(("text", "sentences"), BASES)
def test_mistake_in_a_base(text: str, sentences: list[str], mistakes: Mistakes, root: Path) -> None:
    whole = f"version: 1\nbases:\n  {text}\nrole_sets: {{web: {{base: b, roles: [app]}}}}"
    assert mistakes(whole) == expected(sentences, root)


@pytest.mark.parametrize(
    ("checks", "sentence"),
    [
        ("strct", "must be one of strict, lenient, not the text 'strct'; did you mean 'strict'?"),
        ("checks/web", "must be a list of paths, not the text 'checks/web'; write [checks/web]"),
        ("true", "must be a list of paths, not the truth value true; write [checks/web]"),
    ],
)
def test_checks_are_paths_or_a_word(mistakes: Mistakes, checks: str, sentence: str) -> None:
    assert mistakes(f"{HEAD}role_sets: {{web: {{base: deb, roles: [app], checks: {checks}}}}}") == [
        f"bakery.yml:4: role_sets.web.checks {sentence}"
    ]


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("PATH: '/opt/bin:$PATH'", "PATH"),
        ("PATH: '${PATH}:/opt/bin'", "PATH"),
        ("PATH: '/opt/bin${PATH:+:$PATH}'", "PATH"),
        ("LD_LIBRARY_PATH: '/opt/lib:$LD_LIBRARY_PATH'", "LD_LIBRARY_PATH"),
    ],
)
def test_a_variable_of_an_image_cannot_hold_its_own_old_value(
    mistakes: Mistakes, setting: str, name: str
) -> None:
    (said,) = mistakes(f"""\
version: 1
bases: {{deb: {{debian: {{suite: bookworm}}}}}}
role_sets:
  web:
    base: deb
    roles: [app]
    image:
      env:
        LANG: C.UTF-8
        {setting}
""")
    assert said.startswith(f"bakery.yml:10: '{name}' would hold the text '${name}' itself")
    assert "write its whole value" in said


@pytest.mark.parametrize(
    "setting",
    ["PATH: '/opt/bin:$PATHS'", "PATH: /opt/$HOME", "PRICE: '5$'", "A: $B", "PATH: '$'", "A: '${AB}'"],
)
def test_a_dollar_sign_may_stand_in_a_variable_of_an_image(load: Load, setting: str) -> None:
    text = f"""\
version: 1
bases: {{deb: {{debian: {{suite: bookworm}}}}}}
role_sets: {{web: {{base: deb, roles: [app], image: {{env: {{{setting}}}}}}}}}
"""
    assert load(text).role_sets["web"].image.env
