"""Instances of the world that stand for machines of the target ec2, and its modules run on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines, new_journal
from ansible_collections.bakery.images.plugins.module_utils.machine_reach import write_reach
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, boot_id, process_start
from ansible_collections.bakery.images.plugins.modules import ec2_image
from ansible_collections.bakery.images.plugins.plugin_utils.in_worker import run_main
from moto.ec2.models import ec2_backends

from tests.ec2world.logins import Login
from tests.ec2world.world import World

COLLECTIONS = Path(__file__).parents[2] / "collections"
FINGERPRINT = "0123456789abcdef" * 4
# Puts words together for the shell at the other end, as sshd wants them.
_ENTER = """
import os, shlex, sys
end = sys.argv.index("--")
os.execvp(sys.argv[1], [*sys.argv[1:end], shlex.join(sys.argv[end + 1:])])
"""


def living_owner(pid: int | None = None, bake: str = "b1") -> Owner:
    """A process that lives: this one, or that with the id."""
    pid = pid or os.getpid()
    return Owner(bake=bake, pid=pid, start=process_start(pid) or 0, boot=boot_id())


def dead_owner(bake: str = "b0") -> Owner:
    """A process that is gone: nothing else ever has its id and start time."""
    return Owner(bake=bake, pid=os.getpid(), start=1, boot=boot_id())


@dataclass
class Ec2Target:
    """The target in a home of its own, and the account it works in."""

    world: World
    home: Path
    owner: Owner = field(default_factory=living_owner)

    @property
    def ec2(self) -> Any:
        return self.client()

    def client(self, region: str | None = None) -> Any:
        options = self.world.client_options
        return boto3.client("ec2", **options | {"region_name": region or options["region_name"]})

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {
            **os.environ,
            **self.world.environment,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_HOME": str(self.home / "ansible"),
            "PATH": path,
        }

    # ── machines ──

    def tags(self, machine_id: str, owner: Owner | None = None, ttl_s: float = 3600) -> dict[str, str]:
        expires = time.time() + ttl_s
        return ec2_tags.owned(machine_id, owner or self.owner, expires=expires, role_set="web")

    def start(self, machine_id: str, *, user_data: str = "", **more: Any) -> dict[str, Any]:
        """A new instance for a machine."""
        tags = self.tags(machine_id, more.pop("owner", None))
        started = self.ec2.run_instances(
            ImageId=more.pop("image", self.world.base_image),
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.small",
            UserData=user_data or "#cloud-config\n{}",
            TagSpecifications=ec2_tags.specifications(tags, ["instance", "volume"]),
            **more,
        )
        (instance,) = started["Instances"]
        return dict(instance)

    def running(self, machine_id: str, **more: Any) -> str:
        """Id of a new instance for a machine, once it runs."""
        instance_id = str(self.start(machine_id, **more)["InstanceId"])
        self.world.wait_state(instance_id, "running")
        return instance_id

    def launch(self, machine_id: str, image: str | None = None) -> tuple[Login, str]:
        """A machine that one can log in to, and whose directory says so; its address."""
        login = Login.make(self.home / "logins" / machine_id)
        key = login.directory / "user.pub"
        key.write_text(f"{key.read_text().strip()} bakery:{machine_id}\n")
        instance = self.start(machine_id, user_data=login.user_data, image=image or self.world.base_image)
        address = str(instance["PrivateIpAddress"])
        login.wait(address)
        machines = Machines(str(self.home / "ec2"))
        machines.begin(new_journal(machine_id, "bake", owner=self.owner, ttl_s=3600))
        enter = login.directory / "enter.py"
        enter.write_text(_ENTER)
        words = [sys.executable, str(enter), *map(str, login.command(address)), "--"]
        write_reach(machines.path(machine_id), words)
        return login, address

    # ── the target ──

    def run(self, entry_point: str, *, check: bool = False, **variables: Any) -> dict[str, Any]:
        """What an entry point hands up."""
        handed_up = self.home / "handed-up.json"
        process = self.begin(entry_point, check=check, handed_up=handed_up, **variables)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        found: dict[str, Any] = json.loads(handed_up.read_text())
        return found

    def failure(self, entry_point: str, **variables: Any) -> str:
        """What an entry point says when it fails."""
        process = self.begin(entry_point, **variables)
        output, _ = process.communicate(timeout=300)
        assert process.returncode != 0, output
        return output

    def begin(
        self, entry_point: str, *, check: bool = False, handed_up: Path | None = None, **variables: Any
    ) -> subprocess.Popen[str]:
        """Start an entry point in a process, the leader of a group of its own."""
        role = {"name": "bakery.images.target_ec2", "tasks_from": entry_point}
        tasks: list[dict[str, Any]] = [{"ansible.builtin.include_role": role}]
        given = self.home / "variables.json"
        given.write_text(
            json.dumps({"bakery_home": str(self.home), "bakery_owner": self.owner.to_wire(), **variables})
        )
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": tasks,
            "vars": {"ansible_python_interpreter": sys.executable},
        }
        playbook = self.home / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        words = ["ansible-playbook", str(playbook), "--extra-vars", f"@{given}"]
        environment = self.environment
        if handed_up:
            handed_up.unlink(missing_ok=True)
            plugins = self.home / "callbacks"
            plugins.mkdir(exist_ok=True)
            (plugins / "handed_up.py").write_text(_CALLBACK)
            environment |= {
                "ANSIBLE_CALLBACK_PLUGINS": str(plugins),
                "ANSIBLE_CALLBACKS_ENABLED": "handed_up",
                "HANDED_UP": str(handed_up),
            }
        return subprocess.Popen(
            words + ["--check"] * check,
            env=environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def capture(self, machine_id: str, **options: Any) -> dict[str, Any]:
        """Variables of the entry point ``capture``."""
        base = self.run("base", bakery_base=self.base())["base"]
        image = {"name": "web", "fingerprint": FINGERPRINT, "project": "shop", "base_config": base["config"]}
        return {"bakery_machine_id": machine_id, "bakery_image": image, "bakery_options": options}

    def base(self) -> dict[str, Any]:
        ami = {"owner": self.world.base_owner, "name": "debian-12-amd64-*", "architecture": "amd64"}
        return {"name": "debian-12", "source": {"ami": ami}}


def present(target: Ec2Target, machine_id: str, **options: Any) -> dict[str, Any]:
    """Have the module make an image of a machine, in this process."""
    given = {"role_set": "web", "fingerprint": FINGERPRINT, "owner": target.owner.to_wire(), **options}
    return run_main(ec2_image.main, {"home": str(target.home), "id": machine_id, **given})


def verified(target: Ec2Target) -> dict[str, Any]:
    """A verified image."""
    target.running("web-1")
    artifact: dict[str, Any] = present(target, "web-1")["artifact"]
    run_main(ec2_image.main, {"state": "tagged", "image": artifact["id"], "names": ["web:latest"]})
    return artifact


def nothing_left(world: World, *regions: str) -> None:
    """Neither images nor snapshots, in any of the regions."""
    for region in regions or (world.region,):
        left = world.left(region)
        assert (left["images"], left["snapshots"]) == ([], []), region


def newest(world: World) -> str:
    """The image that was made last."""
    return world.left()["images"][-1]


def written(world: World, artifact: dict[str, Any]) -> set[str]:
    """Files that are new on the image's disk where the bake, or the machine itself, would leave something."""
    (snapshot,) = artifact["snapshots"]
    disk = ec2_backends[world.account][world.region].snapshots[snapshot].disk
    layer = disk.store / disk.layers[-1]
    watched = (
        "etc/ssh",
        "opt",
        "root",
        "run",
        "tmp",
        "usr",
        "var/lib/cloud",
        "var/lib/dhcp",
        "var/log",
        "var/tmp",
    )
    found = [path for place in watched for path in (layer / place).rglob("*")]
    return {f"/{path.relative_to(layer)}" for path in found if path.is_file() and not path.is_symlink()}


_CALLBACK = """
import json, os
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_NAME, CALLBACK_NEEDS_ENABLED = 2.0, "handed_up", True

    def v2_playbook_on_stats(self, stats):
        with open(os.environ["HANDED_UP"], "w") as out:
            json.dump(stats.custom.get("_run", {}).get("bakery", {}), out)
"""
