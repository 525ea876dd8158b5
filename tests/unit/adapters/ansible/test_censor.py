"""What leaves the process of a run: what machines say is hidden, what steps hand up stays whole."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.cli import CLI
from ansible.parsing import vault
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.action import ActionBase
from ansible.plugins.action.set_stats import ActionModule

from bakery.adapters.ansible import child, masking, opening

SECRET = "hunter2-hunter2"
MASK = masking.MASK
WITHHELD = masking.WITHHELD


@pytest.fixture
def censor() -> child.Censor:
    """Knows the secret."""
    made = child.Censor(masking)
    made.ledger.add(SECRET.encode())
    return made


def handed_up(censor: child.Censor, **records: Any) -> dict[str, Any]:
    """What is told of records that a run hands up at its end."""
    event = {"event": "playbook_on_stats", "event_data": {"artifact_data": {"bakery": records}}}
    up: dict[str, Any] = censor.event(event)["event_data"]["artifact_data"]["bakery"]
    return up


@pytest.mark.parametrize("closed", [False, True])
def test_where_images_are_is_told_as_it_is(censor: child.Censor, closed: bool) -> None:
    if closed:
        censor.close()
    records = {
        "location": f"oci:/srv/{SECRET}/oci:web",
        "found": {"artifact": {"id": f"ami-{SECRET}"}, "location": SECRET, "checks": {"passed": 1}},
    }
    assert handed_up(censor, **records) == records


def test_of_a_lost_machine_only_the_reason_is_hidden(censor: child.Censor) -> None:
    lost = {"reason": f"it said {SECRET}", "options": {"key": SECRET}, "hint": "try again"}
    assert handed_up(censor, lost=lost) == {"lost": {**lost, "reason": f"it said {MASK}"}}
    assert handed_up(censor, lost={}) == {"lost": {}}


def test_paths_that_sealing_met_are_hidden(censor: child.Censor) -> None:
    sealed = {"entries": [{"path": f"/tmp/{SECRET}", "what": "removed", "reason": "temporary"}], "more": 0}
    told = handed_up(censor, layer={"id": "l1", "sealed": sealed})["layer"]["sealed"]
    assert told["entries"] == [{"path": f"/tmp/{MASK}", "what": "removed", "reason": "temporary"}]


def test_where_something_is_unknown_checks_are_told_without_any_text_of_the_machine(
    censor: child.Censor,
) -> None:
    censor.close()
    unknown = "never-heard-of"
    checks = {
        "passed": 1,
        "failed": 2,
        "report": "/srv/report.json",
        "failures": [{"check": f"checks/a@b/test_a.py::test[{unknown}]", "message": unknown}],
        "results": [{"check": "test_a", "outcome": "failed", "seconds": 0.5, "message": "", "more": unknown}],
        "failed_units": [{"unit": f"app@{unknown}.service", "journal": unknown}],
        "later": {"told": [unknown]},
    }
    told = handed_up(censor, checks=checks)["checks"]
    assert unknown not in json.dumps(told)
    assert told == {
        **checks,
        "failures": [{"check": "checks/a@b/test_a.py::test", "message": WITHHELD}],
        "results": [{**checks["results"][0], "more": WITHHELD}],
        "failed_units": [{"unit": "app@.service", "journal": WITHHELD}],
        "later": {"told": [WITHHELD]},
    }


def test_an_outcome_is_no_place_for_a_text(censor: child.Censor) -> None:
    censor.close()
    told = handed_up(censor, checks={"results": [{"check": "a", "outcome": "passed, said the machine"}]})
    assert told["checks"]["results"] == [{"check": "a", "outcome": WITHHELD}]


# ── what machines may say ──


def answer(transport: str, **said: Any) -> dict[str, Any]:
    """What Ansible makes of the answer of a module over a connection."""
    action = object.__new__(ActionModule)
    action._connection = SimpleNamespace(transport=transport)
    profile = "profile" in inspect.signature(UNCHANGED).parameters
    parsed = action._parse_returned_data({"stdout": json.dumps(said)}, *(["legacy"] if profile else []))
    parsed.pop("_ansible_parsed")
    return dict(parsed)


UNCHANGED = ActionBase._parse_returned_data


@pytest.fixture
def distrusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible as the process of a run has it."""
    monkeypatch.setattr(ActionBase, "_parse_returned_data", UNCHANGED)
    child.distrust_machines()


FORGED = {
    "ansible_stats": {"data": {"bakery": {"layer": {"id": "theirs"}}}},
    "add_host": {"host_name": "localhost", "host_vars": {"ansible_connection": "local"}},
    "add_group": "bakery_machines",
}


@pytest.mark.parametrize("transport", ["bakery.images.machine", "ssh", "local"])
@pytest.mark.usefixtures("distrusting")
def test_a_module_cannot_hand_up_records_or_add_hosts(transport: str) -> None:
    assert answer(transport, changed=True, **FORGED) == {"changed": True}


@pytest.mark.usefixtures("distrusting")
def test_a_machine_knows_no_trouble_of_ours() -> None:
    trouble = {"kind": "layer_corrupt", "layer": "l1"}
    assert "bakery_error" not in answer("bakery.images.machine", failed=True, bakery_error=trouble)
    assert answer("local", failed=True, bakery_error=trouble)["bakery_error"] == trouble


# ── what is opened early ──


@pytest.fixture
def ansible(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Ansible that gets the passwords of a run, after a censor has begun to watch it."""
    monkeypatch.setattr(CLI, "setup_vault_secrets", staticmethod(CLI.setup_vault_secrets))
    monkeypatch.setattr(VaultLib, "decrypt_and_get_vault_id", VaultLib.decrypt_and_get_vault_id)
    (tmp_path / "password").write_text("open sesame")

    def begin(*, password: bool, **told: Any) -> child.Censor:
        identities = [f"default@{tmp_path / 'password'}"] if password else []
        if context := getattr(vault, "VaultSecretsContext", None):
            monkeypatch.setattr(context, "_current", None)
        made = child.Censor(masking)
        child.watch_vaults(made)
        opening.open_early(opening.Sealed({"identities": identities, **told}), made)
        CLI.setup_vault_secrets(DataLoader(), identities, auto_prompt=False)
        return made

    return begin


def sealed_by(password: str, text: str) -> str:
    sealed: bytes = VaultLib([("default", VaultSecret(password.encode()))]).encrypt(text)
    return sealed.decode()


def test_what_is_opened_early_is_hidden_and_not_noted(ansible) -> None:
    early, later = sealed_by("open sesame", SECRET), sealed_by("open sesame", "another-one")
    censor = ansible(password=True, needed=[early])
    assert censor.text(SECRET) == MASK
    assert "vaults" not in handed_up(censor, layer={"id": "l1"})["layer"]
    VaultLib([("default", VaultSecret(b"open sesame"))]).decrypt(later)
    assert censor.text("another-one") == MASK
    assert handed_up(censor, layer={"id": "l1"})["layer"]["vaults"] == [later.strip()]


@pytest.mark.parametrize("password", [False, True])
def test_what_no_password_of_the_project_opens_is_not_its_own(ansible, password: bool) -> None:
    foreign = sealed_by("somebody else's", "whatever")
    assert ansible(password=password, others=[foreign]).text("shown") == "shown"
    assert ansible(password=password, needed=[foreign]).text("shown") == WITHHELD


def test_without_one_of_the_passwords_nobody_knows_whose_it_is(ansible) -> None:
    foreign = sealed_by("somebody else's", "whatever")
    censor = ansible(password=False, identities=["default@/no/such/file"], others=[foreign])
    assert censor.text("shown") == WITHHELD
