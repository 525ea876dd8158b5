"""bakery: servers as artifacts, baked from Ansible roles.

The package decides, hashes, orders, records and shows. It touches no machine and no cloud: that is
the work of the collection ``bakery.images``, driven through ansible-runner.
"""

__version__ = "0.1.0"
