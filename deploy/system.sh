#!/bin/bash
# Installs the system packages that cloudportal needs and this machine lacks (Debian, Ubuntu).
#
#   deploy/system.sh          what running the portal needs
#   deploy/system.sh --dev    what the tests and the simulated hosts need as well
#   deploy/system.sh --list   (with or without --dev) only name the packages
set -euo pipefail

RUN_PACKAGES=(
    python3 python3-venv python3-dev gcc libc6-dev pkg-config libvirt-dev   # the Python environment
    libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients        # a hypervisor of its own
    qemu-system-x86 qemu-utils dnsmasq-base iptables ebtables nftables kmod
    openssh-client                                                          # the way to other hosts
    busybox-static dropbear-bin e2fsprogs                                   # inside the guest image
    syslinux syslinux-common mtools zstd xz-utils                           # what makes the image
)
DEV_PACKAGES=(
    openssh-server iproute2 netcat-openbsd iputils-ping procps util-linux   # the simulated hosts
    postgresql                                                              # the other database
    git
)

say() { echo "system: $*"; }

fail() {
    say "$1" >&2
    say "what helps: $2" >&2
    exit 1
}

distribution() {
    # shellcheck disable=SC1091
    (. /etc/os-release 2>/dev/null && echo " ${ID:-} ${ID_LIKE:-} ")
}

missing_packages() {
    # Prints those of its arguments that are not installed.
    local installed
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        awk '$1 == "installed" {print $2}') || true
    printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$installed" none) || true
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

may_become_root() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null || return 1
    # Without a terminal nobody could type a password.
    sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }
}

install_packages() {
    local log=$1
    shift
    local apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -q -y
        -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold)
    if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
        say "reading the distribution's package lists"
        as_root "${apt[@]}" update >>"$log" 2>&1 || true
    fi
    say "installing $# packages (this takes a minute or two): $*"
    as_root "${apt[@]}" install --no-install-recommends "$@" >>"$log" 2>&1 && return
    say "that failed: reading the package lists anew, then once more"
    as_root "${apt[@]}" update >>"$log" 2>&1 || true
    as_root "${apt[@]}" install --no-install-recommends "$@" >>"$log" 2>&1 && return
    tail -n 5 "$log" >&2
    fail "apt-get could not install: $*" "see $log; check the machine's network and package sources, \
or install them yourself with: apt-get install $*"
}

main() {
    local here packages list=no log missing
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    packages=("${RUN_PACKAGES[@]}")
    for word in "$@"; do
        case $word in
            --dev)
                packages+=("${DEV_PACKAGES[@]}")
                # Ubuntu's chromium package only leads to a snap, which containers cannot install.
                [[ $(distribution) == *' ubuntu '* ]] || packages+=(chromium)
                ;;
            --list) list=yes ;;
            *) fail "unknown word: $word" "the words are --dev and --list" ;;
        esac
    done
    [ $list = no ] || { printf '%s\n' "${packages[@]}"; return; }
    command -v dpkg-query >/dev/null && [[ $(distribution) =~ \ (debian|ubuntu)\  ]] ||
        fail "this is neither Debian nor Ubuntu" "install the counterparts of: ${packages[*]}"
    [ "$(uname -m)" = x86_64 ] ||
        fail "this machine is $(uname -m)" "the portal's guest image needs an x86_64 machine"
    mapfile -t missing < <(missing_packages "${packages[@]}")
    if [ ${#missing[@]} = 0 ]; then
        say "all ${#packages[@]} packages are there"
        return
    fi
    may_become_root || fail "these packages are missing and you are not root: ${missing[*]}" \
        "run this as root, or as a user who may use sudo, or: apt-get install ${missing[*]}"
    log=${CLOUDPORTAL_VAR:-$here/var}/log/system.log
    mkdir -p "$(dirname "$log")"
    install_packages "$log" "${missing[@]}"
    say "installed; the log is $log"
}

main "$@"
