"""What somebody is at is left to them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from integrity.facts import busy_since
from operations.enqueue import enqueue


@pytest.mark.django_db
def test_an_image_that_a_host_fetches_is_at_work():
    now, image = timezone.now(), uuid4()
    operation = enqueue(
        "image.precache",
        subject=uuid4(),
        params={"hypervisor": 1, "image": str(image)},
        request_id="",
        now=now,
    )

    busy = busy_since(now - timedelta(seconds=1))
    besides = busy_since(now - timedelta(seconds=1), besides=operation.pk)

    assert busy.images_at_work == {image}
    assert besides.images_at_work == set()
