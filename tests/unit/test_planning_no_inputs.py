"""What is not part of a layer's key and an image's fingerprint: one test per non-input."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bakery.model.plan import SetPlan
from bakery.model.project import ImageSpec
from tests.unit.builders import (
    NOW,
    after_baking,
    base,
    plan_one,
    project,
    role_set,
    role_source,
    role_use,
    world,
)
from tests.unit.nginx_site import NGINX, SSL, around, assert_same, planned, site, with_role


def test_a_variable_of_the_set_that_the_role_never_names_does_not_change_the_key() -> None:
    assert_same(planned(site(set_vars={"motd": "a"})), planned(site(set_vars={"motd": "b"})))


def test_a_variable_of_the_set_that_the_roles_own_hides_does_not_change_the_key() -> None:
    assert_same(planned(site(set_vars={"nginx_port": 1})), planned(site(set_vars={"nginx_port": 2})))


def test_the_order_of_variables_does_not_change_the_key() -> None:
    one = site(vars={"nginx_port": 80, "nginx_url": "u"})
    other = site(vars={"nginx_url": "u", "nginx_port": 80})
    assert_same(planned(one), planned(other))


def test_the_order_of_a_roles_files_does_not_change_the_key() -> None:
    turned = replace(NGINX, files=dict(sorted(NGINX.files.items())))
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


def test_the_list_of_a_roles_files_explains_and_its_digest_decides() -> None:
    relisted = replace(NGINX, files={"tasks/main.yml": "another way to digest"})
    assert_same(planned(), planned(at=with_role(relisted)))


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
