"""`bakery bake` on EC2, from bakery.yml to a verified AMI, in an account whose instances really boot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from tests.e2e.conftest import Kitchen
from tests.e2e.ec2_account import CHECKS, NOTHING, Account, tags_of
from tests.e2e.small_project import clone_home, write
from tests.ec2world.calls import Call

pytestmark = pytest.mark.slow

IRELAND = "eu-west-1"
_BROKEN = "---\n- name: Fail\n  ansible.builtin.command: /bin/false\n  changed_when: false\n"


def test_a_role_set_becomes_a_verified_ami_and_stays_one(
    account: Account, tmp_path: Path, repository: Path
) -> None:
    result = account.bake("web").result
    assert (result["status"], result["checks"]["passed"]) == ("baked", 2)
    image = result["artifact"]["id"]
    left = account.left()
    assert left == {**NOTHING, "images": [image], "snapshots": left["snapshots"]}
    described = account.describe(image)
    assert described["State"] == "available"
    tags = tags_of(described)
    assert tags["bakery:status"] == "verified"
    assert tags["bakery:fingerprint"] == result["fingerprint"]
    assert tags["bakery:source-image"] == account.world.base_image
    assert "bakery:expires" not in tags
    assert account.made() == [
        *("CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "RunInstances"),
        *("StopInstances", "CreateImage", "TerminateInstances"),
        *("CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "RunInstances"),
        *("TerminateInstances", "CreateTags", "DeleteTags"),
        *("DeleteSecurityGroup", "DeleteSecurityGroup"),
    ]

    policy = json.loads((repository / "docs" / "reference" / "aws-policy.json").read_text())
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert {f"{call.service}:{call.action}" for call in account.world.calls} <= allowed

    account.world.calls.clear()
    assert account.bake("web").result["status"] == "unchanged"
    colleague = Account(account.command, tmp_path / "elsewhere", account.project, world=account.world)
    found = colleague.bake("web").result
    assert (found["status"], found["artifact"]["id"]) == ("unchanged", image)
    assert found["checks"]["passed"] == 2
    assert account.made() == []
    shown = colleague.run("show", "web@ec2", "--packages").stdout
    assert image in shown
    assert "not known here" in shown

    assert account.run("verify", "web", "--json").document["checks"]["passed"] == 2
    inside = account.run("shell", "web", "--json", "--", "cat", "/etc/first").document
    assert (inside["target"], inside["exit_code"], inside["stdout"]) == ("ec2", 0, "one")
    assert account.left() == left


def test_what_roles_did_is_compared_between_a_container_and_an_ami(
    account: Account, home: Path, tmp_path: Path
) -> None:
    with_base = clone_home(Kitchen(account.command, home, account.project), tmp_path / "with-base")
    account = replace(account, home=with_base.home)
    entry = write("/srv/entry", "\"{{ ansible_ssh_bakery_entry | default('here') }}\"").removeprefix("---\n")
    (account.project / "roles" / "second" / "tasks" / "main.yml").write_text(
        write("/etc/second", "two") + entry
    )
    # The machine of the container has no cloud-init to look at.
    (account.project / "checks" / "test_image.py").write_text(CHECKS.partition("\n\n\n")[0] + "\n")
    file = account.project / "bakery.yml"
    both = file.read_text().replace("[ec2]", "[container, ec2]")
    file.write_text(both.replace("    ami:", "    debian: {suite: bookworm, systemd: true}\n    ami:"))
    results = account.bake("web").document["results"]
    ids = {one["target"]: one["artifact"]["id"] for one in results if one["status"] == "baked"}
    assert ids.keys() == {"container", "ec2"}

    packages = dict(account.run("show", "web@ec2", "--packages", "--json").document["packages"])
    assert {"cloud-init", "openssh-server"} <= packages.keys()
    (record,) = (json.loads(row) for (row,) in account.query("select record from image") if ids["ec2"] in row)
    assert dict(record["artifact"]["packages"]) == packages

    report = account.run("diff", "web@container", "web@ec2", "--json").document["report"]
    assert [(row["path"], row["change"], row["what"], row["role"]) for row in report["files"]] == [
        ("/srv/entry", "changed", ["content"], "second")
    ]
    assert packages["cloud-init"] in [
        row["version"] for row in report["packages"]["added"] if row["name"] == "cloud-init"
    ]
    text = account.run("diff", "web@ec2", "web@container").stdout
    assert "FILES  1 changed\n  second\n    ~ /srv/entry (content)" in text
    assert "    - cloud-init " in text

    contents = account.home / "ec2" / "contents" / f"{ids['ec2']}.json"
    told = json.loads(contents.read_text())
    assert told["files"]["/etc/first"]["owner"] == "root:root"
    left = [
        path for path in told["files"] if path.startswith(("/root/.ansible", "/tmp/", "/etc/ssh/ssh_host"))
    ]
    assert left == []
    contents.unlink()
    refusal = account.run("diff", "web@container", "web@ec2", code=2).stderr
    assert "bakery bake web --target ec2 --rebake" in refusal


def test_a_failing_role_leaves_nothing(account: Account) -> None:
    (account.project / "roles" / "second" / "tasks" / "main.yml").write_text(_BROKEN)
    outcome = account.bake("web", code=3)
    assert "role 'second'" in outcome.result["error"]["message"]
    assert account.left() == NOTHING
    assert account.leftovers()["directories"] == []


def test_the_machine_that_a_role_failed_on_is_kept_if_asked(account: Account) -> None:
    (account.project / "roles" / "second" / "tasks" / "main.yml").write_text(_BROKEN)
    result = account.bake("web", "--keep", code=3).result
    assert "role 'second'" in result["error"]["message"]
    account.run("sweep")
    assert len(account.world.instances()) == 1
    # The terminal that the words ask for is one that nobody has here.
    words = [word for word in result["machine"]["shell"] if word != "--terminal"]
    entered = subprocess.run([*words, "-c", "cat /etc/first"], capture_output=True, text=True, check=True)
    assert entered.stdout == "one"
    account.run("sweep", "--kept")
    assert account.left() == NOTHING
    assert account.leftovers()["directories"] == []


def test_an_image_that_fails_its_checks_is_not_verified_and_is_swept(account: Account) -> None:
    check = account.project / "checks" / "test_image.py"
    check.write_text(CHECKS.replace('"two"', '"three"'))
    outcome = account.bake("web", code=4)
    image = outcome.result["artifact"]["id"]
    assert tags_of(account.describe(image))["bakery:status"] == "unverified"
    assert account.left()["instances"] == []
    assert [path.stem for path in (account.home / "ec2" / "contents").iterdir()] == [image]
    account.run("sweep")
    assert account.left() == NOTHING
    assert list((account.home / "ec2" / "contents").iterdir()) == []


def kill(process: list[subprocess.Popen[str]]) -> Callable[[Call], None]:
    """A hook that kills the bake and everything that it started, as a host that loses power would."""

    def now(_call: Call) -> None:
        os.killpg(process[0].pid, signal.SIGKILL)
        names = {f"BAKERY_OWNER_PID={process[0].pid}".encode()}
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if names & set(path.read_bytes().split(b"\0")):
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except (OSError, ProcessLookupError):
                continue

    return now


@pytest.mark.parametrize(
    ("action", "skip"),
    [
        ("CreateSecurityGroup", 0),
        ("RunInstances", 0),
        ("CreateImage", 0),
        ("CreateSecurityGroup", 1),
        ("RunInstances", 1),
        ("CreateTags", 0),
        ("CopyImage", 0),
    ],
    ids=str,
)
def test_a_killed_bake_is_swept_from_the_account(account: Account, action: str, skip: int) -> None:
    ec2 = boto3.client("ec2", **account.world.client_options)
    mine = ec2.create_security_group(GroupName="not-of-bakery", Description="x")["GroupId"]
    account.write_project(distribute={"regions": {IRELAND: {}}})
    processes: list[subprocess.Popen[str]] = []
    account.world.faults.after(action, kill(processes), skip=skip, times=1)
    with account.start("bake", "web", start_new_session=True) as process:
        processes.append(process)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    # As a timer of the host does, which knows nothing of the project.
    outside = replace(account, project=account.home)
    if action == "CreateImage":
        left = account.left()
        targets = outside.run("sweep", "--dry-run", "--json").document["targets"]
        (told,) = (one for one in targets if one["target"] == "ec2")
        assert (told["others"]["images"], told["others"]["instances"]) == (left["images"], left["instances"])
        assert account.left() == left
    outside.run("sweep")
    left = account.left()
    assert left["security-groups"] == [mine]
    assert account.left(IRELAND) == NOTHING
    if action in {"CreateTags", "CopyImage"}:  # it was verified by then
        assert [tags_of(account.describe(image))["bakery:status"] for image in left["images"]] == ["verified"]
    else:
        assert left == {**NOTHING, "security-groups": [mine]}
    assert account.leftovers()["journal"] == []


def test_an_interrupted_bake_takes_back_its_pending_image(account: Account) -> None:
    account.world.delays.image_s = 3600
    processes: list[subprocess.Popen[str]] = []
    account.world.faults.after("CreateImage", lambda _: processes[0].send_signal(signal.SIGINT), times=1)
    with account.start("bake", "web", "--json") as process:
        processes.append(process)
        stdout, _ = process.communicate()
    assert process.returncode == 130
    assert json.loads(stdout)["results"][0]["status"] == "failed"
    assert account.left() == NOTHING


def test_expired_credentials_are_told_and_swept_later(account: Account) -> None:
    rule = account.world.faults.fail("*", "ExpiredToken", times=None, message="The security token is expired")
    account.world.faults.remove(rule)
    account.world.faults.after("StopInstances", lambda _: account.world.faults.add(rule), times=1)
    outcome = account.bake("web", code=5)
    assert "AWS does not accept the credentials" in outcome.result["error"]["message"]
    account.world.faults.clear()
    account.run("sweep")
    assert account.left() == NOTHING


def test_without_credentials_nothing_is_begun(account: Account) -> None:
    stranger = replace(account, without=frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}))
    error = stranger.bake("web", code=5).result["error"]
    assert "set AWS_PROFILE or AWS_ACCESS_KEY_ID" in error["message"]
    assert account.world.actions() == []
