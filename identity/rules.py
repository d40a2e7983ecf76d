"""Who may do what in identity."""

from __future__ import annotations

from identity import policy
from identity.actors import Actor
from identity.errors import NotYours
from identity.policy import Mark

policy.declare(
    {
        "identity:validate_token": Mark.OWNER,
        "identity:revoke_token": Mark.OWNER,
        "identity:get_domain": Mark.ANY,
        "identity:list_domains": Mark.ANY,
        "identity:create_domain": Mark.ADMIN,
        "identity:update_domain": Mark.ADMIN,
        "identity:delete_domain": Mark.ADMIN,
        "identity:get_project": Mark.READER,
        "identity:list_projects": Mark.ADMIN,
        "identity:list_user_projects": Mark.OWNER,
        "identity:create_project": Mark.ADMIN,
        "identity:update_project": Mark.ADMIN,
        "identity:delete_project": Mark.ADMIN,
        "identity:get_project_tag": Mark.READER,
        "identity:list_project_tags": Mark.READER,
        "identity:create_project_tag": Mark.ADMIN,
        "identity:update_project_tags": Mark.ADMIN,
        "identity:delete_project_tag": Mark.ADMIN,
        "identity:delete_project_tags": Mark.ADMIN,
        "identity:get_user": Mark.OWNER,
        "identity:list_users": Mark.ADMIN,
        "identity:create_user": Mark.ADMIN,
        "identity:update_user": Mark.ADMIN,
        "identity:delete_user": Mark.ADMIN,
        "identity:get_role": Mark.ADMIN,
        "identity:list_roles": Mark.ADMIN,
        "identity:create_role": Mark.ADMIN,
        "identity:update_role": Mark.ADMIN,
        "identity:delete_role": Mark.ADMIN,
        "identity:get_implied_role": Mark.ADMIN,
        "identity:list_implied_roles": Mark.ADMIN,
        "identity:create_implied_role": Mark.ADMIN,
        "identity:delete_implied_role": Mark.ADMIN,
        "identity:list_role_inference_rules": Mark.ADMIN,
        "identity:check_grant": Mark.ADMIN,
        "identity:list_grants": Mark.ADMIN,
        "identity:create_grant": Mark.ADMIN,
        "identity:revoke_grant": Mark.ADMIN,
        "identity:list_role_assignments": Mark.ADMIN,
        "identity:get_application_credential": Mark.OWNER,
        "identity:list_application_credentials": Mark.OWNER,
        "identity:create_application_credential": Mark.OWNER,
        "identity:delete_application_credential": Mark.OWNER,
        "identity:get_access_rule": Mark.OWNER,
        "identity:list_access_rules": Mark.OWNER,
        "identity:delete_access_rule": Mark.OWNER,
        "identity:get_group": Mark.ADMIN,
        "identity:list_groups": Mark.ADMIN,
        "identity:list_groups_for_user": Mark.OWNER,
        "identity:create_group": Mark.ADMIN,
        "identity:update_group": Mark.ADMIN,
        "identity:delete_group": Mark.ADMIN,
        "identity:list_users_in_group": Mark.ADMIN,
        "identity:add_user_to_group": Mark.ADMIN,
        "identity:remove_user_from_group": Mark.ADMIN,
        "identity:check_user_in_group": Mark.ADMIN,
        "identity:get_service": Mark.ADMIN,
        "identity:list_services": Mark.ADMIN,
        "identity:get_endpoint": Mark.ADMIN,
        "identity:list_endpoints": Mark.ADMIN,
        "identity:get_region": Mark.ANY,
        "identity:list_regions": Mark.ANY,
        "identity:change_catalog": Mark.ADMIN,
        "identity:list_limits": Mark.ANY,
        "identity:create_limits": Mark.ADMIN,
    }
)


def require(
    actor: Actor, rule: str, *, project_id: str | None = None, user_id: str | None = None
) -> None:
    """Let pass or refuse, in this service's words.

    Raises:
        NotYours: the actor may not do this.
    """
    if not policy.allows(actor, rule, project_id=project_id, user_id=user_id):
        raise NotYours(rule)
