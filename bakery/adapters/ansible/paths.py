"""Paths as people know them: relative to their project, never into the private directory of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_COLLECTIONS = "ansible_collections/"


@dataclass(frozen=True)
class PathShower:
    """Shows the paths of a run. ``private`` is the run's private directory, whose folder ``project`` mirrors
    the project; ``roles_path`` is where the run finds roles.
    """

    project_root: Path
    private: Path
    roles_path: tuple[Path, ...] = ()

    def role_of(self, path: str | None) -> str | None:
        """The role that a ``file:line`` of the run belongs to, as ``task_path`` shows it; None for others."""
        for folder in self.roles_path if path else ():
            shown = self.task_path(f"{folder}/")
            if shown and path and path.startswith(shown):
                return path.removeprefix(shown).partition("/")[0]
        return None

    def task_path(self, path: str) -> str | None:
        """A task's ``file:line``, short; None for a task of the generated play."""
        for root in (self.project_root, self.project_root.resolve()):
            if path.startswith(f"{root}/"):
                return path.removeprefix(f"{root}/")
        if path.startswith(f"{self.private}/"):
            return None
        before, found, after = path.partition(_COLLECTIONS)
        return found + after if found else before

    def text(self, text: str) -> str:
        """A text of Ansible's with paths of the project relative to it."""
        mirrored = f"{self.private}/project/"
        text = text.replace(f"{mirrored}bakery_provision.yml", "the generated play")
        for root in (mirrored, f"{self.project_root}/", f"{self.project_root.resolve()}/"):
            text = text.replace(root, "")
        return text
