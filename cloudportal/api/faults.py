"""How errors look on the wire: one table kind → status, one envelope a service, one handler."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import Error
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework.response import Response

from cloudportal import errors
from cloudportal.database import RETRY_AFTER_S, first_line, is_away

logger = logging.getLogger(__name__)

STATUS: dict[type[errors.CloudError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.OverQuota: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.NoCapacity: 409,
    errors.NotOffered: 501,
    errors.Unavailable: 503,
}
# Each service has its own status for "over quota"; the clients act on it.
OVER_QUOTA_STATUS = {"compute": 403, "network": 409, "volume": 413, "image": 413}
COMPUTE_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}
LOGIN_NEEDED = "The request you have made requires authentication."
DATABASE_AWAY = "The service is not available at the moment: its database does not answer."


def status_for(error: errors.CloudError, service: str) -> int:
    """The HTTP status that a service answers an error with."""
    if isinstance(error, errors.OverQuota):
        return OVER_QUOTA_STATUS.get(service, 403)
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def fault_body(service: str, status: int, message: str, kind: str = "") -> dict[str, Any]:
    """The error envelope of a service: compute and volume, identity, network or image."""
    # A 401 comes from the identity service's middleware in front of every API. In the image
    # service's refusals glanceclient looks for the message one level down, below any key.
    if service in {"identity", "image"} or (status == 401 and service != "network"):
        title = TITLES.get(status, "Error")
        return {"error": {"code": status, "message": message, "title": title}}
    if service == "network":
        return {"NeutronError": {"type": kind or "HTTPError", "message": message, "detail": ""}}
    return {COMPUTE_NAMES.get(status, "computeFault"): {"code": status, "message": message}}


def _understood(error: Exception, service: str) -> tuple[int, str] | None:
    if isinstance(error, errors.CloudError):
        return status_for(error, service), error.message
    if isinstance(error, Error) and is_away(error):
        logger.error("The database does not answer: %s", first_line(error))
        return 503, DATABASE_AWAY
    return _refused_by_framework(error, service)


def _refused_by_framework(error: Exception, service: str) -> tuple[int, str] | None:
    if isinstance(error, Http404):
        return 404, "The resource could not be found."
    if isinstance(error, PermissionDenied):
        return 403, "Access was denied to this resource."
    if isinstance(error, RequestDataTooBig):
        return 413, "The request body is too large."
    if isinstance(error, drf.NotAuthenticated | drf.AuthenticationFailed):
        return 401, LOGIN_NEEDED
    if isinstance(error, drf.MethodNotAllowed):
        # The compute router knows no such route at all; the other services answer 405.
        return (
            (404, "The resource could not be found.") if service == "compute" else (405, str(error))
        )
    if isinstance(error, drf.APIException):
        return error.status_code, str(error.detail)
    return None


def wire_exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Turn any exception of a view into the fault of the view's service; no traceback leaves."""
    service = getattr(context.get("view"), "service", "compute")
    understood = _understood(error, service)
    if understood is None:
        logger.error("Unexpected failure in the %s API.", service, exc_info=error)
        identifier = getattr(context.get("request"), "request_id", "")
        understood = (
            500,
            (
                "Unexpected API Error. Please report it to the administrator with the request id "
                f"{identifier}."
            ),
        )
    status, message = understood
    if isinstance(error, errors.CloudError) and error.detail:
        logger.info("%s answered %s: %s", service, status, error.detail)
    response = Response(fault_body(service, status, message, type(error).__name__), status=status)
    if status == 401:
        response["WWW-Authenticate"] = 'Keystone uri="/identity"'
    if status == 413 and isinstance(error, errors.OverQuota):
        response["Retry-After"] = "0"
    if isinstance(error, Error) and status == 503:
        response["Retry-After"] = str(RETRY_AFTER_S)
    return response
