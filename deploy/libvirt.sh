#!/bin/bash
# Makes sure that this machine's libvirt runs, with or without systemd.
#
#   deploy/libvirt.sh start     start what does not run yet
#   deploy/libvirt.sh status    say what runs
#   deploy/libvirt.sh stop      end what `start` started, and nothing else
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VAR=${CLOUDPORTAL_VAR:-$HERE/var}
STARTED=$VAR/run/libvirt-started   # lines: NAME PID START-TIME
DAEMONS=(virtlogd virtlockd libvirtd)
PATIENCE=60

say() { echo "libvirt: $*"; }

fail() {
    say "$1" >&2
    say "what helps: $2" >&2
    exit 1
}

has_systemd() { [ -d /run/systemd/system ]; }

answers() { timeout 20 virsh -q -c qemu:///system uri >/dev/null 2>&1; }

start_time() {
    # start_time PID: with the number it names a process for ever, since numbers are used again.
    # Nothing for one that has ended and only waits to be reaped by its parent (state Z).
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" {print $20}'
}

pid_of() {
    # pid_of DAEMON: by its pid file, for a search by name would find those of simulated hosts.
    local pid
    pid=$(cat "/run/$1.pid" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && [ -n "$(start_time "$pid")" ] && echo "$pid"
}

mend_kvm_device() {
    # When only root may open it, libvirt asks QEMU anew at every call: a start takes a minute.
    [ -e /dev/kvm ] && getent group kvm >/dev/null || return 0
    [ "$(stat -c '%G' /dev/kvm)" = root ] || return 0
    chown root:kvm /dev/kvm
    chmod 0660 /dev/kvm
    rm -rf /var/cache/libvirt/qemu/capabilities
    say "/dev/kvm belonged to root alone: it is the group kvm's now"
}

admit_user() {
    # The portal of a user who came here by sudo must reach the system's libvirt later.
    local user=${SUDO_USER:-}
    [ -n "$user" ] && [ "$user" != root ] && getent group libvirt >/dev/null || return 0
    id -nG "$user" | tr ' ' '\n' | grep -qx libvirt && return 0
    usermod -aG libvirt "$user"
    say "$user is now in the group libvirt (from the next login on, or with: sg libvirt)"
}

start_with_systemd() {
    systemctl cat libvirtd.service >/dev/null 2>&1 ||
        fail "there is no libvirtd service" "run deploy/system.sh"
    systemctl -q enable --now virtlogd.socket virtlockd.socket libvirtd.service
}

start_alone() {
    local name pid
    mkdir -p "$(dirname "$STARTED")"
    for name in "${DAEMONS[@]}"; do
        pid_of "$name" >/dev/null && continue
        command -v "$name" >/dev/null || fail "$name is not installed" "run deploy/system.sh"
        "$name" -d
        pid=$(pid_of "$name") || fail "$name did not stay" "see /var/log/libvirt and run: $name"
        touch "$STARTED"
        sed -i "/^$name /d" "$STARTED"
        echo "$name $pid $(start_time "$pid")" >>"$STARTED"
        say "$name started (process $pid)"
    done
}

start() {
    mend_kvm_device
    admit_user
    # Guests also need virtlogd: systemd starts it by its socket, elsewhere it must be there.
    if answers && { has_systemd || pid_of virtlogd >/dev/null; }; then
        say "runs already"
        return
    fi
    if has_systemd; then start_with_systemd; else start_alone; fi
    local end=$((SECONDS + PATIENCE))
    until answers; do
        [ $SECONDS -lt $end ] || fail "libvirtd does not answer" \
            "try: virsh -c qemu:///system uri; see /var/log/libvirt, or journalctl -u libvirtd"
        sleep 0.1
    done
    say "runs"
}

status() {
    answers || { say "does not answer"; return 1; }
    say "runs"
    [ -e "$STARTED" ] && say "started from here: $(cut -d ' ' -f 1,2 "$STARTED" | tr '\n' ' ')"
    return 0
}

stop() {
    local guests name pid begun
    if [ ! -e "$STARTED" ]; then
        say "nothing was started from here"
        return
    fi
    guests=$(virsh -q -c qemu:///system list --name 2>/dev/null | grep -c .) || true
    if [ "${guests:-0}" -gt 0 ]; then
        say "left running: $guests guests still need it"
        return
    fi
    while read -r name pid begun; do
        if [ "$(start_time "$pid" || true)" = "$begun" ]; then
            kill "$pid"
            while [ "$(start_time "$pid" || true)" = "$begun" ]; do sleep 0.05; done
            say "$name ended"
        fi
    done < <(tac "$STARTED")
    rm -f "$STARTED"
}

case ${1:-} in
    status) status; exit ;;
    start | stop) ;;
    *) fail "what shall I do?" "deploy/libvirt.sh start, status or stop" ;;
esac
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "only root may $1 libvirt" "run this as root or install sudo"
    exec sudo CLOUDPORTAL_VAR="$VAR" "${BASH_SOURCE[0]}" "$@"
fi
"$1"
