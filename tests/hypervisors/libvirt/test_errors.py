import libvirt
import pytest

from hypervisors.libvirt.errors import Busy, DriverError, WrongState, translate

pytestmark = pytest.mark.once


def error_of(code: int, text: str) -> libvirt.libvirtError:
    error = libvirt.libvirtError("x")
    error.err = (code, libvirt.VIR_FROM_QEMU, text, 2, text, None, None, -1, -1)
    return error


@pytest.mark.parametrize(
    "text",
    [
        "operation failed: domain is not running",
        "operation failed: domain is no longer running",
    ],
)
def test_a_guest_that_goes_off_under_a_call_is_a_reason_to_look_again(text):
    found = translate(error_of(libvirt.VIR_ERR_OPERATION_FAILED, text))

    assert isinstance(found, Busy)
    assert found.code == libvirt.VIR_ERR_OPERATION_FAILED


def test_another_failure_of_that_code_stays_unknown():
    text = "operation failed: job 'migration out' unexpectedly failed"
    found = translate(error_of(libvirt.VIR_ERR_OPERATION_FAILED, text))

    assert type(found) is DriverError


def test_a_state_that_does_not_allow_it_is_told_as_that():
    text = "Requested operation is not valid: domain is not running"
    found = translate(error_of(libvirt.VIR_ERR_OPERATION_INVALID, text))

    assert type(found) is WrongState
