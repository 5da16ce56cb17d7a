#!/bin/sh
# After a removal, for the packages that are not Debian's. State and edited configuration stay, as rpm has it.
set -e

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
