"""What is known of what is in AMIs: taken in a machine, kept with its image, gone with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.ec2_contents import ImageContents
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

IMAGE = "ami-0123456789abcdef0"
TOLD = {"packages": {"nginx": "1", "libc6": "2"}, "files": {"/srv": {"kind": "directory"}}}


@pytest.fixture
def contents(tmp_path: Path) -> ImageContents:
    (tmp_path / "machines" / "web-1").mkdir(parents=True)
    return ImageContents(str(tmp_path))


def test_what_was_in_the_machine_is_in_its_image(contents: ImageContents, tmp_path: Path) -> None:
    contents.take("web-1", TOLD)
    path = str(tmp_path / "contents" / f"{IMAGE}.json")
    kept = {"contents": path, "packages": [["libc6", "2"], ["nginx", "1"]]}
    assert contents.keep("web-1", IMAGE) == kept
    assert contents.find(IMAGE) == TOLD
    assert list((tmp_path / "machines" / "web-1").iterdir()) == []
    assert contents.keep("web-1", IMAGE) == kept  # as when the image is found that was made before


def test_an_image_that_nobody_looked_into_is_unknown(contents: ImageContents) -> None:
    assert contents.keep("web-1", IMAGE) == {}
    assert contents.find(IMAGE) == {}


def test_an_image_that_is_gone_is_forgotten(contents: ImageContents) -> None:
    contents.take("web-1", TOLD)
    contents.keep("web-1", IMAGE)
    contents.forget([IMAGE, "ami-0"])
    assert contents.find(IMAGE) == {}


def test_an_id_is_no_path(contents: ImageContents) -> None:
    with pytest.raises(MachineFailure, match="is not the id of an AMI"):
        contents.find("../machines/web-1/contents")


def test_a_damaged_file_is_told(contents: ImageContents, tmp_path: Path) -> None:
    contents.take("web-1", TOLD)
    contents.keep("web-1", IMAGE)
    (tmp_path / "contents" / f"{IMAGE}.json").write_text("{")
    with pytest.raises(MachineFailure, match=r"cannot be read .* bake the image again"):
        contents.find(IMAGE)
