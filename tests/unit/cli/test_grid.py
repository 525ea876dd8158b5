from __future__ import annotations

from bakery.cli.output import Paint
from bakery.cli.tables.grid import Cell, Column, grid
from bakery.cli.text import width

COLUMNS = (Column("NAME", elastic=True), Column("SIZE", right=True), Column("WHY", elastic=True))
ROWS = (
    ("web", "1.0 kB", "the role's files changed: templates/site.conf.j2, tasks/main.yml"),
    ("a", "20 MB", "日本語"),
)


def test_in_a_pipe_nothing_is_cut() -> None:
    assert grid(COLUMNS, ROWS, Paint(on=False)).splitlines() == [
        "NAME    SIZE  WHY",
        "web   1.0 kB  the role's files changed: templates/site.conf.j2, tasks/main.yml",
        "a      20 MB  日本語",
    ]


def test_on_a_terminal_the_widest_elastic_column_gives_way() -> None:
    lines = grid(COLUMNS, ROWS, Paint(on=False, columns=40), indent="  ").splitlines()
    assert [width(line) <= 40 for line in lines] == [True, True, True]
    assert lines[1] == "  web   1.0 kB  the role's files change…"


def test_a_column_without_text_is_left_out() -> None:
    assert grid(COLUMNS, [("web", "", "")], Paint(on=False)) == "NAME\nweb"


def test_no_rows_are_no_table() -> None:
    assert grid(COLUMNS, [], Paint(on=False)) == ""


def test_colours_do_not_move_columns() -> None:
    row = (Cell("web", "bold"), Cell("1 B", "red"), "x")
    painted = grid(COLUMNS, [row], Paint(on=True)).splitlines()[1]
    assert painted == "\x1b[1mweb\x1b[0m    \x1b[31m1 B\x1b[0m  x"


def test_text_of_others_stays_on_its_line_and_without_escapes() -> None:
    assert grid((Column("A"),), [("x\n\x1b[31my",)], Paint(on=True)).splitlines()[1] == "x y"
