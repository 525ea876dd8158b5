#!/bin/sh
# Mounts an overlay whose layers lie below the directory given, in a mount namespace that ends with this script,
# and lets it do what a layer store needs: a whiteout, an opaque directory and extended attributes.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
place=$(mktemp -d "$1/doctor.XXXXXX")
trap 'rm -rf "$place"' EXIT
mkdir "$place/lower" "$place/upper" "$place/work" "$place/merged" "$place/lower/folder"
touch "$place/lower/file" "$place/lower/folder/file"
unshare --mount --propagation private sh -eu -s "$place" <<'END'
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged"
rm -r "$1/merged/file" "$1/merged/folder"
mkdir "$1/merged/folder"
END
test -c "$place/upper/file" || { echo "deleting a file left no whiteout" >&2; exit 1; }
echo "work in $1"
