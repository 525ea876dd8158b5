#!/bin/sh
# Says which network back end the engine uses, and whether its program and a packet filter are there.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
command -v podman >/dev/null || { echo "podman is not there, which would say which network it uses" >&2; exit 1; }
backend=$(podman info --format '{{.Host.NetworkBackend}}')
case $backend in
  netavark) programs='/usr/lib/podman/netavark /usr/libexec/podman/netavark' ;;
  *) programs='/usr/lib/cni/bridge /usr/libexec/cni/bridge /opt/cni/bin/bridge' ;;
esac
for program in $programs; do
  if [ -x "$program" ]; then
    PATH=$PATH:/usr/sbin:/sbin
    for filter in iptables nft; do
      if command -v "$filter" >/dev/null; then
        echo "$backend, $filter"
        exit 0
      fi
    done
    echo "$backend needs iptables or nft" >&2
    exit 1
  fi
done
echo "the engine's network back end '$backend' is not installed" >&2
exit 1
