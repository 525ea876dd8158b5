"""The bounds that bakery should stay in."""

from __future__ import annotations

from bench.ami import CAPTURED, CHECKED, NOTICED
from bench.boundary import TASK as BOUNDARY
from bench.bounds import Bound
from bench.packing import BY_HAND, EXPORT, FREEZE
from bench.packing import TASK as PACKING
from bench.peers.names import BENDER, FLOOR, IN_CONTAINER, MITOGEN, PACKER, PODMAN
from bench.race import APPLYING, READY, Rerun
from bench.ssh import TASK as SSH
from bench.workloads import api, commands, mixed, public


def _applying(title: str) -> tuple[Bound, ...]:
    task = f"{title}: {APPLYING}"
    return (
        Bound("no slower than Mitogen", task, 1.0, against=MITOGEN),
        Bound("20 × faster than the podman connection", task, 1 / 20, against=PODMAN),
        Bound("20 × faster than ansible-bender", task, 1 / 20, against=BENDER),
        Bound("40 × faster than Packer", task, 1 / 40, against=PACKER),
    )


def _image(title: str) -> tuple[Bound, ...]:
    task = f"{title}: {READY}"
    return (
        Bound("at most 1.5 × the floor", task, 1.5, against=FLOOR),
        Bound("at most half of ansible-playbook and podman commit", task, 0.5, against=PODMAN),
    )


AIMS = (
    *_applying(commands.TITLE),
    *_applying(mixed.TITLE),
    *_image(api.TITLE),
    *_image(public.TITLE),
    Bound("at most 0.5 s", f"{api.TITLE}: {Rerun.UNCHANGED}", 0.5),
    Bound("that role plus 2 s", f"{api.TITLE}: {Rerun.CHANGED}", 2.0, who=Rerun.REST),
    Bound("at most 1.3 × the same in a container", SSH, 1.3, against=IN_CONTAINER),
    *(Bound("at most 3 s", task, 3.0) for task in NOTICED.values()),
    Bound("within one poll, which is at most 3 s", CAPTURED, 3.0),
    Bound("within one poll, which is at most 3 s", CHECKED, 3.0),
    Bound("at most 1.2 s", BOUNDARY, 1.2),
    Bound("freeze: at most 0.6 s", PACKING, 0.6, who=FREEZE),
    Bound("at most 1.2 × tar + sha256 + zstd", PACKING, 1.2, who=EXPORT, against=BY_HAND),
)
