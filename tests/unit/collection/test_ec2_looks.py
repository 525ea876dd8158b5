"""Looks that several bakes share: who asks, and what the others see."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import ec2_looks
from ansible_collections.bakery.images.plugins.module_utils.ec2_looks import FRESH_S, Looks

from tests.unit.collection.ec2_account import Account, image


class Ec2:
    """An account with instances, that counts who is asked for."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids
        self.asked: list[list[str]] = []
        self.time = 1000.0
        self.account: Any = Account(describe_instances=self._answer)

    def _answer(self, **arguments: Any) -> dict[str, Any]:
        (wanted,) = (one["Values"] for one in arguments["Filters"])
        self.asked.append(wanted)
        found = [{"InstanceId": one, "LaunchTime": object()} for one in wanted if one in self.ids]
        return {"Reservations": [{"Instances": [one]} for one in found]}

    def bake(self, directory: Path) -> Looks:
        return Looks(self.account, str(directory), now=lambda: self.time)


def test_who_comes_soon_after_another_sees_the_same_answer(tmp_path: Path) -> None:
    ec2 = Ec2("i-1", "i-2")
    one, two = ec2.bake(tmp_path), ec2.bake(tmp_path)
    assert one.instance("i-1")
    assert two.instance("i-2")
    ec2.time += FRESH_S
    assert one.instance("i-1")
    assert two.instance("i-2")
    assert ec2.asked == [["i-1"], ["i-1", "i-2"], ["i-1", "i-2"]]


def test_what_nobody_asked_for_lately_is_not_asked_for(tmp_path: Path) -> None:
    ec2 = Ec2("i-1", "i-2")
    ec2.bake(tmp_path).instance("i-1")
    ec2.time += 60
    ec2.bake(tmp_path).instance("i-2")
    assert ec2.asked[-1] == ["i-2"]


def test_what_ec2_does_not_know_is_not_there(tmp_path: Path) -> None:
    assert Ec2().bake(tmp_path).instance("i-1") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"at": 1}', "null"])
def test_a_file_that_was_cut_short_is_begun_anew(tmp_path: Path, content: str) -> None:
    ec2 = Ec2("i-1")
    ec2.bake(tmp_path).instance("i-1")
    (board,) = tmp_path.iterdir()
    board.write_text(content)
    assert ec2.bake(tmp_path).instance("i-1")
    assert json.loads(board.read_text())["asked"] == ["i-1"]


def test_who_holds_the_file_for_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ec2_looks, "_LOCK_S", 0.0)
    ec2 = Ec2("i-1")
    ec2.bake(tmp_path).instance("i-1")
    (board,) = tmp_path.iterdir()
    with board.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ec2.bake(tmp_path).instance("i-1")
    assert len(ec2.asked) == 2


def test_without_a_place_to_share_each_asks_itself(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ec2 = Ec2("i-1")
    for looks in (Looks(ec2.account), ec2.bake(tmp_path / "file" / "below")):
        assert looks.instance("i-1")
    assert len(ec2.asked) == 2


def test_another_account_has_its_own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = Ec2("i-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    for profile in ("one", "two"):
        monkeypatch.setenv("AWS_PROFILE", profile)
        ec2.bake(tmp_path).instance("i-1")
    assert len(ec2.asked) == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_a_deregistered_image_is_not_there(tmp_path: Path) -> None:
    images = [image("ami-1"), image("ami-2", State="deregistered")]
    account: Any = Account(describe_images=lambda **_: {"Images": images})
    looks = Looks(account, str(tmp_path))
    assert looks.image("ami-1")
    assert looks.image("ami-2") is None
