"""Counts the data of images that are there already against their projects' quotas."""

from django.db import migrations

MIB = 1024**2


def count(apps, schema_editor):
    Image = apps.get_model("images", "Image")
    Reservation = apps.get_model("quotas", "Reservation")
    rows = Image.objects.filter(status__in=["active", "deactivated"], size__gt=0)
    Reservation.objects.bulk_create(
        [
            Reservation(
                project_id=owner, subject=key, resource="image_size_total", amount=-(-size // MIB)
            )
            for key, owner, size in rows.values_list("pk", "owner", "size")
        ],
        batch_size=500,
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):

    dependencies = [
        ("images", "0002_members_and_imports"),
        ("quotas", "0002_user_limits"),
    ]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
