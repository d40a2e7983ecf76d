"""What must hold before a server is made: flavor, image, key, counts and limits fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from flavors.errors import FlavorNotFound
from flavors.find import find_flavor as find_visible_flavor
from flavors.models import Flavor
from hypervisors.errors import GuestPropertyRefused
from hypervisors.guests import check_topology, guest_features
from hypervisors.numa import numa_request
from identity import policy
from identity.actors import Actor
from images.errors import ImageNotFound
from images.lookup import get_image
from images.models import Image, ImageStatus
from quotas.consume import limits
from quotas.resources import UNLIMITED
from scheduling.devices import check_aliases
from servers.block_devices import BOOT_SEQUENCE
from servers.errors import InvalidServerRequest, TooManyItems, ZeroDiskFlavor
from servers.models import KeyPair
from servers.names import numbered
from servers.wanted import CreateServers, InjectedFile

MAX_AT_ONCE = 1000
NAME_LENGTH = 255
GIB = 1024**3
DEFAULT_DISK_CONFIG = "MANUAL"
NO_KERNEL = "nokernel"
# Properties of images that are no disk to boot from by themselves.
_NOT_BOOTED = ("kernel_id", "ramdisk_id", "block_device_mapping")


def find_flavor(flavor_id: str, actor: Actor) -> Flavor:
    """The flavor, if the actor's project may use it.

    Raises:
        InvalidServerRequest: unknown or disabled.
    """
    try:
        flavor = find_visible_flavor(flavorid=flavor_id, actor=actor)
    except FlavorNotFound:
        flavor = None
    if flavor is None or flavor.is_disabled:
        raise InvalidServerRequest(f"Flavor {flavor_id} could not be found.")
    return flavor


def project_of(actor: Actor) -> str:
    """The project that the servers will belong to.

    Raises:
        InvalidServerRequest: the actor's token is for no project.
    """
    if not actor.project_id:
        raise InvalidServerRequest("Servers belong to a project; ask for a token that is scoped.")
    return actor.project_id


def check_counts(wanted: CreateServers) -> None:
    """Refuse several servers with one address, port or hostname.

    Raises:
        InvalidServerRequest: or more servers at once than one request makes.
    """
    if wanted.min_count > MAX_AT_ONCE:
        raise InvalidServerRequest(f"min_count must be <= {MAX_AT_ONCE}: ask several times.")
    if wanted.max_count == 1:
        return
    longest = min(wanted.max_count, MAX_AT_ONCE)
    if len(numbered(wanted.name, longest - 1, longest)) > NAME_LENGTH:
        raise InvalidServerRequest("The name is too long to be numbered for several servers.")
    if wanted.hostname:
        raise InvalidServerRequest("Unable to provide a hostname for multiple servers.")
    interfaces = wanted.networks if isinstance(wanted.networks, tuple) else ()
    if any(interface.fixed_ip for interface in interfaces):
        raise InvalidServerRequest(
            "Failed to launch instances: Invalid fixed IP address: one address for several servers."
        )
    if any(interface.port_id for interface in interfaces):
        raise InvalidServerRequest(
            "Failed to launch instances: Unable to launch multiple instances with a single "
            "configured port ID. Please launch your instance one by one with different ports."
        )


def refuse_certificates(wanted: CreateServers) -> None:
    """Refuse certificates for the signatures of images, which nothing here looks at.

    Raises:
        InvalidServerRequest: some were named.
    """
    if wanted.wants_certificates:
        raise InvalidServerRequest(
            "trusted_image_certificates is not offered: images are not signed here."
        )


def check_image_given(wanted: CreateServers) -> None:
    """Refuse a request with neither an image nor disks: there is nothing else to boot from.

    Raises:
        InvalidServerRequest: none was named.
    """
    if wanted.image_id is None and wanted.disks is None:
        raise InvalidServerRequest("Missing imageRef attribute")


def check_networks(wanted: CreateServers, actor: Actor) -> None:
    """Refuse networks that mean nothing, and who may not name any.

    Raises:
        InvalidServerRequest: in the words of the compute API.
        Forbidden: the actor may not choose networks.
    """
    if wanted.fault_of_networks:
        raise InvalidServerRequest(wanted.fault_of_networks)
    if isinstance(wanted.networks, tuple):
        rule = "os_compute_api:servers:create:attach_network"
        policy.require(actor, rule, project_id=actor.project_id)


def find_image(image_id: UUID | None, actor: Actor) -> Image:
    """The image to boot from.

    Raises:
        InvalidServerRequest: none was named, though disks were; or the actor sees none of that id.
    """
    if image_id is None:
        raise InvalidServerRequest(BOOT_SEQUENCE)
    try:
        return get_image(str(image_id), actor=actor)
    except ImageNotFound:
        raise InvalidServerRequest("Can not find requested image") from None


def check_image(image: Image, flavor: Flavor, actor: Actor, *, has_root: bool = True) -> None:
    """Refuse an image that is not ready or does not fit into the flavor.

    Without `has_root` the root disk is a volume, whose size no flavor says.

    Raises:
        InvalidServerRequest: in the words of the compute API.
        Forbidden: a flavor without a disk size, for others than administrators.
    """
    if image.status != ImageStatus.ACTIVE:
        raise InvalidServerRequest(f"Image {image.pk} is not active.")
    if has_root:
        _check_bootable(image)
    check_image_fits(image, flavor)
    if not flavor.disk_gib and has_root:
        _check_zero_disk(actor)
    check_guest(flavor, image.properties)


def check_guest(flavor: Flavor, properties: Mapping[str, str]) -> None:
    """Refuse a flavor and properties of an image that together make no guest.

    Raises:
        InvalidServerRequest: with the name of the extra spec or property.
        NumaRefused: NUMA nodes, pages or CPUs as no guest can have them.
        PciAliasUnknown: devices that nobody has named.
    """
    numa_request(flavor.extra_specs, properties, vcpus=flavor.vcpus, ram_mib=flavor.ram_mib)
    try:
        features = guest_features(flavor.extra_specs, properties)
        check_topology(features, flavor.vcpus)
    except GuestPropertyRefused as error:
        whose = "flavor extra specs" if error.is_of_flavor else "image metadata"
        raise InvalidServerRequest(f"Invalid {whose}. Error: {error}") from error
    check_aliases(features.pci)


def _check_bootable(image: Image) -> None:
    if image.properties.get("cinder_encryption_key_id"):
        raise InvalidServerRequest(
            "Direct booting of an image uploaded from an encrypted volume is unsupported."
        )
    for name in _NOT_BOOTED:
        if image.properties.get(name, NO_KERNEL) not in ("", NO_KERNEL):
            raise InvalidServerRequest(
                f"Invalid image metadata. Error: {name} is not supported here: servers boot from "
                "the image's own disk."
            )


def check_image_fits(image: Image, flavor: Flavor) -> None:
    """Refuse a flavor with less memory or disk than the image needs; without a disk size any does.

    Raises:
        InvalidServerRequest: in the words of the compute API.
    """
    if flavor.ram_mib < image.min_ram_mib:
        raise InvalidServerRequest("Flavor's memory is too small for requested image.")
    if flavor.disk_gib:
        _check_disk(image, flavor)


def image_bytes(image: Image) -> int:
    """How large a disk the image's content is."""
    return image.virtual_size or image.size or 0


def _check_disk(image: Image, flavor: Flavor) -> None:
    disk = flavor.disk_gib * GIB
    if image_bytes(image) > disk:
        raise InvalidServerRequest(
            f"Flavor's disk is too small for requested image. Flavor disk is {disk} bytes, image "
            f"is {image_bytes(image)} bytes."
        )
    if image.min_disk_gib > flavor.disk_gib:
        raise InvalidServerRequest(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor "
            f"disk is {disk} bytes, minimum size is {image.min_disk_gib * GIB} bytes."
        )


def _check_zero_disk(actor: Actor) -> None:
    rule = "os_compute_api:servers:create:zero_disk_flavor"
    if not policy.allows(actor, rule, project_id=actor.project_id):
        raise ZeroDiskFlavor("Only volume-backed servers are allowed for flavors with zero disk.")


def disk_config(wanted: CreateServers, properties: Mapping[str, str]) -> str:
    """AUTO or MANUAL: as asked, else as the image says, else MANUAL.

    Raises:
        InvalidServerRequest: AUTO with an image that forbids it.
    """
    check_disk_config(wanted.disk_config, wanted.image_id, properties=properties)
    if wanted.disk_config:
        return wanted.disk_config
    of_image = str(properties.get("auto_disk_config", "")).lower()
    return "AUTO" if of_image in {"true", "1", "yes", "on"} else DEFAULT_DISK_CONFIG


def check_disk_config(asked: str, image_id: UUID | None, *, properties: Mapping[str, str]) -> None:
    """Refuse AUTO with an image that forbids it.

    Raises:
        InvalidServerRequest: it does.
    """
    of_image = str(properties.get("auto_disk_config", "")).lower()
    if asked == "AUTO" and of_image == "disabled":
        raise InvalidServerRequest(
            f"Requested image {image_id} has automatic disk resize disabled."
        )


def needs_config_drive(wanted: CreateServers, properties: Mapping[str, str]) -> bool:
    """Whether the guest gets a config drive.

    It is the only way anything reaches a guest here, there being no metadata address. So it is
    there unless refused, and then still if the request has something that only it can carry.
    """
    carried = wanted.key_name or wanted.user_data or wanted.personality
    return (
        wanted.config_drive is not False
        or bool(carried)
        or properties.get("img_config_drive") == "mandatory"
    )


def find_public_key(key_name: str | None, actor: Actor) -> str:
    """The public key of that name among the actor's own, "" for None.

    Raises:
        InvalidServerRequest: there is none of that name.
    """
    if key_name is None:
        return ""
    keys = KeyPair.objects.filter(user_id=actor.user_id, name=key_name)
    found = keys.values_list("public_key", flat=True).first()
    if found is None:
        raise InvalidServerRequest("Invalid key_name provided.")
    return found


def check_limits(wanted: CreateServers, project_id: str, user_id: str) -> None:
    """Refuse more metadata or files than one server of the user in the project may have.

    Raises:
        TooManyItems: in the words of the compute API.
    """
    if not wanted.metadata and not wanted.personality:
        return
    allowed = limits(project_id, user_id)
    check_metadata_count(wanted.metadata, allowed)
    check_files(wanted.personality, allowed)


def check_metadata_count(metadata: Mapping[str, str], allowed: Mapping[str, int]) -> None:
    """Refuse more metadata than one server may have.

    Raises:
        TooManyItems: above the limit.
    """
    if _exceeds(len(metadata), allowed["metadata_items"]):
        raise TooManyItems(f"Maximum number of metadata items exceeds {allowed['metadata_items']}")


def check_files(files: Sequence[InjectedFile], allowed: Mapping[str, int]) -> None:
    """Refuse more or larger files than one server may be given.

    Raises:
        TooManyItems: in the words of the compute API.
    """
    if _exceeds(len(files), allowed["injected_files"]):
        raise TooManyItems("Personality file limit exceeded")
    path_bytes, content_bytes = (
        allowed["injected_file_path_bytes"],
        allowed["injected_file_content_bytes"],
    )
    for file in files:
        if _exceeds(len(file.path), path_bytes):
            raise TooManyItems(f"Personality file path exceeds maximum {path_bytes}")
        if _exceeds(len(file.contents), content_bytes):
            raise TooManyItems(f"Personality file content exceeds maximum {content_bytes}")


def _exceeds(amount: int, limit: int) -> bool:
    return limit != UNLIMITED and amount > limit
