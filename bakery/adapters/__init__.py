"""The only doors out of the package: Ansible, the catalog, locks, signals and the files of bakery's home."""
