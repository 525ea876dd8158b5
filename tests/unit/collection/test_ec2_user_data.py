from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.bakery.images.plugins.module_utils.ec2_user_data import (
    Keys,
    make_keys,
    user_data,
    write_known_hosts,
)

KEYS = Keys(
    user_public="ssh-ed25519 AAAA bakery:m", host_public="ssh-ed25519 BBBB", host_private="secret\nkey\n"
)


def config(*, ttl_s: int = 3600, quiet: bool = True) -> dict[str, Any]:
    text = user_data(KEYS, ttl_s=ttl_s, quiet=quiet)
    assert text.startswith("#cloud-config\n")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_the_host_key_is_ours_and_no_other_is_made() -> None:
    made = config()
    assert made["ssh_deletekeys"] is True
    assert made["ssh_keys"] == {"ed25519_private": "secret\nkey\n", "ed25519_public": "ssh-ed25519 BBBB"}


def test_root_may_log_in_with_our_key_and_nothing_else_of_sshd_is_changed() -> None:
    made = config()
    assert made["ssh_authorized_keys"] == ["ssh-ed25519 AAAA bakery:m"]
    assert made["disable_root"] is False
    assert "ssh_pwauth" not in made


@pytest.mark.parametrize("quiet", [True, False])
def test_the_machine_ends_itself(quiet: bool) -> None:
    script = config(ttl_s=7200, quiet=quiet)["bootcmd"][-1][-1]
    assert "--on-active=7200s" in script
    # Or the timer would wait for a boot that waits for systemd-run.
    assert "--timer-property=DefaultDependencies=no" in script
    assert "systemctl poweroff || shutdown" in script
    assert "shutdown -P +120" in script


def test_only_a_machine_to_provision_is_kept_quiet() -> None:
    assert "apt-daily" in config(quiet=True)["bootcmd"][0][-1]
    assert "apt-daily" not in str(config(quiet=False))


def test_scripts_of_the_user_data_are_sound() -> None:
    assert shutil.which("shellcheck")
    for words in config()["bootcmd"]:
        assert words[:2] == ["sh", "-c"]
        subprocess.run(["shellcheck", "--shell=sh", "-"], input=words[2], text=True, check=True)


def test_only_the_users_private_key_stays_on_disk(tmp_path: Path) -> None:
    keys = make_keys(str(tmp_path), "web-1")
    assert [path.name for path in tmp_path.iterdir()] == ["id_ed25519"]
    assert (tmp_path / "id_ed25519").stat().st_mode & 0o777 == 0o600
    assert keys.user_public.endswith(" bakery:web-1")
    assert "PRIVATE KEY" in keys.host_private


@pytest.mark.parametrize(("port", "name"), [(22, "10.0.0.1"), (2222, "[10.0.0.1]:2222")])
def test_known_hosts_has_the_injected_key_only(tmp_path: Path, port: int, name: str) -> None:
    path = write_known_hosts(str(tmp_path), "10.0.0.1", port, public="ssh-ed25519 BBBB")
    assert Path(path).read_text() == f"{name} ssh-ed25519 BBBB\n"
