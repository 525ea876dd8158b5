"""36 runs of modules that roles use every day; the role is in bench/roles/mixed."""

from __future__ import annotations

from pathlib import Path

from bench.places import BENCH
from bench.work import Block, Work

TITLE = "36 × mixed modules"
_NAMES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet")
_FILES = " && ".join(f"echo {name} > /srv/mixed/{name}.txt" for name in _NAMES)
_SHELL = (
    "groupadd -g 3100 mixed",
    "useradd -M -u 3100 -g mixed -d /srv/mixed -s /usr/sbin/nologin -p '!' mixed",
    "install -d -o mixed -g mixed -m 0755 /srv/mixed",
    _FILES,
    "chown mixed:mixed /srv/mixed/*.txt",
    "chmod 0640 /etc/mixed-front.conf /etc/mixed-back.conf",
    "sed -i 's|^root =.*|root = /srv/front|; $a verbose = true' /etc/mixed-front.conf",
    "printf '[limits]\\nfiles = 1024\\n' >> /etc/mixed-front.conf",
    "sed -i s/juliet/kilo/ /etc/mixed-back.conf",
    "test -e /etc/mixed-back.conf",
    "find /srv/mixed -name '*.txt'",
    "uname -s > /srv/mixed/system",
    "wc -l < /etc/passwd",
    "ln -s alpha.txt /srv/mixed/first",
    "install -m 0600 /dev/null /srv/mixed/touched",
    "rm /srv/mixed/juliet.txt",
    "cat /srv/mixed/alpha.txt",
    "getent passwd mixed",
    "install -m 0644 /etc/os-release /srv/mixed/os-release",
    "cp /srv/mixed/alpha.txt /srv/mixed/copied",
    "test -s /srv/mixed/copied",
    'temporary=$(mktemp) && rm "$temporary"',
)


def work(_scratch: Path) -> Work:
    return Work(
        name="mixed",
        title=TITLE,
        sources={"mixed": BENCH / "roles" / "mixed"},
        blocks=(
            Block(
                "mixed",
                ("COPY mixed/ /", "RUN " + " && ".join(_SHELL)),
                files=("/etc/mixed-front.conf", "/etc/mixed-back.conf"),
            ),
        ),
        net=True,
    )
