"""The part of a Markdown page that results are written into."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<!-- results of make bench -->", "<!-- end of results -->"


def show(page: Path, text: str) -> None:
    """Replace what stands between the marks of ``page``; raises ValueError if it has none."""
    page.write_text(replaced(page.read_text(), text))


def replaced(page: str, text: str) -> str:
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for results: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
