#!/bin/bash
# From a fresh machine to a running portal, in the foreground until Ctrl-C. Safe to repeat.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CLOUDPORTAL_VAR=$(realpath -m "${CLOUDPORTAL_VAR:-$HERE/var}")
export CLOUDPORTAL_VAR
PYTHON=$HERE/.venv/bin/python
cd "$HERE"
umask 077

admit_to_libvirt() {
    # Who was made a member of the group just now has it from the next login on: take it already.
    [ "$(id -u)" = 0 ] && return
    id -nG | tr ' ' '\n' | grep -qx libvirt && return
    id -nG "$(id -un)" | tr ' ' '\n' | grep -qx libvirt || return 0
    exec sg libvirt -c "$(printf '%q ' "$HERE/deploy/run.sh")"
}

deploy/system.sh
# Before the long work: it needs nothing but Python.
python3 deploy/supervise.py check
deploy/environment.sh
deploy/libvirt.sh start
admit_to_libvirt
image=$CLOUDPORTAL_VAR/cache/tiny.qcow2
python3 guest_image/build.py "$image"
"$PYTHON" manage.py setup --image "$image"
exec "$PYTHON" deploy/supervise.py run
