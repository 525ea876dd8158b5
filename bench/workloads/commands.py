"""50 × command: what a task costs that costs nothing itself."""

from __future__ import annotations

from pathlib import Path

from bench.work import Block, Work

COUNT = 50
TITLE = f"{COUNT} × command"
_TASK = """- name: Run command {number}
  ansible.builtin.command: /usr/bin/true
  changed_when: false
"""


def work(scratch: Path) -> Work:
    """Writes the role into ``scratch``."""
    role = scratch / "commands"
    tasks = role / "tasks" / "main.yml"
    tasks.parent.mkdir(parents=True, exist_ok=True)
    tasks.write_text("---\n" + "\n".join(_TASK.format(number=number + 1) for number in range(COUNT)))
    shell = " && ".join(["/usr/bin/true"] * COUNT)
    return Work(
        name="commands",
        title=TITLE,
        sources={"commands": role},
        blocks=(Block("commands", (f"RUN {shell}",)),),
        net=True,
    )
