#!/bin/sh
# Before a removal, for the packages that are not Debian's. rpm's first argument is how many versions will stay: 0 is a
# removal, 1 an upgrade.
set -e

if [ "${1:-0}" = 0 ] && [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now cgflux.service cgflux-web.service || true
fi
