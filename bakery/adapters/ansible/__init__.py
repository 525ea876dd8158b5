"""The door to Ansible: one ``ansible-playbook`` process per run, driven through ansible-runner.

``runner.py`` is the door itself; ``places.py`` and ``toolchain.py`` say what it opens on. Nothing here
imports ansible or ansible-runner before a run starts: an unchanged bake must not pay for them.
"""
