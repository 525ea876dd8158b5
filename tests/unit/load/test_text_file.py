from __future__ import annotations

import os
from pathlib import Path

import pytest

from bakery.errors import InputError
from bakery.load.text_file import MOST_BYTES, read_text


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_text(path)
    return str(caught.value)


def test_text_comes_without_a_byte_order_mark(root: Path) -> None:
    (root / "f.yml").write_bytes(b"\xef\xbb\xbfa: \xc3\xa9\r\n")
    assert read_text(root / "f.yml") == "a: é\r\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x7fELF\x02\x01\n\0", "f.yml:2: this is a binary file, not text; is it the right file?"),
        (b"a: 1\n\xff\xfea\0", "f.yml:2: this is a binary file, not text; is it the right file?"),
        (b"a: 1\nb: caf\xe9\n", "f.yml:2: this is not UTF-8 (byte 0xe9); save the file as UTF-8"),
        ("a: ü".encode("utf-16-le"), "f.yml:1: this is a binary file, not text; is it the right file?"),
        ("\ufeffa: 1".encode("utf-16-le"), "f.yml:1: this is not UTF-8 (byte 0xff); save the file as UTF-8"),
        (b"a: 1\nb: \x1b[0m", "f.yml:2: there is a control character (U+001B); remove it"),
        (b"a: \xef\xbf\xbe", "f.yml:1: there is a control character (U+FFFE); remove it"),
        (b"a" * (MOST_BYTES + 1), "f.yml: this file is larger than 5 MB; is it the right file?"),
    ],
)
def test_what_is_no_text_is_refused(root: Path, content: bytes, sentence: str) -> None:
    (root / "f.yml").write_bytes(content)
    assert refusal(root / "f.yml") == sentence


def test_a_missing_file_is_a_sentence(root: Path) -> None:
    assert refusal(root / "f.yml") == "f.yml: this file cannot be read: no such file or directory"


def test_a_directory_is_a_sentence(root: Path) -> None:
    (root / "d").mkdir()
    assert refusal(root / "d") == "d: this is a directory, not a file"


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "p")
    assert refusal(root / "p") == "p: this is neither a file nor a directory"


def test_a_link_to_itself_is_a_sentence(root: Path) -> None:
    (root / "l").symlink_to("l")
    assert refusal(root / "l") == "l: this file cannot be read: too many levels of symbolic links"


def test_a_name_that_is_too_long_is_a_sentence(root: Path) -> None:
    assert refusal(root / ("x" * 300)).endswith(": this file cannot be read: file name too long")


def test_a_name_with_nul_is_a_sentence(root: Path) -> None:
    assert refusal(root / "a\0b") == "a\\x00b: this is no file name"


def test_a_file_elsewhere_is_shown_with_its_whole_path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "below").mkdir()
    monkeypatch.chdir(root / "below")
    assert refusal(root / "f.yml") == f"{root}/f.yml: this file cannot be read: no such file or directory"
