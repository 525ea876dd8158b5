#!/bin/sh
# Says which ssh there is; the keys of machines are made by what comes with it.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
for program in ssh ssh-keygen; do
  command -v "$program" >/dev/null || { echo "there is no command '$program'" >&2; exit 1; }
done
ssh -V 2>&1
