"""What the engine is told, and how a base is asked for."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.container_setup import (
    bake_options,
    common_options,
    first_process,
    image_options,
    prepare_inside,
)
from ansible_collections.bakery.images.plugins.module_utils.debian_base import DebianSpec, make_tree
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.podman import ulimit_options

CONFIG = {
    "Entrypoint": ["/entry"],
    "Cmd": ["--serve"],
    "Env": ["A=b c"],
    "User": "www-data",
    "WorkingDir": "/srv",
    "StopSignal": "SIGQUIT",
    "Volumes": {"/data": {}},
}


def test_image_runs_its_entrypoint_with_its_command(tmp_path: Path) -> None:
    assert first_process(CONFIG, str(tmp_path)) == ("image", ["/entry", "--serve"])


def test_image_configuration_becomes_options() -> None:
    options = image_options(CONFIG, "/m", "image")
    wanted = {"--env=A=b c", "--user=www-data", "--workdir=/srv", "--stop-signal=SIGQUIT"}
    assert {*wanted, "--mount=type=volume,destination=/data"} <= set(options)


def test_a_variable_without_a_value_is_not_taken_from_the_host() -> None:
    """podman-run(1): a bare name, or a beginning with ``*``, imports what the host's environment has."""
    options = image_options({"Env": ["AWS_SECRET_ACCESS_KEY", "AWS_*", "A="]}, "/m", "image")
    variables = [option for option in options if option.startswith("--env=")]
    assert variables == ["--env=AWS_SECRET_ACCESS_KEY=", "--env=AWS_*=", "--env=A="]


@pytest.mark.parametrize(
    "config",
    [
        {"Volumes": {"/etc:/mnt": {}}},
        {"Volumes": {"/a,type=bind,source=/etc": {}}},
        {"Env": ["A=1\0B"]},
        {"User": "0 --privileged"},
        {"WorkingDir": "/proc/self/fd/8"},
        {"StopSignal": "TERM --privileged"},
    ],
)
def test_an_image_cannot_say_more_to_the_engine_than_its_fields_mean(config: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="the image's configuration cannot be used: "):
        image_options(config, "/m", "image")


@pytest.mark.parametrize("word", ["--privileged", "-v/:/host", "--"])
def test_no_field_of_an_image_becomes_an_option_of_its_own(tmp_path: Path, word: str) -> None:
    config = {"Env": [f"{word}=1"], "Entrypoint": [word], "Cmd": [word]}
    options = image_options(config, "/m", "image")
    assert {option.partition("=")[0] for option in options} <= {
        "--systemd",
        "--interactive",
        "--http-proxy",
        "--env",
    }
    # Behind the tree, where podman takes no options any more.
    assert first_process(config, str(tmp_path)) == ("image", [word, word])


def test_machine_without_systemd_waits_in_a_program_of_the_host(tmp_path: Path) -> None:
    assert first_process(None, str(tmp_path)) == ("pause", ["/run/bakery/init", "-P"])


def test_image_without_command_and_systemd_waits_too(tmp_path: Path) -> None:
    assert first_process({}, str(tmp_path))[0] == "pause"
    assert "--volume=/m/inside:/run/bakery:ro" in image_options({}, "/m", "pause")


def test_owner_is_on_the_container() -> None:
    owner = Owner(bake="b1", pid=1, start=2, boot="c")
    options = common_options({"machine": "m", "home": "/h"}, owner)
    assert {"--label=io.bakery.owner=1:2:c", "--label=io.bakery.bake=b1", "--hostname=bakery"} <= set(options)


def test_a_reboot_is_refused_by_systemd_and_by_logind(tmp_path: Path) -> None:
    for name in ("inside", "units"):
        (tmp_path / name).mkdir()
    prepare_inside(str(tmp_path), "systemd")
    units = tmp_path / "units"
    assert (units / "reboot.target").readlink() == Path("/dev/null")
    dropin = (units / "systemd-logind.service.d/bakery.conf").read_text()
    assert "ExecStartPre=-/bin/mkdir -p /run/systemd/shutdown/scheduled" in dropin


def test_tmpfs_is_where_nothing_may_stay() -> None:
    assert sum(option.startswith("--tmpfs=") for option in bake_options("/m", "pause")) == 2
    assert "--systemd=always" in bake_options("/m", "systemd")


def test_limits_never_exceed_the_hard_ones() -> None:
    for option in ulimit_options():
        name, _, limits = option.removeprefix("--ulimit=").partition("=")
        hard = resource.getrlimit({"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}[name])[1]
        assert hard == resource.RLIM_INFINITY or int(limits.split(":")[1]) <= hard


def test_base_has_what_ansible_needs() -> None:
    command = DebianSpec.from_wire({"suite": "bookworm", "packages": ["vim"], "mirror": None}).command("/t")
    include = next(word for word in command if word.startswith("--include="))
    assert {"python3", "python3-apt", "systemd-sysv", "vim"} <= set(
        include.removeprefix("--include=").split(",")
    )
    assert command[-1] == "/t"


def test_mirror_is_passed_on_only_when_given() -> None:
    spec = DebianSpec.from_wire({"suite": "bookworm", "mirror": "https://mirror.example/debian"})
    assert spec.command("/t")[-1] == "https://mirror.example/debian"


@pytest.mark.parametrize("suite", ["-o", "a b", "", "../x"])
def test_suite_that_could_be_an_option_is_refused(suite: str) -> None:
    with pytest.raises(MachineFailure, match="is not the name of a suite"):
        make_tree(DebianSpec(suite=suite), "/nowhere")
