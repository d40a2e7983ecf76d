"""Registers the servers app."""

from django.apps import AppConfig

TOKENS_EVERY_S = 3600.0


class ServersConfig(AppConfig):
    """The servers app."""

    name = "servers"

    def ready(self) -> None:
        """Make the kinds of operations and the periodic work known."""
        from hypervisors.occupants import register_occupants, register_releaser
        from hypervisors.watch import on_look
        from identity.delete import keep_project_while
        from identity.models import RevokedToken
        from operations.debts import register_debt
        from operations.kinds import register
        from operations.timers import register_timer
        from scheduling.groups import register_groups
        from servers.console_tokens import SWEEP_EVERY_S, remove_expired_console_tokens
        from servers.find import servers_held_by
        from servers.groups import group_of_server
        from servers.high_availability import EVERY_S, see_to_hosts
        from servers.occupants import release_gone, servers_on
        from servers.operations import (
            adopt,
            attach_volume,
            build,
            cleanup,
            confirm_resize,
            crash_dump,
            delete,
            disk_image,
            evacuate,
            fence,
            guest_password,
            interfaces,
            live_migrate,
            offload,
            pause,
            power,
            reimage,
            rescue,
            resize,
            revert_resize,
            rewire,
            shelve,
            snapshot,
            suspend,
            unshelve,
        )
        from servers.operations.debts import (
            describe_cleanups,
            describe_copies,
            describe_fences,
            describe_releases,
            describe_unmarks,
            describe_unplugs,
        )
        from servers.power_sync import note_power_states
        from servers.record_sync import RECORD_EVERY_S, sync_records
        from servers.resize import CONFIRM_EVERY_S, confirm_old_resizes
        from servers.shelve import OFFLOAD_EVERY_S, offload_those_due

        for kind in (
            adopt.ADOPT,
            adopt.RELEASE,
            adopt.UNMARK,
            build.BUILD,
            attach_volume.ATTACH,
            attach_volume.DETACH,
            attach_volume.RELEASE,
            cleanup.CLEANUP,
            confirm_resize.CONFIRM_KIND,
            delete.DELETE,
            evacuate.EVACUATE,
            fence.FENCE_KIND,
            live_migrate.LIVE_MIGRATE,
            power.START,
            power.STOP,
            power.REBOOT,
            power.REBOOT_HARD,
            pause.PAUSE,
            pause.UNPAUSE,
            suspend.SUSPEND,
            suspend.RESUME,
            crash_dump.CRASH_DUMP,
            snapshot.SNAPSHOT,
            disk_image.DROP_COPY,
            shelve.SHELVE,
            offload.OFFLOAD,
            unshelve.UNSHELVE,
            unshelve.START,
            reimage.REBUILD,
            resize.RESIZE_KIND,
            revert_resize.REVERT_KIND,
            rescue.RESCUE,
            rescue.UNRESCUE,
            guest_password.CHANGE_PASSWORD,
            interfaces.ATTACH_INTERFACE,
            interfaces.DETACH_INTERFACE,
            interfaces.UNPLUG_INTERFACE,
            rewire.REWIRE_PORTS,
        ):
            register(kind)
        register_debt(cleanup.CLEANUP_NAME, describe_cleanups)
        register_debt(adopt.UNMARK_NAME, describe_unmarks)
        register_debt(disk_image.DROP_COPY_NAME, describe_copies)
        register_debt(fence.FENCE_KIND.name, describe_fences)
        register_debt(interfaces.UNPLUG, describe_unplugs)
        register_debt(attach_volume.RELEASE_NAME, describe_releases)
        register_occupants(servers_on)
        register_releaser(release_gone)
        keep_project_while(servers_held_by)
        register_groups(group_of_server)
        on_look(note_power_states)
        # Identity knows no timers; this is the lowest room that knows both.
        register_timer("identity.revoked_tokens", TOKENS_EVERY_S, RevokedToken.forget_expired)
        register_timer("servers.confirm", CONFIRM_EVERY_S, confirm_old_resizes)
        register_timer("servers.high_availability", EVERY_S, see_to_hosts)
        register_timer("servers.offload", OFFLOAD_EVERY_S, offload_those_due)
        register_timer("servers.records", RECORD_EVERY_S, sync_records)
        register_timer("servers.console_tokens", SWEEP_EVERY_S, remove_expired_console_tokens)
