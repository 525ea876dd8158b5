"""The role set db as a whole: PostgreSQL on a hardened machine."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def booted(host):
    """Wait, without polling, until the machine has finished booting."""
    host.run("systemctl is-system-running --wait")


def test_no_unit_failed(host):
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_database_was_made_with_its_owner(host):
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $$orders$$"
    owner = host.check_output(f"runuser -u postgres -- psql -XAtc '{query}'")
    assert owner == "orders"


def test_database_keeps_what_is_written(host):
    script = "CREATE TEMP TABLE t (n int); INSERT INTO t VALUES (41); UPDATE t SET n = n + 1; SELECT n FROM t"
    assert host.check_output(f"runuser -u postgres -- psql -XAtqc '{script}' orders") == "42"


def test_network_clients_need_a_password(host):
    answer = host.run("psql -XAtc 'SELECT 1' 'host=127.0.0.1 user=orders dbname=orders password=wrong'")
    assert answer.rc != 0
    assert "authentication failed" in answer.stderr


def test_cluster_was_made_on_this_machine(host):
    made = host.check_output(
        "runuser -u postgres -- psql -XAtc 'SELECT (system_identifier >> 32) FROM pg_control_system()'"
    )
    # The upper half of the identifier is the time at which initdb ran (xlog.c, BootStrapXLOG).
    assert float(made) >= float(host.check_output("stat -c %Y /proc/1"))
