"""What a role does to files that the engine mounts into a machine is told, as it is lost."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils.engine_files import (
    look_at_engine_files,
    lost_writes,
    odd_tmp,
)

# This very process stands for a machine's: its root is the host's.
ME = os.getpid()


def test_what_was_not_touched_is_not_told() -> None:
    before = look_at_engine_files(ME)
    assert {"hosts", "hostname", "resolv.conf"} >= set(before) - {"tmp"}
    assert lost_writes(ME, before) == []
    assert lost_writes(ME, {}) == []


def test_what_was_written_is_told_by_name() -> None:
    before = {**look_at_engine_files(ME), "tmp": [0o700]}
    before["hosts"] = [*before["hosts"][:3], before["hosts"][3] - 1]
    assert [one.partition(" was changed")[0] for one in lost_writes(ME, before)] == [
        "/etc/hosts",
        "the mode of /tmp",
    ]


def test_a_machine_that_is_gone_tells_nothing() -> None:
    assert look_at_engine_files(2**22 + 1) == {}
    assert lost_writes(2**22 + 1, {"hosts": [1, 2, 3, 4]}) == []


def test_tmp_of_an_image_is_told_where_programs_cannot_use_it(tmp_path: Path) -> None:
    assert odd_tmp(str(tmp_path)) == []
    (tmp_path / "tmp").mkdir()
    for mode, odd in ((0o1777, False), (0o777, True), (0o755, True), (0o1755, True)):
        (tmp_path / "tmp").chmod(mode)
        said = odd_tmp(str(tmp_path))
        assert bool(said) is odd
        if said:
            assert f"the image's /tmp has the mode {mode:04o}, not 1777" in said[0]


def test_tmp_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "tmp").symlink_to(tmp_path / "elsewhere")
    assert odd_tmp(str(tmp_path)) == []
