"""The sample role set `api` of this repository: common, hardening, nginx, app."""

from __future__ import annotations

from pathlib import Path

import yaml

from bench.places import ROOT
from bench.work import Block, Work

TITLE = "Role set api"
_NAME = "api"
_INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"

BLOCKS = (
    Block(
        "common",
        (
            f"RUN apt-get update && {_INSTALL} ca-certificates curl less procps sudo tzdata locales",
            "COPY common/ /",
            (
                "RUN locale-gen"
                " && ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime"
                " && groupadd -g 2000 operators"
                " && useradd -m -u 2001 -g operators -c Deployments -s /bin/bash deploy"
            ),
        ),
        files=("/etc/locale.gen", "/etc/default/locale", "/etc/timezone", "/etc/sudoers.d/50-operators"),
    ),
    Block(
        "hardening",
        (
            f"RUN {_INSTALL} openssh-server",
            "COPY hardening/ /",
            (
                "RUN mkdir -p /run/sshd && ssh-keygen -A && /usr/sbin/sshd -t"
                " && DEBIAN_FRONTEND=noninteractive"
                " pam-auth-update --package --enable faillock faillock_notify"
                " && usermod -p '*' root && chmod 0700 /root /etc/cron.daily"
                " && systemctl enable ssh.service"
            ),
        ),
        files=(
            "/etc/sysctl.d/60-hardening.conf",
            "/etc/login.defs",
            "/etc/security/faillock.conf",
            "/etc/security/limits.d/10-hardening.conf",
            "/etc/profile.d/10-hardening.sh",
            "/usr/share/pam-configs",
            "/etc/issue.net",
            "/etc/ssh/sshd_config.d/10-hardening.conf",
            "/etc/systemd/system/ssh-host-key@.service",
            "/etc/systemd/system/multi-user.target.wants/ssh-host-key@ed25519.service",
            "/etc/systemd/system/multi-user.target.wants/ssh-host-key@ecdsa.service",
        ),
    ),
    Block(
        "nginx",
        (
            f"RUN {_INSTALL} nginx",
            "COPY nginx/ /",
            "RUN rm -f /etc/nginx/sites-enabled/default && nginx -t -q && systemctl enable nginx.service",
        ),
        files=(
            "/etc/tmpfiles.d/nginx.conf",
            "/etc/nginx/nginx.conf",
            "/etc/nginx/sites-available/default.conf",
            "/etc/nginx/sites-enabled/default.conf",
            "/srv/www",
        ),
    ),
    Block(
        "app",
        (
            (
                f"RUN {_INSTALL} python3"
                " && groupadd -r -g 790 app"
                " && useradd -M -r -u 790 -g app -d /var/lib/app -s /usr/sbin/nologin app"
            ),
            "COPY app/ /",
            "RUN nginx -t -q",
        ),
        files=(
            "/opt/app",
            "/etc/default/app",
            "/etc/systemd/system/app.service",
            "/etc/systemd/system/multi-user.target.wants/app.service",
            "/etc/nginx/sites-available/app.conf",
            "/etc/nginx/sites-enabled/app.conf",
        ),
    ),
)


def work(_scratch: Path) -> Work:
    """With the variables and the checks that the sample project has for it."""
    project = yaml.safe_load((ROOT / "bakery.yml").read_text())
    role_set = project["role_sets"][_NAME]
    return Work(
        name=_NAME,
        title=TITLE,
        sources={role: ROOT / "roles" / role for role in role_set["roles"]},
        blocks=BLOCKS,
        variables=project["defaults"]["vars"] | role_set.get("vars", {}),
        checks=ROOT / "checks" / _NAME,
        booted=True,
    )
