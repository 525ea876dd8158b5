#!/bin/sh
# Says which OCI runtime would run a machine here. Under control groups version 1 crun cannot boot systemd: then it
# must be runc.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  version=2
  wanted='crun runc'
else
  version=1
  wanted='runc'
fi
for runtime in $wanted; do
  if command -v "$runtime" >/dev/null; then
    echo "$runtime, control groups version $version"
    exit 0
  fi
done
echo "under control groups version $version one of these must be there: $wanted" >&2
exit 1
