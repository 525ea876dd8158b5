from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.plugin_utils.in_worker import plain, run_main


def greet(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    module = make_module(
        argument_spec={"name": {"type": "str"}, "word": {"type": "str", "no_log": True}},
        supports_check_mode=False,
    )
    if module.params["name"] == "nobody":
        module.fail_json(msg=f"nobody knows {module.params['word']}", bakery_error={"kind": "nobody"})
    module.exit_json(changed=True, said=f"{module.params['word']} {module.params['name']}")


def run(**arguments: Any) -> dict[str, Any]:
    return run_main(greet, {**arguments, "_ansible_no_log": True})


def test_a_result_has_what_the_module_was_told_and_returned() -> None:
    result = run(name="you")
    assert (result["changed"], result["said"]) == (True, "None you")
    assert result["invocation"]["module_args"]["name"] == "you"


def test_a_failure_is_a_result_with_its_details() -> None:
    result = run(name="nobody")
    assert (result["failed"], result["bakery_error"]) == (True, {"kind": "nobody"})


def test_a_secret_argument_is_in_no_result() -> None:
    for name in ("you", "nobody"):
        assert "s3cret" not in str(run(name=name, word="s3cret"))


def test_a_secret_that_reads_true_does_not_blot_out_flags() -> None:
    assert run(name="you", word="True")["changed"] is True


def test_a_module_without_check_mode_is_skipped_in_it() -> None:
    assert run(name="you", _ansible_check_mode=True)["skipped"] is True


def test_an_unknown_argument_is_refused() -> None:
    assert "Unsupported parameters" in run(colour="red")["msg"]


def test_a_main_that_only_returns_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="without a result"):
        run_main(lambda _make: None, {})


class Tagged(str):
    __slots__ = ()


def test_arguments_become_types_of_json() -> None:
    (word,) = plain((Tagged("a"),))
    assert (word, type(word)) == ("a", str)
    assert plain({"n": (1, True, 1.5, None)}) == {"n": [1, True, 1.5, None]}
