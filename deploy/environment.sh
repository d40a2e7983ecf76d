#!/bin/bash
# Makes the Python environment .venv from the pinned requirements; one that is current is kept.
#
#   deploy/environment.sh          what running the portal needs
#   deploy/environment.sh --dev    what the checks and the tests need as well
#   deploy/environment.sh --ansible    beside it .venv-ansible, with Ansible's openstack.cloud
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$HERE/.venv
LOG=${CLOUDPORTAL_VAR:-$HERE/var}/log/environment.log

say() { echo "environment: $*"; }

fail() {
    say "$1" >&2
    say "what helps: $2" >&2
    exit 1
}

find_python() {
    # The distribution's own first: its headers are there, which libvirt's binding is built with.
    local python
    for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null && { command -v "$python"; return; }
    done
    fail "there is no Python 3.11 or newer with venv" "apt-get install python3 python3-venv \
(on an older distribution: python3.11 and python3.11-venv from a package source of your choice)"
}

kind=run files=(requirements.txt)
case ${1:-} in
    --dev) kind=dev files=(requirements.txt requirements-dev.txt) ;;
    --ansible) kind=ansible files=(requirements-ansible.txt) VENV=$HERE/.venv-ansible ;;
    "") ;;
    *) fail "unknown word: $1" "the words are --dev and --ansible" ;;
esac
cd "$HERE"
digest=$(sha256sum "${files[@]}" | sha256sum | cut -d ' ' -f 1)
# A moved folder has programs that name an interpreter which is no longer there.
stamp=$VENV/.made-from-$kind
made_from="$digest $VENV"
if [ "$(cat "$stamp" 2>/dev/null)" = "$made_from" ] && "$VENV/bin/python" -c '' 2>/dev/null; then
    say "$VENV is current"
    exit
fi

mkdir -p "$(dirname "$LOG")"
if ! "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$(find_python)
    say "making $VENV with $python"
    "$python" -m venv --clear "$VENV" >>"$LOG" 2>&1 ||
        fail "could not make $VENV; see $LOG" "apt-get install python3-venv"
fi
rm -f "$stamp"
say "installing the pinned requirements (this takes a minute or two)"
if ! "$VENV/bin/python" -m pip install --require-hashes --disable-pip-version-check \
    --no-input -r "${files[-1]}" >>"$LOG" 2>&1; then
    tail -n 5 "$LOG" >&2
    fail "pip could not install ${files[-1]}; see $LOG" \
        "check the network, or set PIP_INDEX_URL to a package index that this machine reaches"
fi
echo "$made_from" >"$stamp"
say "$VENV is made"
