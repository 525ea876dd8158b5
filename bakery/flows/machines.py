"""``bakery shell`` and ``bakery verify``: a fresh machine from an image, or from where a bake failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bakery.errors import InputError
from bakery.flows.handed_up import handed_up
from bakery.flows.images import SHORT, checks_of
from bakery.flows.kitchen import Kitchen, minded_machine
from bakery.flows.repair import forgetting_what_is_corrupt
from bakery.model.project import VaultText
from bakery.model.records import Attempt, CheckReport, ImageRecord

# Fewer digits of a digest are more likely a mistyped name.
_SHORTEST_DIGEST = 6


@dataclass(frozen=True)
class Inside:
    """What a shell opens on: a captured image (``artifact``), or the layers below a failed role.

    ``image`` is the record of an image that is no failed one.
    """

    name: str
    target: str
    artifact: Mapping[str, Any] | None
    layers: tuple[str, ...]
    kept: str | None
    epoch: int
    base_digest: str
    image: ImageRecord | None = None

    @property
    def role_set(self) -> str:
        """Whose secrets it may tell; ``name`` may be a digest of an image, but a failed bake has no other."""
        return self.image.role_set if self.image else self.name


def find_inside(
    kitchen: Kitchen, name: str, target: str | None = None, *, project: str | None = None
) -> Inside:
    """The failed bake of ``name`` if its last one failed, otherwise its newest image; ``NAME:TAG`` asks for
    an image. With ``project`` the failed bake of another project does not count.
    """
    attempt = _find_attempt(kitchen, name, target, project=project)
    if attempt:
        return Inside(
            name=name,
            target=attempt.target,
            artifact=attempt.artifact,
            layers=attempt.layers,
            kept=attempt.kept,
            epoch=attempt.epoch,
            base_digest=attempt.base_digest,
        )
    image = find_image(kitchen, name, target, project=project)
    return Inside(name, image.target, image.artifact, (), None, 0, image.base_digest, image)


def _find_attempt(kitchen: Kitchen, name: str, target: str | None, *, project: str | None) -> Attempt | None:
    mine = [
        one
        for one in kitchen.catalog.attempts()
        if one.role_set == name
        and target in (None, one.target)
        and (None in (project, one.project) or one.project == project)
    ]
    return mine[-1] if mine else None


def find_image(
    kitchen: Kitchen, name: str, target: str | None = None, *, project: str | None = None
) -> ImageRecord:
    """The image called ``name``: a role set (its newest image), ``NAME:TAG``, or a digest or its
    beginning. Where images of several projects are called so, one of ``project`` is meant if it has any.
    """
    images = [one for one in kitchen.catalog.images() if target in (None, one.target)]
    wanted, _, tag = name.partition(":")
    if name.startswith("sha256:") or tag == "":
        by_name = [one for one in images if one.role_set == name]
    elif tag == "latest":
        by_name = [one for one in images if one.role_set == wanted]
    else:
        by_name = [one for one in images if one.role_set == wanted and one.fingerprint.startswith(tag)]
    found = by_name or _by_digest(images, name)
    if not found:
        known = ", ".join(dict.fromkeys(one.role_set for one in images)) or "none yet"
        raise InputError(f"there is no image '{name}'", hint=f"known images: {known}")
    return ([one for one in found if one.project == project] or found)[-1]


def _by_digest(images: list[ImageRecord], text: str) -> list[ImageRecord]:
    """The images whose digests or fingerprint begin with ``text``: all of one artifact, or it is refused."""
    digits = text.removeprefix("sha256:")
    if len(digits) < _SHORTEST_DIGEST:
        return []
    found = [
        one
        for one in images
        if any(
            str(known).removeprefix("sha256:").startswith(digits)
            for known in (one.artifact["id"], one.artifact["digest"], one.fingerprint)
        )
    ]
    if len({one.artifact["digest"] for one in found}) > 1:
        names = ", ".join(dict.fromkeys(f"{one.role_set}:{one.fingerprint[:SHORT]}" for one in found))
        raise InputError(f"'{text}' begins the digests of several images", hint=f"they are {names}")
    return found


def run_shell(kitchen: Kitchen, inside: Inside, use: Callable[[Mapping[str, Any]], int]) -> int:
    """Start a machine, hand it to ``use``, and discard it afterwards; returns what ``use`` returned."""
    artifacts = (str(inside.artifact["digest"]),) if inside.artifact else ()
    kitchen = kitchen.hiding(kitchen.secrets.with_opened(_vaults_inside(kitchen, inside)))
    with minded_machine(kitchen, inside.target, purpose="shell", role_set=inside.name) as machine:
        # Until its journal says what the machine stands on: how long it is used is its user's matter.
        with kitchen.using_the_store(), forgetting_what_is_corrupt(kitchen, inside.target, *artifacts):
            up = kitchen.run(
                "shell.yml",
                inside.target,
                {
                    "bakery_machine_id": machine.id,
                    "bakery_artifact": dict(inside.artifact) if inside.artifact else {},
                    "bakery_parents": list(inside.layers),
                    "bakery_kept": inside.kept or "",
                    "bakery_epoch": inside.epoch,
                    "bakery_apt_scope": inside.base_digest,
                },
            )
        entry_point = "boot" if inside.artifact else "launch"
        return use(handed_up(up, "machine", inside.target, entry_point=entry_point))


def _vaults_inside(kitchen: Kitchen, inside: Inside) -> tuple[VaultText, ...]:
    layers = kitchen.catalog.layers().values()
    below = {text: None for one in layers if one.id in inside.layers for text in one.vaults}
    return (*below, *(vaults_of(kitchen, inside.image) if inside.image else ()))


def vaults_of(kitchen: Kitchen, image: ImageRecord) -> tuple[VaultText, ...]:
    """What roles are known to have read when the layers of an image were baked."""
    known = kitchen.catalog.layers()
    layers = (known.get((image.target, key)) for key in image.layers)
    return tuple(text for layer in layers if layer for text in layer.vaults)


def verify_again(
    kitchen: Kitchen, image: ImageRecord, checks: tuple[str, ...], *, strict: bool = False
) -> CheckReport:
    """Read a recorded image whole, boot it and run ``checks`` (paths) on it; the record stays as it is.

    An image that is not what it was is forgotten, with the layer that is not, and MachineError is raised.
    """
    report = kitchen.home / "reports" / f"{image.role_set}-{image.target}-{image.fingerprint[:12]}-again.json"
    kitchen = kitchen.hiding(kitchen.secrets.with_opened(vaults_of(kitchen, image)))
    with (
        forgetting_what_is_corrupt(kitchen, image.target, str(image.artifact["digest"])),
        minded_machine(kitchen, image.target, purpose="verify", role_set=image.role_set) as machine,
    ):
        up = kitchen.run(
            "verify.yml",
            image.target,
            {
                "bakery_machine_id": machine.id,
                "bakery_artifact": dict(image.artifact),
                "bakery_read_all": True,
                "bakery_checks": list(checks),
                "bakery_checks_strict": strict,
                "bakery_verify_fails": False,
                "bakery_project_root": str(kitchen.project_root),
            },
        )
        machine.gone()
    return checks_of(kitchen, up, image.target, report=report)
