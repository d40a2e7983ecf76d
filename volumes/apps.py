"""Registers the volumes app."""

from django.apps import AppConfig


class VolumesConfig(AppConfig):
    """The volumes app."""

    name = "volumes"

    def ready(self) -> None:
        """Register what others find by name, and the kinds of operations."""
        from identity.delete import keep_project_while
        from operations.debts import register_debt
        from operations.kinds import register
        from operations.timers import register_timer
        from volumes.find import volumes_held_by
        from volumes.messages import FORGET_EVERY_S, forget_messages
        from volumes.operations import create, delete, extend, revert, snapshot, upload_image
        from volumes.operations.debts import describe_deletes, describe_snapshot_deletes

        for kind in (
            create.CREATE,
            delete.DELETE,
            extend.EXTEND,
            snapshot.CREATE,
            snapshot.DELETE,
            revert.REVERT,
            upload_image.UPLOAD,
        ):
            register(kind)
        register_debt(delete.DELETE.name, describe_deletes)
        register_debt(snapshot.DELETE.name, describe_snapshot_deletes)
        register_timer("volumes.messages", FORGET_EVERY_S, forget_messages)
        keep_project_while(volumes_held_by)
