"""Images named on the command line, and what is said where there is none or it is another project's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bakery.cli.names import image_named, inside_named, project_name
from bakery.cli.session import Session
from bakery.errors import InputError
from bakery.model.records import Attempt, ImageRecord
from tests.unit.builders import TARGET, image_record
from tests.unit.flows.workplace import Workplace


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Outside of any project."""
    monkeypatch.chdir(tmp_path)
    return Session(None, tmp_path / "home")


@pytest.fixture
def in_shop(session: Session, tmp_path: Path) -> Session:
    """Inside the project ``shop``, whose file is wrong otherwise."""
    (tmp_path / "bakery.yml").write_text("name: shop\nrole_sets: nonsense\n")
    return session


@pytest.fixture
def shared(shop: Workplace) -> tuple[Workplace, ImageRecord, ImageRecord]:
    """A home with ``web`` of the project ``shop`` and, newer, of ``other``; ``api`` is of ``other`` alone."""
    ours, theirs = (
        image_record("web", fingerprint=digit * 64, project=project)
        for digit, project in (("a", "shop"), ("b", "other"))
    )
    for image in (ours, theirs, image_record("api", project="other")):
        shop.catalog.add_image(image)
    return shop, ours, theirs


def test_without_any_image_the_next_step_is_to_bake(shop: Workplace, session: Session) -> None:
    with pytest.raises(InputError, match="there is no image 'web'; bake one with 'bakery bake'"):
        image_named(shop.kitchen, "web", session=session)


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("wbe", None, "there is no image 'wbe'; did you mean 'web'?"),
        ("web:nope", None, "there is no image 'web:nope'; see 'bakery images web'"),
        ("web", "elsewhere", f"there is no image 'web' on target 'elsewhere'; it is on {TARGET}"),
    ],
)
def test_what_was_probably_meant(
    shop: Workplace, session: Session, name: str, target: str | None, said: str
) -> None:
    shop.bake("web")
    for named in (image_named, inside_named):
        with pytest.raises(InputError) as caught:
            named(shop.kitchen, name, target, session=session)
        assert str(caught.value) == said


@pytest.mark.parametrize("name", ["web", "web:latest"])
def test_in_a_project_its_own_image_is_meant(shared, in_shop: Session, name: str, capsys) -> None:
    place, ours, _ = shared
    assert image_named(place.kitchen, name, session=in_shop) == ours
    assert inside_named(place.kitchen, name, session=in_shop).image == ours
    assert capsys.readouterr().err == ""


def test_an_image_of_another_project_is_said_to_be_one(shared, in_shop: Session, capsys) -> None:
    place, _, theirs = shared
    assert image_named(place.kitchen, "api", session=in_shop).project == "other"
    said = "bakery: 'api' is an image of project 'other'; project 'shop' has none of that name\n"
    assert capsys.readouterr().err == said
    inside_named(place.kitchen, "api", session=in_shop)
    assert capsys.readouterr().err == said
    # A digest means one image only.
    assert image_named(place.kitchen, theirs.artifact["digest"], session=in_shop) == theirs
    assert capsys.readouterr().err == ""


def test_outside_of_projects_the_newest_image_is_meant_and_that_is_said(
    shared, session: Session, capsys
) -> None:
    place, ours, theirs = shared
    assert image_named(place.kitchen, "web", session=session) == theirs
    assert capsys.readouterr().err == (
        "bakery: 'web' is taken for the newest image of that name, which is of project 'other';"
        " there is one of 'shop' too\n"
    )
    assert image_named(place.kitchen, "web:aaaaaaaaaaaa", session=session) == ours
    assert image_named(place.kitchen, "api", session=session).project == "other"
    assert capsys.readouterr().err == ""


def test_a_shell_does_not_open_on_the_failed_bake_of_another_project(shared, in_shop: Session) -> None:
    place, ours, _ = shared
    attempt = Attempt("web", TARGET, "role", "nginx", (), 0, "d", "kept", None, "m", "now", "other")
    place.catalog.add_attempt(attempt)
    assert inside_named(place.kitchen, "web", session=in_shop).image == ours
    place.catalog.add_attempt(replace(attempt, project="shop"))
    assert inside_named(place.kitchen, "web", session=in_shop).kept == "kept"


@pytest.mark.parametrize(
    "name", ["web", f"web@{TARGET}", "web:latest", "sha256:aaaaaaaaaaaa", "aaaaaaaaaaaa"]
)
def test_a_shell_knows_whose_secrets_it_may_tell(shared, in_shop: Session, name: str) -> None:
    place, ours, _ = shared
    inside = inside_named(place.kitchen, name, session=in_shop)
    assert (inside.image, inside.role_set) == (ours, "web")


def test_a_shell_on_a_failed_bake_knows_it_too(shared, in_shop: Session) -> None:
    place, *_ = shared
    attempt = Attempt("web", TARGET, "role", "nginx", (), 0, "d", "kept", None, "m", "now", "shop")
    place.catalog.add_attempt(attempt)
    assert inside_named(place.kitchen, f"web@{TARGET}", session=in_shop).role_set == "web"


def test_a_project_is_called_as_its_file_or_its_directory_says(session: Session, tmp_path: Path) -> None:
    assert project_name(session) is None
    file = tmp_path / "bakery.yml"
    for text, name in (("name: shop\n", "shop"), ("version: 1\n", tmp_path.name), ("[", tmp_path.name)):
        file.write_text(text)
        assert project_name(session) == name
    with pytest.raises(InputError):
        project_name(replace(session, project=tmp_path / "nowhere"))


def test_a_name_may_say_its_target(shop: Workplace, session: Session) -> None:
    here, there = (
        image_record("web", target=target, fingerprint=target[0] * 64) for target in ("here", "there")
    )
    for image in (here, there):
        shop.catalog.add_image(image)
    assert image_named(shop.kitchen, "web@here", session=session) == here
    assert image_named(shop.kitchen, f"web:{'t' * 12}@there", "there", session=session) == there
    with pytest.raises(InputError, match="there is no image 'web' on target 'nowhere'; it is on here, there"):
        image_named(shop.kitchen, "web@nowhere", session=session)
    with pytest.raises(InputError, match="'web@here' is not on target 'there'; leave --target out"):
        image_named(shop.kitchen, "web@here", "there", session=session)
