from __future__ import annotations

from ansible_collections.bakery.images.plugins.module_utils.progress import Teller, listening


def test_what_changes_is_told_once_to_who_listens() -> None:
    heard: list[str] = []
    teller = Teller()
    teller.tell("nobody listens")
    with listening(heard.append):
        for text in ("1%", "1%", "2%", "1%"):
            teller.tell(text)
    teller.tell("nobody listens any more")
    assert heard == ["1%", "2%", "1%"]


def test_what_does_not_change_is_told_again_as_a_sign_of_life() -> None:
    heard: list[str] = []
    now = [0.0]
    teller = Teller(clock=lambda: now[0])
    with listening(heard.append):
        for moment in (10.0, 200.0, 309.0, 310.0, 500.0):
            now[0] = moment
            teller.tell("0%")
    assert heard == ["0%", "0%"]
