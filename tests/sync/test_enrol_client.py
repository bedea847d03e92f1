"""The terminal's one question before it has a ledger: answers, refusals, and what is neither."""

import httpx
import pytest

from kiosk.ledger.enrolment import ANSWER_BYTES_MAX
from kiosk.model.errors import KioskError
from kiosk.sync.enrol import ask_office


def office(status=200, content=b"answer", raises=None):
    def answer(request):
        assert (request.method, request.url.path) == ("POST", "/v1/enrol")
        assert request.content == b"request" and request.headers["content-type"] == "application/cbor"
        if raises:
            raise raises
        return httpx.Response(status, stream=httpx.ByteStream(content))

    return httpx.MockTransport(answer)


def refused(transport, url="https://hq.power.example/"):
    with pytest.raises(KioskError) as why:
        ask_office(url, b"request", transport)
    return why.value.code, str(why.value)


def test_the_answer_is_the_body():
    assert ask_office("https://hq.power.example", b"request", office()) == b"answer"


@pytest.mark.parametrize("code", ["E-902", "E-903", "E-904", "E-905", "E-906", "E-909"])
def test_head_offices_refusal_keeps_its_code(code):
    told, words = refused(office(403, f"{code} because\n".encode()))
    assert told == code and "because" in words


def test_what_is_no_head_office_is_silence():
    assert refused(office(404, b"<html>nothing here"))[0] == "S-601"
    assert refused(office(500, b"E-999 nonsense"))[0] == "S-601"
    assert refused(office(302, b""))[0] == "S-601"
    assert refused(office(raises=httpx.ConnectError("no route")))[0] == "S-601"
    assert refused(None, url="not an address")[0] == "S-601"


def test_an_answer_without_end_is_cut():
    assert (
        len(ask_office("https://hq", b"request", office(content=bytes(ANSWER_BYTES_MAX + 9)))) == ANSWER_BYTES_MAX + 1
    )
