"""What the probes of the target ec2 say of this host, without any AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# As if nothing was configured anywhere.
BARE = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture
def files(repository: Path) -> Path:
    return repository / "collections/ansible_collections/bakery/images/roles/target_ec2/files/doctor"


def ask(files: Path, wanted: str, options: dict[str, Any], **environment: str) -> tuple[int, str]:
    """Exit status of a probe, and all that it says."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS")}
    done = subprocess.run(
        [sys.executable, files / "aws.py", wanted, json.dumps(options)],
        env=others | BARE | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


def test_the_library_is_the_one_of_the_python_that_runs_bakery(files: Path) -> None:
    import boto3

    assert ask(files, "library", {}) == (0, boto3.__version__)


def test_a_python_without_the_library_is_told_how_to_get_it(files: Path, tmp_path: Path) -> None:
    (tmp_path / "boto3.py").write_text("raise ImportError('not here')\n")
    status, said = ask(files, "library", {}, PYTHONPATH=str(tmp_path))
    assert (status, said) == (
        1,
        f"boto3 cannot be imported; install it: {sys.executable} -m pip install boto3",
    )


def test_a_region_is_the_projects_or_that_of_the_configuration(files: Path) -> None:
    configured = {"AWS_DEFAULT_REGION": "eu-west-1"}
    told = ask(files, "region", {"region": "eu-central-1"}, **configured)
    assert told == (0, "eu-central-1, of the project")
    assert ask(files, "region", {}, **configured) == (0, "eu-west-1, of the AWS configuration")


def test_no_region_is_a_sentence(files: Path) -> None:
    told = ask(files, "region", {})
    assert told == (1, "no AWS region is configured; write 'region' or set AWS_DEFAULT_REGION")


@pytest.mark.parametrize("wanted", ["region", "credentials"])
def test_a_profile_that_is_not_there_is_a_sentence(files: Path, wanted: str) -> None:
    status, said = ask(files, wanted, {}, AWS_PROFILE="nobody")
    assert (status, len(said.splitlines())) == (1, 1)
    assert said.startswith("the AWS configuration cannot be used: ")
    assert "nobody" in said


@pytest.mark.parametrize("options", [{}, {"region": "eu-central-1"}], ids=["no-region", "region"])
def test_no_credentials_are_a_sentence_and_nobody_is_called(files: Path, options: dict[str, Any]) -> None:
    # Who is called there does not answer.
    status, said = ask(files, "credentials", options, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert (status, len(said.splitlines())) == (1, 1)
    assert said.endswith(
        "Unable to locate credentials; set AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in with your usual tool"
    )


def test_an_ssh_that_cannot_make_keys_is_not_enough(files: Path, tmp_path: Path) -> None:
    (tmp_path / "ssh").symlink_to("/bin/true")
    done = subprocess.run(
        ["/bin/sh", files / "openssh.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "there is no command 'ssh-keygen'\n")
