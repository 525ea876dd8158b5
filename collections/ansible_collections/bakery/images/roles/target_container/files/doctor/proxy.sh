#!/bin/sh
# Says whether the proxies that the environment names can be reached from a machine.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
found='no proxy is named'
for name in http_proxy https_proxy ftp_proxy all_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY; do
  eval "value=\${$name:-}"
  [ -n "$value" ] || continue
  # The host alone: credentials are nobody's business.
  host=${value#*://}
  host=${host##*@}
  case $host in
    127.*|localhost|localhost[:/]*|*.localhost|*.localhost[:/]*|'[::1]'*)
      echo "$name is ${host%%/*}, on the loopback of this host; have it listen on another address too" >&2
      exit 1 ;;
  esac
  found='proxies are on other hosts'
done
echo "$found"
