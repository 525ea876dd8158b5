"""What is part of a layer's key and an image's fingerprint: one test per input."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bakery.model.fingerprint import fingerprint
from bakery.model.project import ImageSpec, VaultIdentity, VaultSpec, VaultText
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
    world,
)
from tests.unit.nginx_site import CA, NGINX, SSL, around, assert_changes, planned, site, with_role


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


def test_a_role_needs_the_vaults_of_its_own_files_and_of_the_variables_it_sees() -> None:
    seen, unseen, own = VaultText("seen"), VaultText("unseen"), VaultText("own")
    of = site(vars={}, set_vars={"nginx_port": seen})
    at = with_role(role_source("nginx", names=frozenset({"nginx_port"}), vaults=(own,)))
    assert planned(of, at).nodes[0].vaults == (seen, own)
    assert planned(site(vars={}, set_vars={"other": unseen}), at).nodes[0].vaults == (own,)


def test_the_secret_key_changes_the_key_of_a_role_with_a_vaulted_value() -> None:
    of = site(vars={"nginx_port": VaultText("v1")})
    assert_changes(planned(of), planned(of, around(of, secret=b"another home")))


def test_another_target_changes_the_chain() -> None:
    of = project(role_set("web", "nginx", targets=("one", "two")))
    one, other = plan_all(of, around(of)).sets
    assert one.nodes[0].chain != other.nodes[0].chain
    assert one.fingerprint != other.fingerprint


def test_another_target_changes_the_fingerprint_of_a_role_set_without_roles() -> None:
    of = project(role_set("web", targets=("one", "two")))
    one, other = plan_all(of, world(of, bases={})).sets
    assert one.fingerprint != other.fingerprint


def test_the_name_of_the_role_set_changes_the_fingerprint() -> None:
    of = project(role_set("web", "nginx"), role_set("shop", "nginx"))
    web, shop = plan_all(of, around(of)).sets
    assert web.fingerprint != shop.fingerprint


def test_the_base_changes_the_key_of_roles_that_are_not_next_to_it() -> None:
    """Otherwise a layer could be reused on other ground because the one between is the same."""
    of = project(role_set("web", "nginx", "app"))
    at = replace(around(of), roles={"nginx": NGINX, "ssl": SSL, "app": role_source("app")})
    record = base_record(digest="other content")
    renewed = replace(at, bases={(TARGET, record.spec): record})
    contents = {"nginx": "the same bytes"}
    keys = [plan_one(of, after_baking(of, one, contents)).nodes[1].key for one in (at, renewed)]
    assert None not in keys
    assert keys[0] != keys[1]


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


def test_what_sealing_keeps_changes_the_key() -> None:
    assert_changes(planned(), planned(site(keep=("/var/log/app",))))
    assert "keep" not in planned().nodes[0].inputs


def test_a_role_set_keeps_to_itself_whatever_its_roles_could_open() -> None:
    """Also what no variable names: a file that a task decrypts, a role that a role may run, an input."""
    texts = {name: VaultText(name) for name in ("seen", "set", "own", "sealed", "of ssl", "input", "file")}
    of = site(vars={}, set_vars={"nginx_port": texts["seen"], "other": [texts["set"]]}, inputs=(CA,))
    of = replace(of, vault=VaultSpec((VaultIdentity("vault.py"),)))
    nginx = role_source(
        "nginx",
        names=frozenset({"nginx_port"}),
        vaults=(texts["own"],),
        sealed=(texts["own"], texts["sealed"]),
        uses=("ssl",),
    )
    at = around(
        of,
        roles={"nginx": nginx, "ssl": replace(SSL, sealed=(texts["of ssl"],))},
        input_vaults={str(CA): (texts["input"],)},
    )
    secrets = planned(of, at).secrets
    assert secrets.vault == of.vault
    assert secrets.needed == planned(of, at).nodes[0].vaults
    everything = {one.ciphertext for one in (*secrets.needed, *secrets.others)}
    assert everything == set(texts) - {"file"}
    assert not set(secrets.needed) & set(secrets.others)
