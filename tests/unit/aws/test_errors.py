"""The table of AWS error codes."""

from botocore.exceptions import ClientError, ConnectTimeoutError

from worker.aws.errors import _CODES, Kind, error_code, kind_of


def test_every_kind_has_codes_and_no_code_has_two_kinds() -> None:
    codes = [code for codes in _CODES.values() for code in codes]
    assert set(_CODES) == set(Kind)
    assert len(codes) == len(set(codes))


def test_an_error_without_an_answer_is_named_and_has_no_kind() -> None:
    code = error_code(ConnectTimeoutError(endpoint_url="http://made.up"))
    assert (code, kind_of(code)) == ("ConnectTimeoutError", None)


def test_an_answer_without_a_code_is_named_unknown() -> None:
    assert error_code(ClientError({}, "PutItem")) == "Unknown"
