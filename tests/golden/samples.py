"""Sample projects in states that a plan must tell apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bakery.model.plan import World
from bakery.model.project import ImageSpec, Project, VaultText
from bakery.model.role_source import RoleSource
from tests.unit.builders import (
    ROOT,
    after_baking,
    base_record,
    project,
    role_set,
    role_source,
    role_use,
    world,
)

CA = ROOT / "files" / "ca.pem"

ROLES = (
    role_source("common", names=frozenset({"common_users", "common_timezone"})),
    role_source("hardening", {"tasks/main.yml": "0 h", "files/audit.sh": "1 a"}, uses=("common",)),
    role_source("nginx", names=frozenset({"nginx_port", "nginx_host"}), version="1.4.2"),
    role_source("app", names=frozenset({"app_password", "app_url"})),
    role_source("postgresql", dynamic="lookup('vars', …) in tasks/main.yml:9", checks=None),
)

TEAM = {"common_timezone": "UTC", "nginx_host": "www.{{ site_domain }}", "site_domain": "shop.example"}


def shop() -> Project:
    """Three role sets with a shared prefix, as the sample project has them; ``api`` builds on ``web``."""
    common = role_use("common", set_vars=TEAM, vars={"common_users": ["ann", "bob"]})
    hardening = role_use("hardening", set_vars=TEAM)
    nginx = role_use("nginx", set_vars=TEAM, vars={"nginx_port": 80}, inputs=(CA,))
    secret = VaultText("$ANSIBLE_VAULT;1.1;AES256\n616e7369626c65")
    app = role_use("app", set_vars=TEAM, vars={"app_password": secret, "app_url": "http://localhost"})
    return project(
        role_set("web", common, hardening, nginx, image=ImageSpec(ports=("80/tcp",))),
        role_set("api", common, hardening, nginx, app, ancestry=("web",), checks=(ROOT / "checks" / "api",)),
        role_set("db", common, hardening, role_use("postgresql", set_vars=TEAM, version="15")),
    )


def nothing_made() -> tuple[Project, World]:
    of = shop()
    return of, world(of, *ROLES, bases={}, input_digests={str(CA): "ca 1"})


def base_made() -> tuple[Project, World]:
    of, at = nothing_made()
    record = base_record()
    return of, replace(at, bases={(record.target, record.spec): record})


def all_baked() -> tuple[Project, World]:
    of, at = base_made()
    return of, after_baking(of, at)


def last_role_edited() -> tuple[Project, World]:
    of, at = all_baked()
    return of, replace(at, roles={**at.roles, "app": _edited(at.roles["app"])})


def first_role_edited() -> tuple[Project, World]:
    of, at = all_baked()
    return of, replace(at, roles={**at.roles, "common": _edited(at.roles["common"])})


def input_edited() -> tuple[Project, World]:
    of, at = all_baked()
    return of, replace(at, input_digests={str(CA): "ca 2"})


def checks_edited() -> tuple[Project, World]:
    of, at = all_baked()
    edited = {path: f"{digest} edited" for path, digest in at.check_digests.items() if path.endswith("/api")}
    return of, replace(at, check_digests={**at.check_digests, **edited})


def window_passed() -> tuple[Project, World]:
    of, at = base_made()
    of = replace(of, freshness_s=7 * 86_400)
    baked = after_baking(of, at)
    return of, replace(baked, now=baked.now.replace(month=6))


def _edited(role: RoleSource) -> RoleSource:
    edited = role_source(role.name, {"tasks/main.yml": "0 edited"})
    return replace(role, files=edited.files, digest=edited.digest)


SAMPLES: dict[str, Callable[[], tuple[Project, World]]] = {
    "nothing-made": nothing_made,
    "base-made": base_made,
    "all-baked": all_baked,
    "last-role-edited": last_role_edited,
    "first-role-edited": first_role_edited,
    "input-edited": input_edited,
    "checks-edited": checks_edited,
    "window-passed": window_passed,
}
