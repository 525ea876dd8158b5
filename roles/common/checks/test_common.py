"""What the role common promises, whatever its variables are."""

import re


def test_base_packages_are_installed(host):
    for name in ("ca-certificates", "curl", "sudo", "tzdata"):
        assert host.package(name).is_installed, name


def test_system_locale_is_available(host):
    lang = re.search(r"^LANG=(\S+)$", host.file("/etc/default/locale").content_string, re.MULTILINE)
    assert lang, "/etc/default/locale sets no LANG"
    available = host.check_output("locale -a").lower().replace("-", "").split()
    assert lang.group(1).lower().replace("-", "") in available


def test_timezone_name_and_zone_agree(host):
    name = host.file("/etc/timezone").content_string.strip()
    assert host.file("/etc/localtime").linked_to == host.check_output(f"realpath /usr/share/zoneinfo/{name}")


def test_sudoers_files_are_valid(host):
    result = host.run("visudo -c")
    assert result.rc == 0, result.stdout + result.stderr


def test_no_user_but_root_has_uid_zero(host):
    passwd = [line.split(":") for line in host.file("/etc/passwd").content_string.splitlines()]
    assert [entry[0] for entry in passwd if entry[2] == "0"] == ["root"]


def test_no_account_has_an_empty_password(host):
    shadow = [line.split(":") for line in host.file("/etc/shadow").content_string.splitlines()]
    assert [entry[0] for entry in shadow if not entry[1]] == []
