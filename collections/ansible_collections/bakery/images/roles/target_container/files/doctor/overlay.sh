#!/bin/sh
# Mounts an overlay whose layers lie below the directory given, in a mount namespace that ends with this script,
# and lets it do what a layer store needs: a whiteout, an opaque directory and extended attributes.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
case $1 in
*[[:cntrl:]]*) echo "no machine can be made in a home with control characters in its path; use another" >&2; exit 1 ;;
*:*) echo "container engines cannot run anything below $1: for them a ':' ends a path; use another home" >&2; exit 1 ;;
esac
if ! printf %s "$1" | iconv --from-code=UTF-8 --to-code=UTF-8 >/dev/null 2>&1; then
  echo "container engines cannot run anything below $1: the path is not UTF-8; use another home" >&2
  exit 1
fi
if [ "$(stat --file-system --format=%T "$1")" = overlayfs ]; then
  echo "$1 is on an overlay file system, and on one no other can be mounted; use a home on a volume or the host" >&2
  exit 1
fi
place=$(mktemp -d "$1/doctor.XXXXXX")
trap 'rm -rf "$place"' EXIT
mkdir "$place/lower" "$place/upper" "$place/work" "$place/merged" "$place/lower/folder"
touch "$place/lower/file" "$place/lower/folder/file"
# Relative names: commas and the like in the path of the home are no matter.
cd "$place"
unshare --mount --propagation private sh -eu <<'END'
mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work" merged
rm -r merged/file merged/folder
mkdir merged/folder
END
test -c "$place/upper/file" || { echo "deleting a file left no whiteout" >&2; exit 1; }
echo "work in $1"
