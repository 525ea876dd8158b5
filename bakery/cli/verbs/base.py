"""``bakery base``: a group, as bases are listed and refreshed."""

from __future__ import annotations

from bakery.cli.command import Example, VerbGroup

command = VerbGroup(
    name="base",
    package="bakery.cli.verbs.base_verbs",
    verbs={
        "Verbs": {
            "list": "List the bases of the project and of the store.",
            "refresh": "Make bases again, with the packages of today.",
        }
    },
    help="List and refresh base images. A base is made once and used until it is refreshed.",
    exits=(5,),
    examples=(
        Example("bakery base list", "which are made, and when"),
        Example("bakery base refresh", "renew those of the project"),
    ),
)
