"""Are the base images in the pools whole, wanted, and the ones that the books say?"""

from __future__ import annotations

from collections.abc import Iterator

from hypervisors.disks import BASE_PREFIX
from hypervisors.models import CachedImage
from hypervisors.survey import VERIFIED_SUFFIX
from images.models import ImageStatus
from integrity.facts import base_image_of
from integrity.found import Found
from integrity.states import FindingKind, Policy
from integrity.view import HostView


def check(view: HostView) -> Iterator[Found]:
    """Stray and unrecorded base images, and records of images that are gone."""
    rows = {(row.pool.name, row.volume): row for row in view.facts.cached}
    used = {(each.pool, each.backing) for each in view.seen.volumes if each.backing}
    for pool, names in view.volumes.items():
        for name in sorted(names):
            if not name.startswith(BASE_PREFIX):
                continue
            if name.endswith(VERIFIED_SUFFIX):
                base = name.removesuffix(VERIFIED_SUFFIX)
                if base not in names and not _is_uploading(view, rows.get((pool, base))):
                    yield _stray(view, pool, base, "only its mark is left of it")
                continue
            row = rows.get((pool, name))
            if not _is_uploading(view, row):
                is_whole = name + VERIFIED_SUFFIX in names
                yield from _base(view, pool, name, row, (is_whole, (pool, name) in used))
    for row in view.facts.cached:
        yield from _row(view, row)


def _is_uploading(view: HostView, row: CachedImage | None) -> bool:
    return (
        row is not None
        and row.uploader is not None
        and (row.upload_until is None or row.upload_until >= view.facts.started_at)
    )


def _base(
    view: HostView, pool: str, name: str, row: CachedImage | None, state: tuple[bool, bool]
) -> Iterator[Found]:
    is_whole, is_used = state
    image_id = base_image_of(name)
    image = view.facts.images.get(image_id) if image_id else None
    if image_id is None or image_id in view.facts.busy.images_at_work:
        return
    if not is_whole and is_used:
        yield _unmarked(view, pool, name)
    elif not is_whole:
        yield _stray(view, pool, name, "it was not uploaded to its end")
    elif image is None and row is None and not is_used:
        yield _stray(view, pool, name, "the database does not know its image", Policy.ON_REQUEST)
    elif image is not None and image.status == ImageStatus.DELETED and not is_used:
        yield _stray(view, pool, name, "its image was deleted, and no disk lies over it")
    elif image is not None and image.status != ImageStatus.DELETED and row is None:
        yield _unrecorded(view, pool, name, str(image_id))


def _stray(
    view: HostView, pool: str, name: str, reason: str, policy: Policy = Policy.AUTOMATIC
) -> Found:
    return Found(
        kind=FindingKind.IMAGE_STRAY,
        about=f"{pool} {name}",
        subject=name,
        summary=f"The base image {name} in the pool {pool} of {view.hypervisor.name} is of no use: "
        f"{reason}.",
        repair="It is deleted, when no disk lies over it then.",
        policy=policy,
        action="image.delete",
        args={"pool": pool, "volume": name},
        hypervisor_id=view.hypervisor.pk,
        is_doubtful=True,
    )


def _unmarked(view: HostView, pool: str, name: str) -> Found:
    return Found(
        kind=FindingKind.IMAGE_UNRECORDED,
        about=f"{pool} {name}",
        subject=name,
        summary=f"The base image {name} in the pool {pool} of {view.hypervisor.name} lost the mark "
        "that it is whole, and disks lie over it.",
        repair="It is marked again: disks are made only over images that are whole.",
        action="image.mark",
        args={"pool": pool, "volume": name},
        hypervisor_id=view.hypervisor.pk,
    )


def _unrecorded(view: HostView, pool: str, name: str, image_id: str) -> Found:
    return Found(
        kind=FindingKind.IMAGE_UNRECORDED,
        about=f"{pool} {name}",
        subject=name,
        summary=f"The base image {name} in the pool {pool} of {view.hypervisor.name} is not in "
        "the database.",
        repair="It is recorded.",
        action="image.record",
        args={"pool": pool, "volume": name, "image": image_id},
        hypervisor_id=view.hypervisor.pk,
        is_doubtful=True,
    )


def _row(view: HostView, row: CachedImage) -> Iterator[Found]:
    names = view.volumes.get(row.pool.name)
    if names is None or not row.is_ready or _is_uploading(view, row):
        return
    if row.volume in names or row.image_id in view.facts.busy.images_at_work:
        return
    yield Found(
        kind=FindingKind.IMAGE_RECORD_STALE,
        about=f"{row.pool.name} {row.volume}",
        subject=row.volume,
        summary=f"The base image {row.volume} is gone from the pool {row.pool.name} of "
        f"{view.hypervisor.name}, though the database has it there.",
        repair="The record goes; the image is brought again when it is needed.",
        action="image.forget",
        args={"pool": row.pool.name, "volume": row.volume},
        hypervisor_id=view.hypervisor.pk,
        is_doubtful=True,
    )
