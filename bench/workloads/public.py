"""nginx and PostgreSQL by roles that many use, unchanged."""

from __future__ import annotations

from pathlib import Path

from bench import children
from bench.failure import CommandFailed, NotRun
from bench.install import ensure_venv, site_packages
from bench.places import PEERS, REQUIREMENTS, roles_directory
from bench.work import Block, Work

TITLE = "nginx + PostgreSQL, public roles"
NGINX, POSTGRESQL = "geerlingguy.nginx", "geerlingguy.postgresql"
_INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install --yes"
_CONF = "/etc/postgresql/15/main"

BLOCKS = (
    Block(
        NGINX,
        (
            f"RUN apt-get update && {_INSTALL} nginx",
            f"COPY {NGINX}/ /",
            "RUN systemctl enable nginx.service",
        ),
        files=("/etc/nginx/nginx.conf",),
    ),
    Block(
        POSTGRESQL,
        (
            (
                f"RUN {_INSTALL} python3-psycopg2 postgresql postgresql-contrib libpq-dev locales"
                " && sed -i 's/^# *en_US.UTF-8/en_US.UTF-8/' /etc/locale.gen && locale-gen"
            ),
            f"COPY {POSTGRESQL}/ /",
            (
                f"RUN chown postgres:postgres {_CONF}/postgresql.conf {_CONF}/pg_hba.conf"
                " && install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/15/main/log"
                " && systemctl enable postgresql@15-main.service"
            ),
        ),
        files=("/etc/profile.d/postgres.sh", f"{_CONF}/postgresql.conf", f"{_CONF}/pg_hba.conf"),
    ),
)


def work(_scratch: Path) -> Work:
    """Raises NotRun if the roles are not there and cannot be fetched."""
    roles = _roles()
    ensure_venv("ansible")
    community = site_packages(PEERS / "ansible") / "ansible_collections" / "community"
    return Work(
        name="public",
        title=TITLE,
        sources={role: roles / role for role in (NGINX, POSTGRESQL)},
        blocks=BLOCKS,
        # The role warns of a variable that is not set otherwise.
        variables={"ansible_fips": False},
        booted=True,
        collections=(community / "general", community / "postgresql"),
    )


def _roles() -> Path:
    directory = roles_directory()
    if not all((directory / role / "tasks").is_dir() for role in (NGINX, POSTGRESQL)):
        galaxy = ensure_venv("ansible") / "bin" / "ansible-galaxy"
        wanted: list[str | Path] = ["--role-file", REQUIREMENTS / "roles.yml", "--roles-path", directory]
        try:
            children.run([galaxy, "role", "install", *wanted], log=PEERS / "install.log")
        except CommandFailed as error:
            raise NotRun(
                f"its roles are not in {directory.name}/ and ansible-galaxy cannot fetch them: {error}"
            ) from error
    return directory
