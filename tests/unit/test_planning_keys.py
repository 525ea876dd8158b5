"""What is part of a layer's key and an image's fingerprint, and what is not: one test per input."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bakery.model.fingerprint import fingerprint
from bakery.model.plan import SetPlan, World
from bakery.model.project import ImageSpec, Project, VaultText
from tests.unit.builders import (
    NOW,
    ROOT,
    TARGET,
    TOOLCHAIN,
    after_baking,
    base,
    base_record,
    plan_all,
    plan_one,
    project,
    role_set,
    role_source,
    role_use,
    world,
)

# A role that names one variable, has one extra input and depends on another role.
NGINX = role_source(
    "nginx",
    {"tasks/main.yml": "0 tasks", "files/run.sh": "1 script"},
    names=frozenset({"nginx_port", "nginx_url"}),
    uses=("ssl",),
)
SSL = role_source("ssl", {"tasks/main.yml": "0 ssl tasks"}, names=frozenset({"ssl_days"}))
CA = Path("/etc/ssl/ca.pem")


def site(**use: Any) -> Project:
    """A project whose role set ``web`` is nginx alone."""
    given = {"vars": {"nginx_port": 80}, "inputs": (CA,), **use}
    return project(role_set("web", role_use("nginx", **given)))


def around(of: Project, **changes: Any) -> World:
    made = world(of, NGINX, SSL, input_digests={str(CA): "ca 1"})
    return replace(made, **changes)


def planned(of: Project | None = None, at: World | None = None, **changes: Any) -> SetPlan:
    of = of or site()
    return plan_one(of, at or around(of, **changes))


def assert_changes(one: SetPlan, other: SetPlan) -> None:
    assert one.nodes[0].key != other.nodes[0].key
    assert one.nodes[0].chain != other.nodes[0].chain
    assert one.fingerprint != other.fingerprint


def assert_same(one: SetPlan, other: SetPlan) -> None:
    assert one.nodes[0].key is not None
    assert one.nodes[0].key == other.nodes[0].key
    assert one.nodes[0].chain == other.nodes[0].chain
    assert one.fingerprint == other.fingerprint


def with_role(source: Any, *others: Any) -> World:
    of = site()
    return replace(around(of), roles={one.name: one for one in (NGINX, SSL, source, *others)})


# ── inputs ────────────────────────────────────────────────────────────────────────────────────────


def test_another_content_of_the_base_changes_the_key() -> None:
    record = base_record(digest="other content")
    assert_changes(planned(), planned(bases={(TARGET, record.spec): record}))


def test_another_base_changes_the_key() -> None:
    other = base("trixie", packages=["vim"])
    of = replace(site(), bases={"bookworm": replace(other, name="bookworm")})
    record = base_record(replace(other, name="bookworm"), digest="content of trixie")
    assert_changes(planned(), planned(of, around(of, bases={(TARGET, record.spec): record})))


def test_a_changed_file_of_the_role_changes_the_key() -> None:
    changed = role_source("nginx", {**NGINX.files, "tasks/main.yml": "0 other tasks"}, names=NGINX.names)
    assert_changes(planned(), planned(at=with_role(replace(changed, uses=NGINX.uses))))


def test_an_added_file_of_the_role_changes_the_key() -> None:
    changed = role_source("nginx", {**NGINX.files, "handlers/main.yml": "0 h"}, names=NGINX.names)
    assert_changes(planned(), planned(at=with_role(replace(changed, uses=NGINX.uses))))


def test_a_mode_bit_changes_the_key() -> None:
    changed = role_source("nginx", {**NGINX.files, "files/run.sh": "0 script"}, names=NGINX.names)
    assert_changes(planned(), planned(at=with_role(replace(changed, uses=NGINX.uses))))


def test_a_file_of_a_dependency_changes_the_key() -> None:
    changed = role_source("ssl", {"tasks/main.yml": "0 other ssl tasks"}, names=SSL.names)
    assert_changes(planned(), planned(at=with_role(changed)))


def test_a_file_of_a_dependencys_dependency_changes_the_key() -> None:
    ssl = replace(SSL, uses=("certs",))
    one, other = (role_source("certs", {"tasks/main.yml": text}) for text in ("0 a", "0 b"))
    assert_changes(planned(at=with_role(ssl, one)), planned(at=with_role(ssl, other)))


def test_a_variable_of_the_role_changes_the_key() -> None:
    assert_changes(planned(), planned(site(vars={"nginx_port": 81})))


def test_the_type_of_a_variable_changes_the_key() -> None:
    assert_changes(planned(), planned(site(vars={"nginx_port": "80"})))


def test_the_order_inside_a_value_changes_the_key() -> None:
    """A template that loops over a mapping sees its order."""
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert_changes(planned(site(vars={"nginx_port": one})), planned(site(vars={"nginx_port": other})))


def test_a_variable_of_the_set_that_the_role_names_changes_the_key() -> None:
    assert_changes(
        planned(site(set_vars={"nginx_url": "http://a"})), planned(site(set_vars={"nginx_url": "http://b"}))
    )


def test_a_variable_of_the_set_that_a_dependency_names_changes_the_key() -> None:
    assert_changes(planned(site(set_vars={"ssl_days": 30})), planned(site(set_vars={"ssl_days": 90})))


def test_a_variable_that_a_named_variable_mentions_changes_the_key() -> None:
    url = "https://{{ site_domain }}/"
    assert_changes(
        planned(site(set_vars={"nginx_url": url, "site_domain": "a.example"})),
        planned(site(set_vars={"nginx_url": url, "site_domain": "b.example"})),
    )


def test_a_variable_from_a_file_changes_the_key() -> None:
    of = site(vars_files=(ROOT / "vars.yml",))
    one, other = (
        around(of, vars_files={str(ROOT / "vars.yml"): {"nginx_url": url}})
        for url in ("http://a", "http://b")
    )
    assert_changes(planned(of, one), planned(of, other))


def test_any_variable_changes_the_key_of_a_role_that_reads_variables_dynamically() -> None:
    dynamic = replace(NGINX, dynamic="lookup('vars', …) in tasks/main.yml:3")
    one, other = site(set_vars={"motd": "a"}), site(set_vars={"motd": "b"})
    roles = {"nginx": dynamic, "ssl": SSL}
    assert_changes(planned(one, around(one, roles=roles)), planned(other, around(other, roles=roles)))


def test_any_variable_changes_the_key_of_a_role_whose_dependency_reads_dynamically() -> None:
    dynamic = replace(SSL, dynamic="lookup('vars', …) in tasks/main.yml:3")
    one, other = site(set_vars={"motd": "a"}), site(set_vars={"motd": "b"})
    roles = {"nginx": NGINX, "ssl": dynamic}
    assert_changes(planned(one, around(one, roles=roles)), planned(other, around(other, roles=roles)))


def test_other_collections_change_the_key() -> None:
    assert_changes(planned(), planned(toolchain=replace(TOOLCHAIN, collections="collections-2")))


def test_another_ansible_core_changes_the_key() -> None:
    assert_changes(planned(), planned(toolchain=replace(TOOLCHAIN, ansible_core="2.19.1")))


def test_another_architecture_changes_the_key() -> None:
    record = base_record(architecture="arm64")
    assert_changes(planned(), planned(bases={(TARGET, record.spec): record}))


def test_another_architecture_changes_the_chain_before_the_base_is_made() -> None:
    one = planned(bases={})
    other = planned(bases={}, toolchain=replace(TOOLCHAIN, architecture="arm64"))
    assert one.nodes[0].chain != other.nodes[0].chain


def test_a_later_freshness_window_changes_the_key() -> None:
    of = replace(site(), freshness_s=86_400)
    later = around(of, now=NOW + timedelta(days=1))
    assert_changes(planned(of), planned(of, later))


def test_an_extra_input_changes_the_key() -> None:
    assert_changes(planned(), planned(input_digests={str(CA): "ca 2"}))


def test_a_vaulted_value_changes_the_key() -> None:
    one, other = (
        site(vars={"nginx_port": VaultText(text)}) for text in ("$ANSIBLE_VAULT;1", "$ANSIBLE_VAULT;2")
    )
    assert_changes(planned(one), planned(other))


def test_a_vaulted_value_inside_a_list_changes_the_key() -> None:
    one, other = (site(vars={"nginx_port": [{"p": VaultText(text)}]}) for text in ("v1", "v2"))
    assert_changes(planned(one), planned(other))


def test_the_secret_key_changes_the_key_of_a_role_with_a_vaulted_value() -> None:
    of = site(vars={"nginx_port": VaultText("v1")})
    assert_changes(planned(of), planned(of, around(of, secret=b"another home")))


def test_another_target_changes_the_chain() -> None:
    of = project(role_set("web", "nginx", targets=("one", "two")))
    one, other = plan_all(of, around(of)).sets
    assert one.nodes[0].chain != other.nodes[0].chain
    assert one.fingerprint != other.fingerprint


IMAGES = {
    "entrypoint": ImageSpec(entrypoint=("/bin/app",)),
    "cmd": ImageSpec(cmd=("serve",)),
    "env": ImageSpec(env={"PORT": "80"}),
    "ports": ImageSpec(ports=("80/tcp",)),
    "labels": ImageSpec(labels={"team": "web"}),
    "user": ImageSpec(user="www-data"),
    "workdir": ImageSpec(workdir="/srv"),
    "healthcheck": ImageSpec(healthcheck={"test": ["CMD", "true"], "interval": "30s"}),
    "stop_signal": ImageSpec(stop_signal="SIGQUIT"),
    "volumes": ImageSpec(volumes=("/data",)),
    "compression": ImageSpec(compression="zstd"),
}


@pytest.mark.parametrize("part", IMAGES)
def test_image_config_changes_the_fingerprint_and_no_layer(part: str) -> None:
    of = site()
    changed = project(replace(of.role_sets["web"], image=IMAGES[part]))
    one, other = planned(of), planned(changed)
    assert one.nodes[0].key == other.nodes[0].key
    assert one.fingerprint != other.fingerprint


def test_an_empty_entrypoint_is_not_the_bases_entrypoint() -> None:
    one, other = (project(role_set("web", "nginx", image=ImageSpec(entrypoint=e))) for e in (None, ()))
    assert planned(one).fingerprint != planned(other).fingerprint


def test_the_order_of_roles_changes_the_fingerprint() -> None:
    one, other = project(role_set("web", "a", "b")), project(role_set("web", "b", "a"))
    assert plan_one(one, world(one)).fingerprint != plan_one(other, world(other)).fingerprint


# ── what is no input ──────────────────────────────────────────────────────────────────────────────


def test_a_variable_of_the_set_that_the_role_never_names_does_not_change_the_key() -> None:
    assert_same(planned(site(set_vars={"motd": "a"})), planned(site(set_vars={"motd": "b"})))


def test_a_variable_of_the_set_that_the_roles_own_hides_does_not_change_the_key() -> None:
    assert_same(planned(site(set_vars={"nginx_port": 1})), planned(site(set_vars={"nginx_port": 2})))


def test_the_order_of_variables_does_not_change_the_key() -> None:
    one = site(vars={"nginx_port": 80, "nginx_url": "u"})
    other = site(vars={"nginx_url": "u", "nginx_port": 80})
    assert_same(planned(one), planned(other))


def test_the_order_of_a_roles_files_does_not_change_the_key() -> None:
    turned = replace(NGINX, files=dict(reversed(NGINX.files.items())))
    assert_same(planned(), planned(at=with_role(turned)))


def test_the_order_of_image_environment_and_labels_does_not_change_the_fingerprint() -> None:
    one, other = (
        project(role_set("web", "nginx", image=ImageSpec(env=dict(order), labels=dict(order))))
        for order in ([("A", "1"), ("B", "2")], [("B", "2"), ("A", "1")])
    )
    assert_same(planned(one), planned(other))


def test_the_order_of_base_options_does_not_change_the_key() -> None:
    one, other = (
        replace(site(), bases={"bookworm": replace(base(), options=dict(order))})
        for order in ([("suite", "s"), ("packages", ["vim"])], [("packages", ["vim"]), ("suite", "s")])
    )
    assert_same(planned(one), planned(other))


def test_the_name_of_a_base_does_not_change_the_key() -> None:
    of = site()
    renamed = project(replace(of.role_sets["web"], base="stable"), bases={"stable": base("stable")})
    renamed = replace(renamed, bases={"stable": replace(base(), name="stable")})
    assert_same(planned(of), planned(renamed, around(renamed, bases=around(of).bases)))


def test_the_name_of_the_role_set_changes_no_layer() -> None:
    one, other = project(role_set("web", "nginx")), project(role_set("shop", "nginx"))
    assert planned(one).nodes[0].key == plan_one(other, around(other), "shop").nodes[0].key


def test_other_role_sets_do_not_change_the_key() -> None:
    of = site()
    more = replace(
        of, role_sets={**of.role_sets, "db": role_set("db", "postgresql", image=ImageSpec(cmd=("x",)))}
    )
    at = replace(around(more), roles={"nginx": NGINX, "ssl": SSL, "postgresql": role_source("postgresql")})
    assert_same(planned(of), planned(more, at))


def test_other_roles_on_disk_do_not_change_the_key() -> None:
    assert_same(planned(), planned(at=with_role(role_source("unused"))))


def test_a_later_role_does_not_change_the_key_of_an_earlier_one() -> None:
    one, other = project(role_set("web", "nginx")), project(role_set("web", "nginx", "app"))
    at = replace(around(other), roles={"nginx": NGINX, "ssl": SSL, "app": role_source("app")})
    assert planned(one).nodes[0].key == planned(other, at).nodes[0].key


def test_the_time_within_a_window_does_not_change_the_key() -> None:
    of = replace(site(), freshness_s=86_400)
    assert_same(planned(of), planned(of, around(of, now=NOW + timedelta(hours=11))))


def test_the_time_does_not_change_the_key_without_a_window() -> None:
    assert_same(planned(), planned(now=NOW + timedelta(days=4000)))


def test_a_version_string_does_not_change_the_key() -> None:
    assert_same(planned(site(version="1.0")), planned(site(version="2.0")))
    assert_same(planned(), planned(at=with_role(replace(NGINX, version="9.9"))))


def test_where_the_project_lies_does_not_change_the_key() -> None:
    def in_directory(root: Path) -> SetPlan:
        use = role_use("nginx", inputs=(root / "files/logo.png",), vars_files=(root / "vars.yml",))
        of = replace(project(role_set("web", use)), root=root, file=root / "bakery.yml")
        of = replace(of, roles_path=(root / "roles",))
        sources = [
            replace(one, path=root / "roles" / one.name, checks=root / "checks") for one in (NGINX, SSL)
        ]
        at = world(of, *sources, input_digests={str(root / "files/logo.png"): "logo"})
        return plan_one(of, replace(at, vars_files={str(root / "vars.yml"): {"nginx_url": "u"}}))

    assert_same(in_directory(Path("/home/me/shop")), in_directory(Path("/build/17")))


def test_checks_change_neither_key_nor_fingerprint() -> None:
    of = site()
    at = around(of)
    changed = replace(at, check_digests=dict.fromkeys(at.check_digests, "other checks"))
    assert_same(planned(of, at), planned(of, changed))
    assert planned(of, at).checks_digest != planned(of, changed).checks_digest


def test_what_the_catalog_knows_does_not_change_the_key() -> None:
    of = site()
    assert_same(planned(of), planned(of, after_baking(of, around(of))))


def test_plain_values_have_the_same_key_in_every_home() -> None:
    assert_same(planned(), planned(secret=b"another home"))


# ── secrets ───────────────────────────────────────────────────────────────────────────────────────


def test_a_vaulted_text_and_its_plain_digest_appear_nowhere_in_a_plan() -> None:
    text = "$ANSIBLE_VAULT;1.1;AES256\n6330"
    nested = {"users": [{"password": VaultText(text)}]}
    of = site(vars={"nginx_port": VaultText(text), "nginx_url": nested})
    plan = planned(of)
    shown = repr(plan) + str(plan) + str(plan.nodes[0].inputs)
    assert "nginx_port" in shown
    assert text not in shown
    assert "6330" not in shown
    for plain in (text, nested, {"users": [{"password": text}]}):
        for digest in _plain_digests(plain):
            assert digest not in shown


def _plain_digests(value: Any) -> list[str]:
    digests = [] if "VaultText" in repr(value) else [fingerprint(value), fingerprint("value", value)]
    if isinstance(value, str):
        digests.append(hashlib.sha256(value.encode()).hexdigest())
    return digests
