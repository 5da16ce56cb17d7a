#!/bin/sh
# After an installation or an upgrade, for the packages that are not Debian's. The first argument is, for rpm, how many
# versions are installed now: 1 is a first installation.
set -e

if command -v systemd-sysusers >/dev/null 2>&1; then
    systemd-sysusers cgflux.conf
    systemd-tmpfiles --create cgflux.conf || true
fi
# Without systemd as the first process there is nothing to enable or start.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # What an administrator has put in force goes on with the new version; a first installation follows the presets.
    if [ "${1:-1}" = 1 ]; then
        systemctl preset cgflux.service cgflux-web.service || true
    else
        systemctl try-restart cgflux.service cgflux-web.service || true
    fi
fi
