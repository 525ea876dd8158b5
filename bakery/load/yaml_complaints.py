"""libyaml's complaints, in words of the user's file."""

from __future__ import annotations

import yaml

_TAB_HINT = "indent with spaces"


def translate(error: yaml.YAMLError, text: str) -> tuple[int | None, str, str | None]:
    """Line, message and next step for what libyaml says about ``text``."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return None, "this is not YAML", "is it the right file?"
    lines = text.splitlines() or [""]
    line = error.problem_mark.line
    here = lines[line] if line < len(lines) else ""
    started = error.context_mark.line + 1 if error.context_mark else line + 1
    problem, context = error.problem or "", error.context or ""
    if "\t" in here[: len(here) - len(here.lstrip())] or "tab character" in problem:
        return line + 1, "this line is indented with a tab", _TAB_HINT
    if "cannot start any token" in problem:
        return line + 1, *_bad_start(here[error.problem_mark.column : error.problem_mark.column + 1])
    if "quoted scalar" in context and "end of stream" in problem:
        return started, "the quote that opens here is not closed", "close it"
    if context.startswith("while parsing a flow") and "expected ',' or" in problem:
        return started, "the bracket that opens here is not closed", "close it, or put the text in quotes"
    return min(line + 1, len(lines)), *_general(problem)


def _bad_start(character: str) -> tuple[str, str]:
    if character == "\t":
        return "there is a tab where a value should begin", _TAB_HINT
    return f"a value cannot begin with '{character}'", "put it in quotes"


_GENERAL = {
    "expected node content": (
        "a value is missing here, or a bracket opens or closes alone",
        "complete it, or put the text in quotes",
    ),
    "expected alphabetic or numeric": (
        "a value that begins with '*', '&' or '!' has a meaning of its own in YAML",
        "put it in quotes",
    ),
    "mapping values are not allowed": (
        "there is a ':' where none can be",
        "put text that contains ': ' in quotes, or check the indentation",
    ),
    "did not find expected key": (
        "this line does not fit the lines above it",
        "check its indentation, and put text that begins with a quote or '{' in quotes as a whole",
    ),
    "did not find expected '-'": (
        "this line does not fit the list above it",
        "begin it with '- ', or check its indentation",
    ),
    "could not find expected ':'": ("a ':' is missing on the line above", "write key: value"),
    "unknown escape character": (
        "there is an unknown escape after a backslash",
        "use single quotes, or write the backslash twice",
    ),
}


def _general(problem: str) -> tuple[str, str | None]:
    for beginning, (message, hint) in _GENERAL.items():
        if beginning in problem:
            return message, hint
    return f"this is not YAML: {problem}", None
