"""With whom networks are shared, and the words that owners put on their things."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from networks.models.networks import Network, Subnet
from networks.models.ports import Port, SecurityGroup, SecurityGroupRule
from networks.models.routers import FloatingIP, Router

EVERYBODY = "*"


class NetworkShare(models.Model):
    """A network that another project may use too, or all may (`*`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    network = models.ForeignKey(Network, models.CASCADE, related_name="shares")
    target_project_id = models.CharField(max_length=64)
    # Whose share it is: the network's owner's, when it was made.
    project_id = models.CharField(max_length=64, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["network", "target_project_id"], name="network_share_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.network} for {self.target_project_id}"


# By the things that can have tags, the column that says which has one.
TAGGED: dict[type[models.Model], str] = {
    Network: "network",
    Subnet: "subnet",
    Port: "port",
    SecurityGroup: "security_group",
    SecurityGroupRule: "security_group_rule",
    Router: "router",
    FloatingIP: "floating_ip",
}


def _belonging(model: type[models.Model]) -> models.ForeignKey[models.Model | None]:
    return models.ForeignKey(model, models.CASCADE, null=True, related_name="tag_rows")


class Tag(models.Model):
    """A word that a thing bears; one of the columns says which thing, and it goes with that."""

    network = _belonging(Network)
    subnet = _belonging(Subnet)
    port = _belonging(Port)
    security_group = _belonging(SecurityGroup)
    security_group_rule = _belonging(SecurityGroupRule)
    router = _belonging(Router)
    floating_ip = _belonging(FloatingIP)
    word = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=[name, "word"], name=f"tag_of_{name}_once")
            for name in TAGGED.values()
        ]

    def __str__(self) -> str:
        return self.word
