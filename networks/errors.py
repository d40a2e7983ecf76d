"""What can go wrong with networks; the class names are the wire's error types."""

from cloudportal import errors as kinds
from cloudportal.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Unavailable,
)


class NetworkNotFound(NotFound):
    """No such network, or none that the caller may see."""


class SubnetNotFound(NotFound):
    """No such subnet, or none that the caller may see."""


class PortNotFound(NotFound):
    """No such port, or none that the caller may see."""


class SecurityGroupNotFound(NotFound):
    """No such security group, or none that the caller may see."""


class SecurityGroupRuleNotFound(NotFound):
    """No such rule, or none that the caller may see."""


class RouterNotFound(NotFound):
    """No such router, or none that the caller may see."""


class FloatingIPNotFound(NotFound):
    """No such floating IP, or none that the caller may see."""


class RouterInterfaceNotFound(NotFound):
    """The router has no such interface."""


class RouterInterfaceNotFoundForSubnet(NotFound):
    """The router has no interface on the subnet."""


class ExternalGatewayForFloatingIPNotFound(NotFound):
    """No router joins the port's subnet to the floating IP's network."""


class AgentNotFound(NotFound):
    """No such agent."""


class TagNotFound(NotFound):
    """The thing has no such tag."""


class RbacPolicyNotFound(NotFound):
    """No such policy, or none that the caller may see."""


class RbacPolicyInUse(Conflict):
    """The project that the network is lent to has ports there."""


class DuplicateRbacPolicy(Conflict):
    """The network is lent to that project already."""


class RevisionNumberConstraintFailed(PreconditionFailed):
    """The thing was changed since the caller looked."""


class AddressPairAndPortSecurityRequired(Conflict):
    """Address pairs without port security."""


class DuplicateAddressPairInRequest(Invalid):
    """An address pair is there twice."""


class RouterInUse(Conflict):
    """The router has interfaces."""


class RouterInterfaceInUseByFloatingIP(Conflict):
    """Floating IPs need the router's interface."""


class RouterExternalGatewayInUseByFloatingIp(Conflict):
    """Floating IPs need the router's gateway."""


class FloatingIPPortAlreadyAssociated(Conflict):
    """The fixed IP has a floating IP of that network."""


class BadRequest(Invalid):
    """Routers and floating IPs: what is asked for makes no sense; the text says of what kind."""


class ExternalNetworkAttachForbidden(Forbidden):
    """An external network is outside the hosts: no server is on it."""


class FlatNetworkInUse(Conflict):
    """Another flat network is on the physical network."""


class VlanIdInUse(Conflict):
    """Another network has the VLAN."""


class TunnelIdInUse(Conflict):
    """Another network has the VXLAN number."""


class NoNetworkAvailable(Unavailable):
    """No number is left of those set aside for networks."""


class SecurityGroupInUse(Conflict):
    """Ports follow the group."""


class SecurityGroupRuleExists(Conflict):
    """The group has such a rule."""


class SecurityGroupDefaultAlreadyExists(Conflict):
    """Each project has one default group."""


class SecurityGroupCannotUpdateDefault(Conflict):
    """The default group keeps its name."""


class SecurityGroupCannotRemoveDefault(Conflict):
    """Only administrators remove a default group."""


class PortSecurityAndIPRequiredForSecurityGroups(Invalid):
    """A port without port security follows no group."""


class InvalidInput(Invalid):
    """A value makes no sense, alone or beside the others."""


class InvalidIpForNetwork(Invalid):
    """The address is not one that the network's subnets may give."""


class NetworkInUse(Conflict):
    """Ports are on the network."""


class SubnetInUse(Conflict):
    """Addresses of the subnet are taken."""


class InvalidSharedSetting(Conflict):
    """Other projects have ports on the network, so it must stay shared."""


class PortInUse(Conflict):
    """The port belongs to a server."""


class IpAddressInUse(Conflict):
    """The address is another port's."""


class MacAddressInUse(Conflict):
    """The MAC address is another port's on this network."""


class IpAddressGenerationFailure(Conflict):
    """The pools have no free address left."""


class AutoAllocationFailure(Conflict):
    """There is no single network that could be chosen for the project."""


class OverQuota(kinds.OverQuota):
    """The project has as many as it may have."""


class PolicyNotAuthorized(Forbidden):
    """The caller sees the thing and may not change it."""


# The servers room shows these; their texts are the compute API's own.
class BadNetworkRequest(Invalid):
    """The networks asked for with a server make no sense."""


class NetworkAmbiguous(Conflict):
    """Several networks could be meant."""


class RequestedPortInUse(Conflict):
    """The port asked for with a server belongs to another one."""


class PortLimitExceeded(kinds.OverQuota):
    """The project may not have the ports that the server needs."""


class NoUniqueMatch(Conflict):
    """Several security groups have the name."""
