"""What the role postgresql promises, whatever its variables are."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def booted(host):
    """Wait, without polling, until the machine has finished booting."""
    host.run("systemctl is-system-running --wait")


@pytest.fixture(scope="module")
def query(host):
    """A function from an SQL expression to its value, asked by the administrator."""

    def ask(expression):
        return host.check_output(f"runuser -u postgres -- psql -XAtc 'SELECT {expression}'")

    return ask


def test_units_succeeded_at_boot(host):
    for unit in ("postgresql-cluster", "postgresql-databases"):
        state = host.check_output(f"systemctl show --property LoadState,Result {unit}.service").split()
        journal = host.run(f"journalctl --no-pager -u {unit}").stdout
        assert sorted(state) == ["LoadState=loaded", "Result=success"], journal


def test_exactly_one_cluster_is_online(host):
    clusters = [line.split() for line in host.check_output("pg_lsclusters --no-header").splitlines()]
    assert [cluster[3] for cluster in clusters] == ["online"], clusters


def test_server_answers_and_writes(query):
    assert query("1") == "1"
    assert query("pg_is_in_recovery()") == "f"


def test_server_reads_the_managed_configuration(query):
    assert query("current_setting($$hba_file$$)") == "/etc/postgresql-managed/pg_hba.conf"


def test_data_belongs_to_postgres_alone(host, query):
    directory = host.file(query("current_setting($$data_directory$$)"))
    assert (directory.user, directory.mode) == ("postgres", 0o700)


def test_configuration_is_not_world_readable(host):
    for path in ("/etc/postgresql-managed", "/etc/postgresql-managed/pg_hba.conf"):
        assert not host.file(path).mode & 0o007, path


def test_nobody_is_trusted_without_proof(host):
    rules = host.file("/etc/postgresql-managed/pg_hba.conf").content_string.splitlines()
    assert [rule for rule in rules if rule.split()[-1:] == ["trust"]] == []


def test_key_of_the_machine_is_protected(host):
    key = host.file("/etc/ssl/private/ssl-cert-snakeoil.key")
    assert key.exists
    assert not key.mode & 0o007
