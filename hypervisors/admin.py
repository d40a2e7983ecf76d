"""Hosts, their pools and zones in the admin. Adding a host runs the same checks as the command."""

from __future__ import annotations

import shlex
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from cloudportal.errors import CloudError, Invalid
from hypervisors import ssh
from hypervisors.aggregates import ZONE_KEY, check_change, delete_aggregate
from hypervisors.check import HostCheck, check_hypervisor, examine, is_fit, record
from hypervisors.connections import forget
from hypervisors.errors import (
    AggregateZoneConflict,
    FenceFailed,
    HostKeyUnknown,
    HypervisorInUse,
)
from hypervisors.fence_command import check_words, parse_line, seal_words, words_of
from hypervisors.guests import GuestFeatures, platform_of
from hypervisors.look import look_at_host
from hypervisors.models import Aggregate, CachedImage, Hypervisor, PhysicalNetwork, StoragePool
from hypervisors.platforms import check_words as check_group_words
from hypervisors.platforms import wish_of
from hypervisors.pools import DIRECTORIES, shared_pools
from hypervisors.register import accepted_lines, remove_hypervisor
from identity.actors import system_actor

_MARKS = {True: "✓", False: "✗", None: "?"}


def _as_html(checks: list[HostCheck]) -> SafeString:
    rows = ((_MARKS[check.ok], check.name, check.message, check.remedy) for check in checks)
    return format_html_join("", "<div>{} <b>{}</b>: {} <i>{}</i></div>", rows)


def _fence_line(host: Hypervisor) -> str:
    """As it is entered; what was sealed under another key has to be entered anew."""
    try:
        return shlex.join(words_of(host))
    except FenceFailed:
        return ""


class HypervisorForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A host; saved only when it is fit to run servers, under the key that was accepted."""

    accepted_fingerprint = forms.CharField(
        required=False,
        label="SSH host key",
        help_text="SHA256:… of the key you accept. Save without it to be shown what the host has.",
    )

    fence_command = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text=(
            "Switches the host off, run on a worker's machine without a shell. It succeeds only "
            "when the host is off for certain, also when it was off before. {host}, {name}, "
            "{hostname} and {uuid} are filled in."
        ),
    )

    class Meta:
        model = Hypervisor
        fields = (
            *("name", "uri", "virt_type", "cpu_ratio", "ram_ratio", "disk_ratio"),
            *("reserved_vcpus", "reserved_ram_mib", "reserved_disk_gib", "is_enabled"),
            *("disabled_reason", "in_maintenance", "is_forced_down", "max_concurrent_builds"),
            *("fence_after_s", "fence_timeout_s", "tunnel_address", "labels"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["fence_command"] = _fence_line(self.instance)

    def clean_fence_command(self) -> str:
        """A program that could switch this host off."""
        line = str(self.cleaned_data["fence_command"])
        try:
            words = parse_line(line)
            check_words(Hypervisor(name="", uri=self.cleaned_data.get("uri", "")), words)
        except Invalid as error:
            raise ValidationError(error.message) from error
        if "fence_command" in self.changed_data:
            self.instance.sealed_fence_command = seal_words(words)
        return line

    def clean(self) -> dict[str, Any]:
        """Reach the host whenever the way to it changed, and see what it lacks."""
        cleaned = super().clean() or self.cleaned_data
        fingerprint = cleaned.get("accepted_fingerprint", "").strip()
        is_new_way = self.instance.pk is None or {"uri", "virt_type"} & set(self.changed_data)
        if self.errors or not (is_new_way or fingerprint):
            return cleaned
        candidate = Hypervisor(
            name=cleaned["name"], uri=cleaned["uri"], virt_type=cleaned["virt_type"]
        )
        try:
            candidate.host_keys = self._host_keys(cleaned["uri"], fingerprint)
            self.examination = examine(candidate)
        except HostKeyUnknown as error:
            shown = ", ".join(error.fingerprints)
            raise ValidationError({"accepted_fingerprint": f"{error} It has: {shown}"}) from error
        except CloudError as error:
            raise ValidationError({"uri": f"{error} {error.detail}"}) from error
        if not is_fit(self.examination.checks):
            missing = [each for each in self.examination.checks if each.ok is False]
            self.add_error(None, [f"{each.name}: {each.message} {each.remedy}" for each in missing])
        self.instance.host_keys = candidate.host_keys
        return cleaned

    def _host_keys(self, uri: str, fingerprint: str) -> str:
        if not fingerprint and "uri" not in self.changed_data and self.instance.pk:
            return str(self.instance.host_keys)
        return accepted_lines(uri, fingerprint or None)


class PhysicalNetworkInline(admin.TabularInline):  # type: ignore[type-arg]  # as below
    """The networks outside that the host is on."""

    model = PhysicalNetwork
    fields = ("name", "interface")
    extra = 0


class StoragePoolForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A pool of a host; which one is the default is the administrator's to say."""

    class Meta:
        model = StoragePool
        fields = ("is_default",)

    def clean_is_default(self) -> bool:
        """Volumes and serial logs lie there, which are one host's."""
        is_default = bool(self.cleaned_data["is_default"])
        pool = self.instance
        is_own = pool.type in DIRECTORIES and pool not in shared_pools(pool.hypervisor)
        if is_default and not is_own:
            raise ValidationError("The default pool must be a directory of the host's own.")
        return is_default


class StoragePoolInline(admin.TabularInline):  # type: ignore[type-arg]  # no generic at run time
    """The pools found on a host."""

    model = StoragePool
    form = StoragePoolForm
    extra = 0
    fields = (
        *("name", "type", "source", "target_path", "is_default"),
        *("capacity", "allocation", "available"),
    )
    readonly_fields = (
        *("name", "type", "source", "target_path"),
        *("capacity", "allocation", "available"),
    )

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Pools are found on the host."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A pool goes with its host."""
        return False


@admin.register(Hypervisor)
class HypervisorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Hosts: how they are, what they have, and the switches that keep servers away."""

    form = HypervisorForm
    inlines = (StoragePoolInline, PhysicalNetworkInline)
    list_display = (
        *(
            "name",
            "condition",
            "why",
            "state_since",
            "zones",
            "domain_type",
        ),
        *("vcpus_claimed", "ram_claimed", "disk_claimed", "running_servers", "last_seen_at"),
    )
    list_filter = (
        *("state", "is_enabled", "in_maintenance", "is_forced_down", "domain_type"),
        "aggregates",
    )
    search_fields = ("name", "uri", "hostname", "host_ip")
    actions = (
        *("enable", "disable", "begin_maintenance", "end_maintenance", "force_down"),
        *("unforce_down", "check_now", "look"),
    )
    readonly_fields = (
        *("portal_key", "known_keys", "uuid", "state", "state_reason", "state_since"),
        *("last_seen_at", "watcher", "fenced_at", "fence_note", "boot_id", "booted_at", "hostname"),
        *("host_ip", "arch", "domain_type", "libvirt_version", "qemu_version", "vcpus", "ram_mib"),
        *("disk_gib", "vcpus_used", "ram_mib_used", "disk_gib_used", "running_servers"),
        *("build_failures", "guests_are_made_as", "foreign_domains", "capabilities"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hypervisor]:
        """Zones come with the list, not one query a row."""
        return super().get_queryset(request).prefetch_related("aggregates")

    @admin.display(description="state", ordering="state")
    def condition(self, host: Hypervisor) -> str:
        """Up, or what keeps new servers away."""
        return host.condition

    @admin.display(description="reason")
    def why(self, host: Hypervisor) -> str:
        """Why the host is down or disabled, and what becomes of its servers."""
        return host.reasons

    @admin.display(description="zone")
    def zones(self, host: Hypervisor) -> str:
        """The availability zone the host stands in."""
        return ", ".join(each.availability_zone for each in host.aggregates.all() if each)

    @admin.display(description="vCPUs", ordering="vcpus_used")
    def vcpus_claimed(self, host: Hypervisor) -> str:
        """Claimed of all, the ratio applied."""
        return f"{host.vcpus_used} of {int(host.vcpus * host.cpu_ratio) - host.reserved_vcpus}"

    @admin.display(description="RAM (MiB)", ordering="ram_mib_used")
    def ram_claimed(self, host: Hypervisor) -> str:
        """Claimed of all, the ratio applied."""
        return (
            f"{host.ram_mib_used} of {int(host.ram_mib * host.ram_ratio) - host.reserved_ram_mib}"
        )

    @admin.display(description="disk (GiB)", ordering="disk_gib_used")
    def disk_claimed(self, host: Hypervisor) -> str:
        """Claimed of all, the ratio applied."""
        total = int(host.disk_gib * host.disk_ratio) - host.reserved_disk_gib
        return f"{host.disk_gib_used} of {total}"

    @admin.display(description="line for authorized_keys on the host")
    def portal_key(self, host: Hypervisor) -> str:
        """The portal's public key."""
        return ssh.public_key()

    @admin.display(description="domains that were not made here")
    def foreign_domains(self, host: Hypervisor) -> SafeString | str:
        """The way to them; the host is asked only there."""
        if host._state.adding:
            return ""
        address = reverse("admin:servers_adoption_domains", args=[host.pk])
        return format_html('<a href="{}">Show and adopt</a>', address)

    @admin.display(description="new guests are made as")
    def guests_are_made_as(self, host: Hypervisor) -> str:
        """The CPU model and machine type, or why none can be made."""
        if not host.arch:
            return ""
        try:
            made = platform_of(host, GuestFeatures(), wish_of(host))
        except CloudError as error:
            return f"{error} {error.detail}"
        return f"{made.cpu_model}, {made.machine}"

    @admin.display(description="accepted host keys")
    def known_keys(self, host: Hypervisor) -> str:
        """What the portal trusts this host by."""
        keys = ssh.parse_host_keys(host.host_keys)
        return ", ".join(f"{key.kind} {key.fingerprint}" for key in keys) or "none"

    def save_model(
        self, request: HttpRequest, obj: Hypervisor, form: HypervisorForm, change: bool
    ) -> None:
        """Save what was entered, and what the checks found."""
        if not obj.is_forced_down:
            obj.fenced_at = None
        super().save_model(request, obj, form, change)
        examination = getattr(form, "examination", None)
        if examination is None:
            return
        forget(obj)
        record(obj, examination)
        look_at_host(obj, timezone.now())
        messages.info(request, _as_html(examination.checks))

    def delete_model(self, request: HttpRequest, obj: Hypervisor) -> None:
        """Forget the host unless servers are there."""
        try:
            remove_hypervisor(hypervisor=obj)
        except HypervisorInUse as error:
            messages.error(request, str(error))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """One by one, by the same rule."""
        for host in queryset:
            self.delete_model(request, host)

    @admin.action(description="Enable: give them new servers")
    def enable(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """Let them take servers."""
        queryset.update(is_enabled=True, disabled_reason="")

    @admin.action(description="Disable: no new servers")
    def disable(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """Keep new servers away."""
        queryset.update(is_enabled=False, disabled_reason=f"Disabled by {request.user}")

    @admin.action(description="Begin maintenance")
    def begin_maintenance(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """Keep new servers away while somebody works on the host."""
        queryset.update(in_maintenance=True)

    @admin.action(description="End maintenance")
    def end_maintenance(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """Take them back."""
        queryset.update(in_maintenance=False)

    @admin.action(description="Declare dead: nothing is started there")
    def force_down(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """Say that they are down, whatever it looks like from here."""
        queryset.update(is_forced_down=True)

    @admin.action(description="Declare dead no more")
    def unforce_down(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """Believe again what it looks like from here."""
        queryset.update(is_forced_down=False, fenced_at=None, fence_note="")

    @admin.action(description="Check: what is missing?")
    def check_now(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """Check each and say what it lacks."""
        for host in queryset:
            checks = check_hypervisor(host)
            level = messages.SUCCESS if is_fit(checks) else messages.ERROR
            text = format_html_join("", "<b>{}</b>{}", [(host.name, _as_html(checks))])
            messages.add_message(request, level, text)

    @admin.action(description="Look now")
    def look(self, request: HttpRequest, queryset: QuerySet[Hypervisor]) -> None:
        """Ask each how it is."""
        for host in queryset:
            seen = look_at_host(host, timezone.now())
            level = messages.SUCCESS if seen.is_up else messages.ERROR
            messages.add_message(request, level, f"{host.name}: {seen.reason or 'up'}")


class AggregateForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A group of hosts; the rules of the API hold here too."""

    class Meta:
        model = Aggregate
        fields = ("name", "availability_zone", "metadata", "hypervisors")

    def clean_availability_zone(self) -> str:
        """A colon would divide a zone from a host where servers are asked for."""
        zone = str(self.cleaned_data["availability_zone"])
        if ":" in zone:
            raise ValidationError("A zone has no colon in its name.")
        return zone

    def clean_metadata(self) -> dict[str, str]:
        """Names and values are texts; the zone has a field of its own."""
        metadata = self.cleaned_data["metadata"] or {}
        if not isinstance(metadata, dict) or ZONE_KEY in metadata:
            raise ValidationError("Metadata are a JSON object of names and texts, not the zone.")
        words = {str(name): str(value) for name, value in metadata.items()}
        try:
            check_group_words(words)
        except Invalid as error:
            raise ValidationError(error.message) from error
        return words

    def clean(self) -> dict[str, Any]:
        """No host gets into two zones, and no server into another."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            with transaction.atomic():
                check_change(
                    aggregate=self.instance,
                    zone=cleaned["availability_zone"],
                    hosts=list(cleaned["hypervisors"]),
                )
        except AggregateZoneConflict as error:
            raise ValidationError(error.message) from error
        return cleaned


@admin.register(Aggregate)
class AggregateAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Groups of hosts; one with a zone is what tenants choose from."""

    form = AggregateForm
    list_display = ("name", "availability_zone", "created_at", "updated_at")
    search_fields = ("name", "availability_zone")
    filter_horizontal = ("hypervisors",)

    def save_model(
        self, request: HttpRequest, obj: Aggregate, form: AggregateForm, change: bool
    ) -> None:
        """Note when it changed."""
        obj.updated_at = timezone.now() if change else None
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Aggregate) -> None:
        """Forget it unless hosts are in it."""
        try:
            delete_aggregate(aggregate=obj, actor=system_actor())
        except Invalid as error:
            messages.error(request, error.message)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Aggregate]) -> None:
        """One by one, by the same rule."""
        for aggregate in queryset:
            self.delete_model(request, aggregate)


@admin.register(CachedImage)
class CachedImageAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Which images lie in which pool; to look at."""

    list_display = ("volume", "pool", "size", "is_ready", "uploader", "upload_until")
    list_filter = ("is_ready", "pool")
    list_select_related = ("pool__hypervisor",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Builds bring images to pools."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """The rows are a lock between builds."""
        return False
