#!/bin/sh
# Says where the keyring of a distribution is, or that it is nowhere.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
if [ -r "$1" ]; then
  echo "$1"
  exit 0
fi
echo "there is no $1" >&2
exit 1
