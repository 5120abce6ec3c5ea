"""What schemathesis cannot know from docs/openapi.json: which times are in range, which tenants the key may name, and what
an import is."""

import datetime
import gzip
import json

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode


def rfc3339(moment):
    return moment.isoformat().replace("+00:00", "Z")


# Memory keeps whole seconds in 32 bits: the server takes 1970 to 2105.
in_range = st.datetimes(
    min_value=datetime.datetime(1970, 1, 1),
    max_value=datetime.datetime(2105, 12, 31),
    timezones=st.just(datetime.timezone.utc),
)
schemathesis.openapi.format("date-time", in_range.map(rfc3339))


@schemathesis.hook
def before_call(context, case, kwargs):
    """A good login happens now, in the client's own tenant, in a flow with a user: the schema cannot say so."""
    if case.meta is not None and case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.headers and case.headers.get("x-askance-tenant"):
        case.headers["x-askance-tenant"] = "default"
    if isinstance(case.body, dict) and case.body.get("tenant"):
        case.body["tenant"] = "default"
    if case.operation.label == "POST /v1/score" and isinstance(case.body, dict):
        if case.body.get("time"):
            case.body["time"] = rfc3339(datetime.datetime.now(datetime.timezone.utc))
        if case.body.get("flow") == "client_credentials":
            case.body["flow"] = "proxy"
    if "content-encoding" in (case.headers or {}):
        case.headers["content-encoding"] = "gzip"


past = {
    "user": {"id": "alice"},
    "ip": "81.2.69.142",
    "device_id": "d1",
    "time": "2026-01-01T08:00:00Z",
    "result": "success",
    "mfa_passed": True,
}
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300)
damaged = st.tuples(st.sampled_from(sorted(past)), scalars).map(lambda change: {**past, change[0]: change[1]})
lines = st.one_of(st.just(past), damaged).map(json.dumps) | st.text(max_size=100)
ndjson = st.lists(lines, max_size=8).map("\n".join).map(lambda text: text.encode(errors="replace"))
schemathesis.openapi.media_type("application/x-ndjson", ndjson)


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(context, value):
    text = value if isinstance(value, bytes) else str(value).encode(errors="replace")
    is_packed = (context.case.headers or {}).get("content-encoding") == "gzip"
    return gzip.compress(text, mtime=0) if is_packed else text
