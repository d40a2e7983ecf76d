"""One simulated host: its folders, its settings, and the processes that make it a host."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab import network
from lab.commands import LabError, run, succeeds
from lab.plan import HostPlan, MachinePlan

PATIENCE_S = 60.0
# The name of the process that holds a host's namespaces.
HOLDER = "sleep"
SHARED = ("var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt", "etc/libvirt")
STOCK_FILTERS = Path("/usr/share/libvirt/nwfilter")
DAEMONS = {
    "virtlogd": ("virtlogd", "-d"),
    "virtlockd": ("virtlockd", "-d"),
    "libvirtd": ("libvirtd", "-d"),
}
# Runs as the first process of the host, in mount and UTS namespaces of its own; the words after it
# are the host's name and folder. It ends as a process that only holds the namespaces.
FIRST_PROCESS = """
set -e
mount --make-rprivate /
hostname "$1"
mount -t tmpfs -o mode=0755 run /run
mkdir -p /run/sshd /run/lock
# All hosts share one kernel: each gets its own name for a boot, a new one whenever it starts.
cat /proc/sys/kernel/random/uuid >/run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
for folder in var/lib/libvirt var/log/libvirt var/cache/libvirt etc/libvirt; do
    mkdir -p "/$folder"
    mount --bind "$2/$folder" "/$folder"
done
if [ -f "$2/pool.ext4" ]; then
    mount -o loop "$2/pool.ext4" /var/lib/libvirt/images
fi
mount --bind "$2/etc/passwd" /etc/passwd
mount --bind "$2/etc/shadow" /etc/shadow
mount --bind "$2/etc/hosts" /etc/hosts
mount --bind "$2/etc/hostname" /etc/hostname
: >/run/host-is-set-up
exec sleep infinity
"""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, with patience for a busy machine.

    Raises:
        LabError: it did not come true in time.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {PATIENCE_S:.0f} s in vain: {what}")
        time.sleep(0.02)


def prepare_folders(host: HostPlan, *, authorized_key: str, capabilities: Path) -> None:
    """Lay out the host's disk: settings anew at every start, the rest only when it is missing."""
    for folder in SHARED:
        _copy_layout(Path("/", folder), host.folder / folder)
    settings = host.folder / "etc/libvirt"
    filters = settings / "nwfilter"
    if not filters.exists() and STOCK_FILTERS.exists():
        shutil.copytree(STOCK_FILTERS, filters)
    (settings / "libvirtd.conf").write_text(f'host_uuid = "{host.uuid}"\n')
    (settings / "qemu.conf").write_text('security_driver = "none"\n')
    _write_identity(host)
    _write_sshd(host, authorized_key)
    own = host.folder / "var/cache/libvirt/qemu/capabilities"
    if capabilities.exists() and not own.exists():
        shutil.copytree(capabilities, own)


def limit_pool(host: HostPlan, mib: int) -> None:
    """Give the host's images a file system of this size; one that is there stays as it is.

    It is mounted by the host's first process alone, so it goes with the host and is kept by its
    disk, as a real one is.
    """
    if host.pool_file.exists():
        return
    partial = host.pool_file.with_suffix(".part")
    with partial.open("wb") as file:
        file.truncate(mib * 1024**2)
    # A journal and reserved blocks would only take room of what is to be filled.
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", partial)
    partial.rename(host.pool_file)


def _copy_layout(source: Path, target: Path) -> None:
    """Make the folders that the packages made, with their owners, but none of their files."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*")) if source.exists() else []:
        if path.is_dir() and not path.is_symlink() and path.name != "nwfilter":
            status = path.stat()
            copy = target / path.name
            copy.mkdir(exist_ok=True)
            os.chown(copy, status.st_uid, status.st_gid)
            copy.chmod(status.st_mode & 0o7777)


def _write_identity(host: HostPlan) -> None:
    etc = host.folder / "etc"
    (etc / "hostname").write_text(host.name + "\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n{host.address} {host.name}\n")
    passwd = [
        # A plain shell: the profile of this machine's root is none of the host's. What it runs at
        # each login may be slow, or leave a lock behind when the host loses its power.
        line.rpartition(":")[0] + ":/bin/sh" if line.startswith("root:") else line
        for line in Path("/etc/passwd").read_text().splitlines()
    ]
    (etc / "passwd").write_text("\n".join(passwd) + "\n")
    shadow = [
        # sshd without PAM refuses root when its password is locked by "!": keys only, so "*".
        "root:*:" + line.split(":", 2)[2] if line.startswith("root:") else line
        for line in Path("/etc/shadow").read_text().splitlines()
    ]
    (etc / "shadow").touch(mode=0o600)
    (etc / "shadow").write_text("\n".join(shadow) + "\n")


def _write_sshd(host: HostPlan, authorized_key: str) -> None:
    folder = host.folder / "ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    key = folder / "host_key"
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", key)
    (folder / "authorized_keys").write_text(authorized_key.strip() + "\n")
    options = {
        "ListenAddress": f"{host.address}:22",
        "HostKey": str(key),
        "AuthorizedKeysFile": str(folder / "authorized_keys"),
        "PidFile": "/run/sshd.pid",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        "StrictModes": "no",
        "MaxStartups": "200",
        "MaxSessions": "200",
    }
    text = "".join(f"{name} {value}\n" for name, value in options.items())
    (folder / "sshd_config").write_text(text)


def start(host: HostPlan) -> None:
    """Start what does not run: all of the host, or only the daemons that died."""
    if holder(host) is None:
        kill(host)
        _start_first_process(host)
    for name, command in DAEMONS.items():
        if daemon(host, name) is None:
            run(*_inside(host), *command)
    if daemon(host, "sshd") is None:
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
        if sshd is None:
            raise LabError("openssh-server is not installed: run deploy/system.sh --dev")
        run(*_inside(host), sshd, "-f", host.folder / "ssh/sshd_config")


def _start_first_process(host: HostPlan) -> None:
    unshare = ["unshare", "--mount", "--uts", "--", "sh", "-c", FIRST_PROCESS]
    log = (host.folder / "start.log").open("wb")
    with log:
        process = subprocess.Popen(  # noqa: S603 - fixed tools; the words are the lab's own
            ["ip", "netns", "exec", host.name, *unshare, "host", host.name, str(host.folder)],  # noqa: S607 - found in PATH, as every tool here
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    marker = Path(f"/proc/{process.pid}/root/run/host-is-set-up")

    def is_set_up() -> bool:
        if process.poll() is not None:
            said = (host.folder / "start.log").read_text(errors="replace").strip()
            raise LabError(f"{host.name} did not start: {said}")
        # The shell says that all is set up, and then becomes the process that holds the host.
        return marker.exists() and name_of(process.pid) == HOLDER

    wait_until(is_set_up, f"{host.name} sets up its file systems")
    (host.folder / "holder").write_text(str(process.pid))


def wait_ready(host: HostPlan) -> None:
    """Wait until libvirtd and sshd answer."""
    pid = holder(host)
    wait_until(
        lambda: _connects(f"/proc/{pid}/root/run/libvirt/libvirt-sock"),
        f"libvirtd of {host.name} answers",
    )
    wait_until(lambda: _greets(host.address), f"sshd of {host.name} answers")


def learn_capabilities(host: HostPlan, shared: Path) -> None:
    """Make libvirt look at QEMU now, and keep what it found for the other hosts."""
    run(*_inside(host), "virsh", "-c", "qemu:///system", "capabilities")
    found = host.folder / "var/cache/libvirt/qemu/capabilities"
    if found.exists():
        partial = shared.with_name(f"{shared.name}.{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(found, partial)
        shutil.rmtree(shared, ignore_errors=True)
        with contextlib.suppress(OSError):  # another lab was faster: its copy is as good
            partial.rename(shared)
        shutil.rmtree(partial, ignore_errors=True)


def holder(host: HostPlan) -> int | None:
    """Return the process that holds the host's namespaces, when it lives."""
    try:
        pid = int((host.folder / "holder").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if pid in network.processes_in(host) and name_of(pid) == HOLDER else None


def daemon(host: HostPlan, name: str) -> int | None:
    """Return the host's process of this name that the others descend from, when it lives."""
    pids = [pid for pid in network.processes_in(host) if name_of(pid) == name]
    return next((pid for pid in pids if _parent_of(pid) not in pids), None)


def kill(host: MachinePlan) -> None:
    """Cut the host's power: every process in its namespace ends at once, guests too."""

    def all_gone() -> bool:
        pids = network.processes_in(host)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    wait_until(all_gone, f"the processes of {host.name} end")


def remove(host: MachinePlan) -> None:
    """Take the host away with all it stored."""
    kill(host)
    network.disconnect(host)
    if host.folder.exists():
        shutil.rmtree(host.folder)


def fingerprint(host: HostPlan) -> str:
    """Return the SHA256 fingerprint of the host's SSH key."""
    return run("ssh-keygen", "-l", "-E", "sha256", "-f", host.folder / "ssh/host_key.pub").split()[
        1
    ]


def enter_command(host: HostPlan) -> list[str]:
    """Return the words that run a command on the host."""
    return _inside(host)


def _inside(host: HostPlan) -> list[str]:
    pid = holder(host)
    if pid is None:
        raise LabError(f"{host.name} does not run")
    return ["nsenter", "-t", str(pid), "-n", "-m", "-u", "--"]


def name_of(pid: int) -> str:
    """Return the name of a process's program; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def let_qemu_use_kvm_device() -> Iterator[str]:
    """Mend a /dev/kvm that only root may open: libvirt would ask QEMU anew at every call."""
    device = Path("/dev/kvm")
    if device.exists() and device.group() == "root" and succeeds("getent", "group", "kvm"):
        shutil.chown(device, "root", "kvm")
        device.chmod(0o660)
        yield "/dev/kvm belonged to root alone: it is the group kvm's now"
