"""The forms: what can be chosen, and what is wrong with what was typed."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from flavors.models import Flavor
from images.models import Image
from networks.models import Network
from servers.models import KeyPair
from servers.wanted import CreateServers, WantedInterface

MAX_USER_DATA_BYTES = 49_149  # 65,535 characters of base64, the API's limit
MOST_AT_ONCE = 100


class ServerForm(forms.Form):
    """What a new server shall be; choices are what the project may use."""

    name = forms.CharField(
        label=_("Name"), max_length=255, error_messages={"required": _("Give it a name.")}
    )
    image = forms.ChoiceField(
        label=_("Image"), error_messages={"required": _("Choose an image to boot from.")}
    )
    flavor = forms.ChoiceField(label=_("Flavor"), error_messages={"required": _("Choose a size.")})
    network_choice = forms.ChoiceField(
        label=_("Network"),
        choices=[
            ("auto", _("Automatic")),
            ("none", _("No network")),
            ("these", _("Choose networks")),
        ],
        initial="auto",
    )
    networks = forms.MultipleChoiceField(label=_("Networks"), required=False)
    key_name = forms.ChoiceField(
        label=_("Key pair"),
        required=False,
        help_text=_("Its public key is put into the server, for SSH."),
    )
    user_data = forms.CharField(
        label=_("User data"),
        required=False,
        strip=False,
        help_text=_("A script (#!/bin/sh …) or cloud-config that the server runs at first boot."),
    )
    config_drive = forms.BooleanField(
        label=_("Config drive"),
        required=False,
        initial=True,
        help_text=_(
            "A small disk that tells the server its name, addresses, keys and user data. "
            "With a key pair or user data it is always there."
        ),
    )
    count = forms.IntegerField(label=_("How many"), min_value=1, max_value=MOST_AT_ONCE, initial=1)

    def __init__(
        self,
        data: Any = None,
        *,
        images: list[Image],
        flavors: list[Flavor],
        networks: list[Network],
        key_pairs: list[KeyPair],
    ) -> None:
        super().__init__(data)
        self._choices("image", [(str(image.pk), str(image)) for image in images])
        self._choices("flavor", [(flavor.flavorid, flavor.name) for flavor in flavors])
        self._choices("networks", [(str(each.pk), str(each)) for each in networks])
        names = [key_pair.name for key_pair in key_pairs]
        self._choices("key_name", [("", _("None")), *((name, name) for name in names)])
        if len(names) == 1:
            self.fields["key_name"].initial = names[0]

    def _choices(self, name: str, choices: list[Any]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = choices

    def clean_user_data(self) -> str:
        """The script with the line ends of Unix: browsers send those of DOS, which break `#!`."""
        text: str = self.cleaned_data["user_data"].replace("\r\n", "\n")
        if len(text.encode()) > MAX_USER_DATA_BYTES:
            raise forms.ValidationError(
                _("At most %(limit)s bytes.") % {"limit": MAX_USER_DATA_BYTES}
            )
        return text

    def clean(self) -> dict[str, Any]:
        """Networks are named when they are to be chosen."""
        data = super().clean() or self.cleaned_data
        if data.get("network_choice") == "these" and not data.get("networks"):
            self.add_error("networks", _("Choose at least one network."))
        return data

    def wanted(self) -> CreateServers:
        """What the use case is asked for; the form must be valid."""
        data = self.cleaned_data
        user_data = data["user_data"]
        return CreateServers(
            name=data["name"],
            flavor_id=data["flavor"],
            image_id=UUID(data["image"]),
            networks=self._wanted_networks(),
            key_name=data["key_name"] or None,
            user_data=base64.b64encode(user_data.encode()).decode() if user_data else None,
            config_drive=data["config_drive"],
            min_count=data["count"],
            max_count=data["count"],
        )

    def _wanted_networks(self) -> Any:
        choice = self.cleaned_data["network_choice"]
        if choice != "these":
            return choice
        return tuple(WantedInterface(network_id=each) for each in self.cleaned_data["networks"])


class KeyPairForm(forms.Form):
    """A public key to keep."""

    name = forms.CharField(label=_("Name"), max_length=255)
    public_key = forms.CharField(
        label=_("Public key"),
        max_length=16384,
        help_text=_("The content of ~/.ssh/id_ed25519.pub or the like, never the private key."),
    )


class CredentialForm(forms.Form):
    """An application credential to make; `roles` are those that may be given to it."""

    name = forms.CharField(
        label=_("Name"), max_length=255, error_messages={"required": _("Give it a name.")}
    )
    description = forms.CharField(label=_("Description"), required=False, max_length=255)
    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        error_messages={"required": _("Choose what it may do.")},
        help_text=_("Give it no more than the program needs; each includes those below it."),
    )
    lifetime = forms.ChoiceField(
        label=_("Ends"),
        choices=[
            ("7", _("in 7 days")),
            ("30", _("in 30 days")),
            ("90", _("in 90 days")),
            ("365", _("in a year")),
            ("", _("never")),
        ],
        initial="90",
        required=False,
    )
    may_manage = forms.BooleanField(
        label=_("May make and delete application credentials"),
        required=False,
        help_text=_("Whoever gets hold of the secret could then make others that outlive it."),
    )

    def __init__(self, data: Any = None, *, roles: list[str]) -> None:
        super().__init__(data)
        field = self.fields["roles"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = [(name, name) for name in roles]
        # What most programs need, where it can be had; else the least.
        field.initial = [each for each in roles if each == "member"] or roles[-1:]

    def days(self) -> int:
        """After how many days it ends; 0 is never. The form must be valid."""
        return int(self.cleaned_data["lifetime"] or 0)
