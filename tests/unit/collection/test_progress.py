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
