"""The format of bakery.yml: every key, what it may hold, and what it means (editors show the text)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bakery.load.durations import duration_pattern
from bakery.load.forms import shape_of
from bakery.load.image_format import IMAGE
from bakery.load.scalar_shapes import LONGEST_NAME, Boolean, Choice, Integer, Text, WordFor
from bakery.load.shapes import Either, Field, ListOf, MapOf, Record, Variables
from bakery.model.target import TargetKind

# An image reference's path component as engines accept it (OCI distribution-spec 1.1, "Pulling manifests").
_SHORT = f"(?!.{{{LONGEST_NAME + 1}}})"
IMAGE_NAME = f"^{_SHORT}[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*$"
NAME = f"^{_SHORT}[A-Za-z0-9][A-Za-z0-9._-]*$"
_ROLE_NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
_VERSION = r"[^\s\u0000@]+"
_PATH = Text("a path", "files/app.conf")
_KEPT = Text(
    "an absolute path, and none in /dev, /proc, /run, /sys or /tmp",
    "/var/log/app",
    r"^(?!/(dev|proc|run|sys|tmp)(/|$))(/(?!\.{1,2}(/|$))[^/\u0000]+)+$",
)
_LONG = Text("a duration", "7d", duration_pattern(("s", "m", "h", "d", "w")))


def _paths(noun: str, example: str) -> ListOf:
    return ListOf(_PATH, noun, example)


_VARS = Variables()

_DEBIAN = Record(
    "a mapping",
    "debian: {suite: bookworm}",
    {
        "suite": Field(
            Text("the name of a release", "bookworm", "^[a-z][a-z0-9.-]*$"),
            "Release, such as bookworm.",
            required=True,
        ),
        "components": Field(
            ListOf(
                Text("an archive component", "main", "^[a-z][a-z0-9/-]*$"), "archive components", "[main]", 1
            ),
            "Archive components.",
            default=["main"],
        ),
        "packages": Field(
            ListOf(
                Text("a package", "ca-certificates", r"^[A-Za-z0-9][^\s,\u0000]*$"),
                "packages",
                "[ca-certificates]",
            ),
            "Packages beyond what the variant and Ansible need.",
            optional_value=True,
        ),
        "systemd": Field(
            Boolean(), "Whether the base boots systemd, so that roles can manage services.", default=True
        ),
        "variant": Field(
            Choice(("minbase", "apt", "essential", "required", "important", "standard", "buildd")),
            "Which packages to begin with, as mmdebstrap(1) names them.",
            default="minbase",
        ),
        "mirror": Field(
            Text("an address", "http://mirror.example.com/debian"), "Mirror; mmdebstrap's own unless given."
        ),
        "keyring": Field(_PATH, "Keyring that signs the archive; mmdebstrap's own unless given."),
    },
)

_REFERENCE = Text(
    "an image reference with a transport (docker://, oci:, oci-archive: or docker-archive:)",
    "docker://debian:12",
    "^(docker://|oci:|oci-archive:|docker-archive:)[^\\u0000\\s][^\\u0000]*$",
)

_BASE_EXAMPLE = "debian: {suite: bookworm}, or oci: docker://debian:12"
_BASE_RECIPES = {
    "debian": Field(_DEBIAN, "A system made from packages with mmdebstrap."),
    "oci": Field(
        Either(
            _REFERENCE.noun,
            _REFERENCE.example,
            scalar=_REFERENCE,
            mapping=Record(
                "a mapping",
                "{reference: docker://debian:12}",
                {"reference": Field(_REFERENCE, "Where the image is.", required=True)},
            ),
        ),
        "An image that exists: docker://NAME:TAG, oci:DIRECTORY[:TAG], oci-archive:FILE or "
        "docker-archive:FILE. A tag is resolved once and remembered until the base is refreshed.",
    ),
}

_ROLE = Either(
    "a role",
    "nginx, nginx@1.4.2 or {name: nginx, vars: {…}}",
    scalar=Text("the name of a role", "nginx or nginx@1.4.2", f"^{_ROLE_NAME}(@{_VERSION})?$"),
    mapping=Record(
        "a role",
        "{name: nginx, vars: {…}}",
        {
            "name": Field(
                Text("the name of a role", "nginx or nginx@1.4.2", f"^{_ROLE_NAME}(@{_VERSION})?$"),
                "The role's folder in roles_path; NAME@VERSION also says which version it must be.",
                required=True,
            ),
            "version": Field(
                Text("a version", "'1.4.2'", f"^{_VERSION}$", numbers=True),
                "The version that the role must state.",
            ),
            "vars": Field(
                _VARS, "Variables of this role alone; they win over all others.", optional_value=True
            ),
            "inputs": Field(
                _paths("paths", "[../app/dist]"),
                "Files and folders outside of the role that its result depends on.",
                optional_value=True,
            ),
        },
    ),
)


_STRICTNESS = Choice(("strict", "lenient"))
_CHECK_PATHS = _paths("paths", "[checks/web]")
_CHECKS = Either(
    "a list of paths, strict or lenient, or both",
    "[checks/web], strict, or {mode: strict, paths: [checks/web]}",
    scalar=WordFor(_STRICTNESS, _CHECK_PATHS),
    sequence=_CHECK_PATHS,
    mapping=Record(
        "a mapping",
        "{mode: strict, paths: [checks/web]}",
        {
            "mode": Field(
                _STRICTNESS,
                "With strict, a unit that fails when the captured image boots is a failed check; with "
                "lenient it is a warning.",
            ),
            "paths": Field(_CHECK_PATHS, "testinfra files or folders.", optional_value=True),
        },
    ),
)

_TARGETS = ListOf(Text("the name of a target", "container", "^[a-z][a-z0-9_]*$"), "targets", "[NAME]", 1)

_ROLE_SET = Record(
    "a mapping",
    "{base: debian12, roles: [common, nginx]}",
    {
        "description": Field(Text("text", "Web server"), "What the image is for."),
        "base": Field(Text("the name of a base", "debian12", NAME), "The base, by its name under bases."),
        "from": Field(
            Text("the name of a role set", "web", IMAGE_NAME),
            "Builds on another role set: its layers, image config and checks come first.",
        ),
        "roles": Field(
            ListOf(_ROLE, "roles", "[common, nginx]", 1),
            "Roles in the order they are applied; one layer each.",
        ),
        "vars": Field(_VARS, "Variables of this set's own roles.", optional_value=True),
        "vars_files": Field(
            _paths("paths", "[vars/web.yml]"),
            "Files with variables of this set's own roles; they win over vars. Vault may encrypt them.",
            optional_value=True,
        ),
        "image": Field(
            IMAGE,
            "The image's config, on top of the base's and of the set this one builds on.",
            optional_value=True,
        ),
        "checks": Field(
            _CHECKS,
            "testinfra files or folders that the captured image must pass, beside the checks of its roles; "
            "or strict: then a unit that fails when the image boots is a failed check too.",
            optional_value=True,
        ),
        "keep": Field(
            ListOf(_KEPT, "absolute paths", "[/var/log/app]"),
            "What sealing leaves as it is in the layers of this set's own roles, such as a log with content: "
            "files, and folders with all that is in them. Beside defaults.keep.",
            optional_value=True,
        ),
        "targets": Field(_TARGETS, "What to bake for; defaults.targets unless given."),
    },
    conflict=("base", "from"),
    any_of=("roles", "from"),
)

_VAULT_PATH = Text("the path of a file", ".vault-password")
_VAULT = Record(
    "a mapping",
    "vault: {password_file: .vault-password}",
    {
        "password_file": Field(_VAULT_PATH, "File that holds the vault password."),
        "client": Field(
            Text("the path of a script", "scripts/vault-client"), "Executable that prints the vault password."
        ),
        "identities": Field(
            ListOf(
                Text("ID@PATH", "prod@.vault-prod", "^[^@\\u0000]+@[^\\u0000]+$"),
                "vault identities",
                "[prod@.vault-prod]",
                1,
            ),
            "Vault identities, ID@PATH each, where PATH is a password file or an executable client.",
        ),
    },
)

_DEFAULTS = Record(
    "a mapping",
    "defaults: {base: debian12}",
    {
        "base": Field(Text("the name of a base", "debian12", NAME), "Base of role sets that name none."),
        "targets": Field(_TARGETS, "Targets of role sets that name none."),
        "roles_path": Field(
            Either(
                "a path or a list of paths",
                "[roles, ../shared/roles]",
                scalar=_PATH,
                sequence=ListOf(_PATH, "paths", "[roles, ../shared/roles]", 1),
            ),
            "Folders that hold roles, first found first.",
            default=["roles"],
        ),
        "vars": Field(_VARS, "Variables of every role; the weakest.", optional_value=True),
        "keep": Field(
            ListOf(_KEPT, "absolute paths", "[/var/log/app]"),
            "What sealing leaves as it is in every layer: files, and folders with all that is in them.",
            optional_value=True,
        ),
        "checks": Field(
            _STRICTNESS,
            "Whether a unit that fails when a captured image boots is a failed check (strict) or a warning "
            "(lenient).",
            default="lenient",
        ),
        "freshness": Field(
            _LONG, "How long a baked layer may be reused although packages may have been updated, such as 7d."
        ),
        "vault": Field(_VAULT, "How Ansible opens vault-encrypted variables."),
        "timeouts": Field(
            Record(
                "a mapping",
                "timeouts: {idle: 30m, total: 2h}",
                {
                    "idle": Field(
                        _LONG, "Stops a role that shows no sign of life for so long.", default="30m"
                    ),
                    "total": Field(_LONG, "Stops a role after so long.", default="2h"),
                },
            ),
            "When provisioning is stopped.",
        ),
    },
)


def project_format(targets: Iterable[TargetKind] = ()) -> Record:
    """What a project file holds; each target adds the bases of its own, and what can be said of it."""
    targets = tuple(targets)
    brought = {kind: form for one in targets for kind, form in one.base_forms.items()}
    recipes = {
        **_BASE_RECIPES,
        **{kind: Field(shape_of(form), form["help"]) for kind, form in brought.items()},
    }
    base = Record("a mapping", _BASE_EXAMPLE, recipes, any_of=tuple(recipes), conflict=tuple(_BASE_RECIPES))
    options = {one.name: one.options for one in targets if one.options is not None}
    return _project(base, {name: Field(shape_of(form), form["help"]) for name, form in options.items()})


def _project(base: Record, options: Mapping[str, Field]) -> Record:
    configured = {
        "targets": Field(
            Record("a mapping", f"{next(iter(options), 'NAME')}: {{…}}", options),
            "How targets make images, by the target's name.",
            optional_value=True,
        )
    }
    return Record(
        "a project (a mapping with version and role_sets)",
        "version: 1",
        {
            "version": Field(
                Integer("1, the only version of the format", "1", 1, 1),
                "Version of this format.",
                required=True,
            ),
            "name": Field(Text("a name", "shop", NAME), "Name of the project; its directory's unless given."),
            "bases": Field(
                MapOf(
                    base,
                    "bases",
                    "{debian12: {debian: {suite: bookworm}}}",
                    NAME,
                    "use letters, digits and . _ -",
                ),
                "What images start from, by name.",
                optional_value=True,
            ),
            "role_sets": Field(
                MapOf(
                    _ROLE_SET,
                    "role sets",
                    "{web: {base: debian12, roles: [nginx]}}",
                    IMAGE_NAME,
                    "it also names the image: use lower-case letters and digits, with . _ - between them",
                    1,
                ),
                "The images of this project, by name.",
                required=True,
            ),
            **(configured if options else {}),
            "defaults": Field(
                _DEFAULTS, "What holds for every role set that says nothing else.", optional_value=True
            ),
        },
    )
