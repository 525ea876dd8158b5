#!/bin/sh
# Says where the init program for bases without systemd is: on PATH, or among the engine's own programs.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
PATH=$PATH:/usr/libexec/podman:/usr/lib/podman
command -v catatonit || { echo "there is no command 'catatonit'" >&2; exit 1; }
