"""Samples of the actions on a server: their bodies, at each microversion at which one changed."""

from __future__ import annotations

from typing import Any

from tests.samples.sample import Sample

_ACTION = "POST servers/{server_id}/action"
_REBUILD: dict[str, Any] = {"imageRef": "$image_id", "name": "new", "metadata": {"color": "blue"}}


def _action(
    name: str,
    microversions: str,
    body: dict[str, Any],
    vm_state: str = "active",
    **fields: Any,
) -> Sample:
    return Sample("server-actions", name, _ACTION, microversions, body, vm_state=vm_state, **fields)


def _asked(name: str, microversions: str, body: dict[str, Any], vm_state: str = "active") -> Sample:
    """What is answered follows from hosts that are not there; that it is understood does not."""
    return _action(name, microversions, body, vm_state, is_request_alone=True)


ACTIONS = [
    _action("start", "2.1", {"os-start": None}, "stopped"),
    _action("stop", "2.1", {"os-stop": None}),
    _action("reboot", "2.1", {"reboot": {"type": "HARD"}}),
    _action("pause", "2.1", {"pause": None}),
    _action("unpause", "2.1", {"unpause": None}, "paused"),
    _action("suspend", "2.1", {"suspend": None}),
    _action("resume", "2.1", {"resume": None}, "suspended"),
    _action("lock", "2.1", {"lock": None}),
    _action("lock", "2.73", {"lock": {"locked_reason": "Backup."}}),
    _action("unlock", "2.1", {"unlock": None}),
    _action("reset-state", "2.1", {"os-resetState": {"state": "active"}}),
    _action("crash-dump", "2.17", {"trigger_crash_dump": None}),
    _asked("release", "2.1", {"cloudportal:release": None}),
    _action("force-delete", "2.1", {"forceDelete": None}),
    _asked("rescue", "2.1", {"rescue": {"adminPass": "secret", "rescue_image_ref": "$image_id"}}),
    _asked("unrescue", "2.1", {"unrescue": None}, "rescued"),
    _asked("resize", "2.1", {"resize": {"flavorRef": "private", "OS-DCF:diskConfig": "AUTO"}}),
    _asked("confirm-resize", "2.1", {"confirmResize": None}, "resized"),
    _asked("revert-resize", "2.1", {"revertResize": None}, "resized"),
    _asked("migrate", "2.1", {"migrate": None}),
    _asked("migrate", "2.56", {"migrate": {"host": "host2"}}),
    _asked(
        "live-migrate",
        "2.1",
        {"os-migrateLive": {"host": None, "block_migration": True, "disk_over_commit": False}},
    ),
    _asked("live-migrate", "2.25", {"os-migrateLive": {"host": None, "block_migration": "auto"}}),
    _asked(
        "live-migrate",
        "2.30",
        {"os-migrateLive": {"host": "host2", "block_migration": "auto", "force": False}},
    ),
    _asked("live-migrate", "2.68", {"os-migrateLive": {"host": None, "block_migration": "auto"}}),
    _asked("evacuate", "2.1", {"evacuate": {"host": "host2", "onSharedStorage": False}}),
    _asked("evacuate", "2.14", {"evacuate": {"host": "host2", "adminPass": "secret"}}),
    _asked("evacuate", "2.29", {"evacuate": {"host": "host2", "force": False}}),
    _asked("evacuate", "2.68", {"evacuate": {"host": "host2"}}),
    _asked("rebuild", "2.1", {"rebuild": _REBUILD}),
    _asked("rebuild", "2.19", {"rebuild": {**_REBUILD, "description": "A web server."}}),
    _asked("rebuild", "2.54", {"rebuild": {**_REBUILD, "key_name": None}}),
    _asked("rebuild", "2.57", {"rebuild": {**_REBUILD, "user_data": "IyEvYmluL3NoCg=="}}),
    _asked("rebuild", "2.63", {"rebuild": {**_REBUILD, "trusted_image_certificates": None}}),
    _asked("rebuild", "2.90", {"rebuild": {**_REBUILD, "hostname": "web"}}),
    _asked("rebuild", "2.94", {"rebuild": {**_REBUILD, "hostname": "web.example.org"}}),
    _asked("shelve", "2.1", {"shelve": None}),
    _asked("shelve-offload", "2.1", {"shelveOffload": None}, "shelved"),
    _asked("unshelve", "2.1", {"unshelve": None}, "shelved_offloaded"),
    _asked("unshelve", "2.77", {"unshelve": {"availability_zone": "nova"}}, "shelved_offloaded"),
    _asked("unshelve", "2.91", {"unshelve": {"host": "host1"}}, "shelved_offloaded"),
    _asked("create-image", "2.1 2.45", {"createImage": {"name": "new", "metadata": {"a": "b"}}}),
    _asked(
        "create-backup",
        "2.1 2.45",
        {"createBackup": {"name": "new", "backup_type": "daily", "rotation": 1}},
    ),
    _asked("change-password", "2.1", {"changePassword": {"adminPass": "secret"}}),
    _asked("add-security-group", "2.1", {"addSecurityGroup": {"name": "default"}}),
    _asked("remove-security-group", "2.1", {"removeSecurityGroup": {"name": "default"}}),
    _asked("add-fixed-ip", "2.1", {"addFixedIp": {"networkId": "$network_id"}}),
    _asked("remove-fixed-ip", "2.1", {"removeFixedIp": {"address": "10.20.0.10"}}),
    _asked("add-floating-ip", "2.1", {"addFloatingIp": {"address": "10.9.9.9"}}),
    _asked("remove-floating-ip", "2.1", {"removeFloatingIp": {"address": "10.9.9.9"}}),
    _asked("inject-network-info", "2.1", {"injectNetworkInfo": None}),
    _asked("console-output", "2.1", {"os-getConsoleOutput": {"length": 50}}),
    _action("vnc-console", "2.1", {"os-getVNCConsole": {"type": "novnc"}}),
    _asked("spice-console", "2.1", {"os-getSPICEConsole": {"type": "spice-html5"}}),
    _asked("rdp-console", "2.1", {"os-getRDPConsole": {"type": "rdp-html5"}}),
    _action("reset-network", "2.1", {"resetNetwork": None}, status=410),
    _action("serial-console", "2.1", {"os-getSerialConsole": {"type": "serial"}}),
    _asked("restore", "2.1", {"restore": None}, "soft-delete"),
]
