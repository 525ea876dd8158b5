"""Shapes from the forms in which targets describe their part of a project.

They are JSON, so that a target is a role and nothing else. A form has a ``type`` (text, integer, boolean,
choice, list, map, record) and what the shape of that name needs; a key of a record also has ``help``, and may
be ``required`` or have a ``default`` to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bakery.load.scalar_shapes import TEXT, Boolean, Choice, Integer, Read, Shape, Text
from bakery.load.shapes import Field, ListOf, MapOf, Record

Form = Mapping[str, Any]


def shape_of(form: Form) -> Shape:
    """The shape that reads what ``form`` describes. KeyError for a form that says too little."""
    return _MAKERS[form["type"]](form)


def plain_value(read: Read) -> Any:
    """What was read, without the places; of a wrong part nothing."""
    value = read.value
    if isinstance(value, Mapping):
        return {name: plain_value(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [plain_value(one) for one in value]
    return value


def _record(form: Form) -> Record:
    fields = {
        name: Field(
            shape_of(one),
            one["help"],
            required=one.get("required", False),
            optional_value=one["type"] == "record" and not one.get("required", False),
            default=one.get("default"),
        )
        for name, one in form["keys"].items()
    }
    return Record(
        form.get("noun", "a mapping"),
        form["example"],
        fields,
        one_of=tuple(form.get("one_of", ())),
        conflict=tuple(form.get("conflict", ())),
    )


_MAKERS: Mapping[str, Callable[[Form], Shape]] = {
    "text": lambda form: Text(
        form["noun"], form["example"], form.get("pattern", TEXT), numbers=form.get("numbers", False)
    ),
    "integer": lambda form: Integer(form["noun"], form["example"], form["minimum"], form["maximum"]),
    "boolean": lambda _form: Boolean(),
    "choice": lambda form: Choice(tuple(form["values"])),
    "list": lambda form: ListOf(
        shape_of(form["items"]), form["noun"], form["example"], form.get("minimum", 0)
    ),
    "map": lambda form: MapOf(
        shape_of(form["values"]), form["noun"], form["example"], form.get("pattern", TEXT)
    ),
    "record": _record,
}
