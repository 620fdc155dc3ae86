"""What schemathesis does not know by itself of HTTP and of tus."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def as_they_are(_context, value):
    """The bytes of an upload are sent as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def filter_case(_context, case):
    """Header fields that are not known are ignored by everybody (RFC 9110, 5.1), and no fault of a request."""
    return not any(name.lower().startswith("x-schemathesis-unknown") for name in case.headers or {})
