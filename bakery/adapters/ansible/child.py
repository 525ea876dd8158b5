"""The ansible-playbook process of a run. Executed by its path, with the arguments of ansible-playbook.

Before Ansible starts it arranges what only this process can: that it ends with its bakery, that nobody reads
its memory, that nothing it says holds a secret of its role set, whatever it has to do with that, and that a
failure says whether it was rescued and what caused it.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import importlib.util
import os
import resource
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # prctl(2)
_OWNER_PID = "BAKERY_OWNER_PID"
_MOST_CAUSES = 10
# Steps hand up records under these names; they hold names and digests of ours, never a value of a role.
# Everything else that is handed up (the messages of failed checks above all) is masked like any event, and so
# are the names of files and packages in records, which machines chose.
_WIRE_RECORDS = frozenset(
    {
        "base", "machine", "layer", "artifact", "location", "found", "lost", "names", "swept", "pruned",
        "report", "loaded", "exported",
    }
)  # fmt: skip
_NAMED_BY_MACHINES = {
    "layer": ("packages", "sealed"),
    "report": ("packages", "files", "layers", "contents"),
    "lost": ("reason",),
}
# What only actions on the controller may say: Ansible would act on it for a module in a machine too, and so
# would bakery.
_SAID_BY_ACTIONS = ("ansible_stats", "add_host", "add_group")
# What only a module on the controller may say; see failure.py.
_SAID_HERE = "bakery_error"
_IDS = frozenset({"id", "digest", "layer", "before_layer", "kind", "change"})
# Fields that the playbooks decide, shown also where nothing else is.
_NAMES = frozenset({"play", "play_pattern", "task", "name", "outcome", "processed"})
# Fields of an event that say where it happened; masking them could only break the reading of events.
_LONGEST_VAULT = 256 * 1024  # of what is noted in a record
_PLACE_FIELDS = frozenset(
    {
        "uuid", "playbook_uuid", "play_uuid", "task_uuid", "host", "remote_addr", "playbook",
        "task_path", "task_action", "resolved_action", "role", "resolved_role", "start", "end", "duration",
        "created", "pid",
    }
)  # fmt: skip


def end_with_owner() -> None:
    """Have the kernel send SIGTERM when the bakery that started us dies: Ansible then ends its workers."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != int(os.environ[_OWNER_PID]):  # it died before the call
        sys.exit(1)


def keep_memory_private() -> None:
    """Nobody of the same user may trace this process or its workers, and none of them leaves a core file."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def prepare_terminal() -> None:
    """No input for anybody who asks, and lines as long as they are instead of wrapped at 80 columns."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if os.isatty(1):
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 0xFFFF, 0, 0))


def load_beside(name: str) -> ModuleType:
    """A file or package beside this file, without putting it on the import path of every plug-in."""
    path = Path(__file__).with_name(name)
    spec = importlib.util.spec_from_file_location(
        f"bakery_{path.stem}", path / "__init__.py" if path.is_dir() else path
    )
    if spec is None or spec.loader is None:
        sys.exit(f"bakery's {name} is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # the parts of a package look for it there
    spec.loader.exec_module(module)
    return module


class Censor:
    """Knows every plaintext of the run as soon as a worker does, and what other runs of the role set know.

    ``close`` says that something stays unknown: no text is shown from then on. ``vaults`` are the encrypted
    texts that the run itself opened, not those that were opened early only to know what to hide.
    """

    def __init__(self, masking: ModuleType) -> None:
        self.ledger = masking.Ledger()
        self.vaults = masking.Ledger()
        self._masking = masking
        self._masker = masking.Masker()
        self._closed = False
        self._early = False

    def close(self) -> None:
        self._closed = True

    @contextmanager
    def early(self) -> Iterator[None]:
        """What is opened meanwhile is opened only to know what to hide."""
        self._early = True
        try:
            yield
        finally:
            self._early = False

    def opened(self, vaulttext: str | bytes, plaintext: bytes) -> None:
        """Hide a plaintext from now on, and note the text that held it."""
        self.ledger.add(plaintext)
        text = _one_text(vaulttext)
        if not self._early and len(text) <= _LONGEST_VAULT:
            self.vaults.add(text)

    def text(self, text: str) -> str:
        self._catch_up()
        if self._closed:
            text = self._masking.withheld_text(text)
        return str(self._masker.text(text))

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event without secrets, in place of the one that was about to be written."""
        self._catch_up()
        data = event.get("event_data", {})
        return {**event, "event_data": {name: self._field(name, value) for name, value in data.items()}}

    def _field(self, name: str, value: Any) -> Any:
        if name in _PLACE_FIELDS:
            return value
        if name == "artifact_data":
            return self._handed_up(value)
        masked = self._masked(value) if name not in _NAMES else self._masker.value(value)
        if name == "res" and isinstance(value, dict) and isinstance(value.get("ansible_stats"), dict):
            stats = value["ansible_stats"]
            masked["ansible_stats"] = {**stats, "data": self._handed_up(stats.get("data"))}
        return masked

    def _handed_up(self, value: Any) -> Any:
        masked = self._masked(value)
        ours = value.get("bakery") if isinstance(value, dict) else None
        if isinstance(ours, dict):
            masked["bakery"] = {name: self._told(name, one) for name, one in ours.items()}
        return masked

    def _told(self, name: str, value: Any) -> Any:
        if name == "checks" and self._closed:
            return self._masker.value(self._masking.withheld_checks(value))
        if name not in _WIRE_RECORDS:
            return self._masked(value)
        if not isinstance(value, dict):
            return value
        theirs = {
            part: self._but_ids(value[part]) for part in _NAMED_BY_MACHINES.get(name, ()) if part in value
        }
        opened = [text.decode("ascii", "replace") for text in self.vaults.all()]
        if name == "layer" and opened:
            theirs["vaults"] = opened
        return {**value, **theirs}

    def _but_ids(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: item if name in _IDS else self._but_ids(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._but_ids(item) for item in value]
        return self._masker.value(value)

    def _masked(self, value: Any) -> Any:
        return self._masker.value(self._masking.withheld(value) if self._closed else value)

    def _catch_up(self) -> None:
        for plaintext in self.ledger.news():
            self._masker.learn(plaintext)


class CensoredStream:
    """A text stream that lets no secret through. Everything but writing is the stream's own."""

    def __init__(self, stream: Any, censor: Censor) -> None:
        self._stream = stream
        self._censor = censor

    def write(self, text: str) -> int:
        return int(self._stream.write(self._censor.text(text)))

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class CensoredCache:
    """Where the event callback leaves its events: adds the outcome, takes out the secrets."""

    def __init__(self, cache: Any, censor: Censor, outcomes: dict[str, str]) -> None:
        self._cache = cache
        self._censor = censor
        self._outcomes = outcomes

    def set(self, key: str, event: dict[str, Any]) -> None:
        data = event.get("event_data", {})
        if event.get("event") in {"runner_on_failed", "runner_on_unreachable"}:
            event = {**event, "event_data": {**data, "outcome": self._outcomes.get(str(data.get("host")))}}
        self._cache.set(key, self._censor.event(event))


def _one_text(vaulttext: str | bytes) -> bytes:
    text = vaulttext.encode() if isinstance(vaulttext, str) else bytes(vaulttext)
    return b"\n".join(line.strip() for line in text.strip().splitlines())


def watch_vaults(censor: Censor) -> None:
    """Note every plaintext at the one place where Ansible decrypts, in whichever process that happens, and
    what it was encrypted as.
    """
    vault: Any = import_module("ansible.parsing.vault").VaultLib
    decrypt = vault.decrypt_and_get_vault_id

    def noting(self: Any, vaulttext: Any) -> Any:
        result = decrypt(self, vaulttext)
        censor.opened(vaulttext, bytes(result[0]))
        return result

    vault.decrypt_and_get_vault_id = noting


def distrust_machines() -> None:
    """Take out of what a module returned what it may not say, in whichever process that happens.

    The answer of a module in a machine is whatever the machine writes, and Ansible acts on some of it as if
    an action of its own had said it (StrategyBase._process_pending_results).
    """
    actions: Any = import_module("ansible.plugins.action").ActionBase
    parse = actions._parse_returned_data  # noqa: SLF001  # the one place that all answers come through

    def believing_less(self: Any, *arguments: Any, **options: Any) -> Any:
        data = parse(self, *arguments, **options)
        for name in _SAID_BY_ACTIONS:
            data.pop(name, None)
        if getattr(self._connection, "transport", None) != "local":
            data.pop(_SAID_HERE, None)
        return data

    actions._parse_returned_data = believing_less  # noqa: SLF001


def watch_outcomes() -> dict[str, str]:
    """The last verdict on each host: Ansible counts a failure as failed, rescued or ignored just before it
    reports it.
    """
    stats: Any = import_module("ansible.executor.stats").AggregateStats
    outcomes: dict[str, str] = {}
    increment = stats.increment

    def noting(self: Any, what: str, host: str) -> None:
        if what in {"failures", "rescued", "ignored", "dark"}:
            outcomes[host] = what
        increment(self, what, host)

    stats.increment = noting
    return outcomes


def tell_causes() -> None:
    """Put the cause of a failure into its event: ansible-core 2.19 and later keep it apart from the message,
    as a chain of events that ends at the callbacks (ansible.module_utils._internal._messages).
    """
    callback: Any = import_module("ansible.plugins.loader").callback_loader.get(
        "awx_display", class_only=True
    )
    for name in ("v2_runner_on_failed", "v2_runner_on_unreachable"):
        setattr(callback, name, _telling(getattr(callback, name)))


def _telling(original: Any) -> Any:
    def telling(self: Any, result: Any, *arguments: Any, **options: Any) -> Any:
        raw = getattr(result, "_return_data", None)  # where no chain is kept apart there is none of it
        if isinstance(raw, dict):
            _add_causes(raw, result._result)  # noqa: SLF001  # what the callback itself reads
        return original(self, result, *arguments, **options)

    return telling


def _add_causes(raw: Any, shown: Any) -> None:
    """Also for the items of a loop. What ``no_log`` hides is taken out of the event as a whole, with this."""
    if not isinstance(raw, dict) or not isinstance(shown, dict):
        return
    causes = _chain(raw.get("exception"))
    if causes:
        shown["bakery_causes"] = causes
    for ours, theirs in zip(raw.get("results") or (), shown.get("results") or (), strict=False):
        _add_causes(ours, theirs)


def _chain(summary: Any) -> list[str]:
    """The messages of an error, the cause last; a part that an earlier one quotes already is left out."""
    causes: list[str] = []
    event = getattr(summary, "event", None)
    while event is not None and len(causes) < _MOST_CAUSES:
        text = str(getattr(event, "msg", "")).strip()
        if text and not any(text.rstrip(".") in cause for cause in causes):
            causes.append(text)
        chain = getattr(event, "chain", None)
        event = getattr(chain, "event", None) if getattr(chain, "follow", False) else None
    return causes


def censor_events(censor: Censor, outcomes: dict[str, str]) -> None:
    """Put the censor between ansible-runner's event callback and what it writes."""
    callback = import_module("ansible.plugins.loader").callback_loader.get("awx_display", class_only=True)
    context = sys.modules[callback.__module__].event_context
    context.cache = CensoredCache(context.cache, censor, outcomes)


def leave(code: int) -> NoReturn:
    """End at once: what is registered for the end is done, but nobody takes Ansible apart first."""
    atexit._run_exitfuncs()  # noqa: SLF001  # there is no other way to have them run
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    # A tenth of the start goes to looking for garbage among what is only being imported.
    gc.disable()
    end_with_owner()
    keep_memory_private()
    prepare_terminal()
    censor = Censor(load_beside("masking"))
    opening = load_beside("opening.py")
    sealed = opening.take_sealed()
    sys.stdout = CensoredStream(sys.stdout, censor)
    sys.stderr = CensoredStream(sys.stderr, censor)
    watch_vaults(censor)
    opening.open_early(sealed, censor)
    distrust_machines()
    censor_events(censor, watch_outcomes())
    tell_causes()

    sys.argv[0] = "ansible-playbook"
    playbook = import_module("ansible.cli.playbook")
    # It all stays: nobody need look at it again, here or in a worker, which would copy it by looking.
    gc.freeze()
    gc.enable()
    try:
        playbook.main()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))


if __name__ == "__main__":
    main()
