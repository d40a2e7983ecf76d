"""Registers the images app."""

from django.apps import AppConfig


class ImagesConfig(AppConfig):
    """The images app."""

    name = "images"

    def ready(self) -> None:
        """Register what others find by name, and the kinds of operations."""
        from identity.delete import keep_project_while

        # Lookups, policy rules and system checks register themselves.
        from images import queries, rules, system_checks  # noqa: F401 - the import is what counts
        from images.lookup import images_held_by
        from images.operations.import_data import IMPORT_DATA
        from images.operations.precache import BRING
        from images.sweep import SWEEP_EVERY_S, remove_stray_files
        from operations.kinds import register
        from operations.timers import register_timer

        register(BRING)
        register(IMPORT_DATA)
        keep_project_while(images_held_by)
        register_timer("images.stray_files", SWEEP_EVERY_S, remove_stray_files)
