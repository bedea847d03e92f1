"""Head office as a running program: power cuts, many at once, torn and endless requests."""

import datetime
import http.client
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fakes import Terminal, cosigned_time
from hq_server import PATIENCE_S, Server

pytestmark = pytest.mark.slow


def origin(number):
    return f"power.example/kiosk/420100/{number:04d}/1"


@pytest.fixture
def hq(tmp_path, database):
    with Server(tmp_path, database=database) as hq:
        yield hq


@pytest.fixture
def terminal(hq):
    return hq.enrol(Terminal()).open()


def stored(hq, terminal):
    rows = hq.sql(
        "SELECT e.seq, e.content FROM entries e JOIN logs l ON l.id = e.log_id WHERE l.origin = ? ORDER BY 1",
        terminal.origin,
    )
    assert [seq for seq, _ in rows] == list(range(len(rows)))
    return [bytes(content) for _, content in rows]


def test_what_was_acknowledged_is_there_after_sigkill(hq, terminal):
    terminal.grow(399)
    for cut in range(4):
        acknowledged = []
        over = threading.Event()

        def send(hq=hq, acknowledged=acknowledged, over=over):
            first = acknowledged[-1] if acknowledged else 0
            while not over.is_set() and first < 400:
                try:
                    answer = hq.post(terminal, terminal.batch(first, first + 2))
                except OSError as error:
                    raise AssertionError(error) from error
                except Exception:  # noqa: BLE001 - the server was killed in the middle
                    return
                if answer.status_code == 409:
                    first = int(answer.text)
                    continue
                assert answer.status_code == 200
                first = int(answer.text.split("\n")[1])
                acknowledged.append(first)

        thread = threading.Thread(target=send)
        thread.start()
        while len(acknowledged) < 10 * (cut + 1) and thread.is_alive():
            over.wait(0.01)
        hq.kill()
        over.set()
        thread.join()
        hq.start()
        kept = stored(hq, terminal)
        assert len(kept) >= acknowledged[-1]
        assert kept == terminal.entries[: len(kept)]
        last = hq.get(terminal)
        size = int(last.text.split("\n")[1])
        assert size >= acknowledged[-1]
        cosigned_time(last.text, terminal.note(size), hq.vkey)
    answer = hq.post(terminal, terminal.batch(len(stored(hq, terminal))))
    cosigned_time(answer.text, terminal.note(), hq.vkey)
    assert stored(hq, terminal) == terminal.entries


def test_many_at_once_on_one_log_and_on_others(hq, terminal):
    """A log's requests take turns; whatever overlaps, every entry is stored once and every answer holds."""
    others = [hq.enrol(Terminal(origin(number), seed=bytes([number]) * 32)).open() for number in (1, 2)]
    terminal.grow(60)
    work = [(terminal, first, end) for first in range(0, 61, 6) for end in (first, min(first + 3, 61), 61) if end]
    work += [(other.grow(1), 0, size) for other in others for size in range(1, 8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda job: hq.post(job[0], job[0].batch(job[1], job[2])), work))
    assert sum(answer.status_code == 200 for answer in answers) > 10
    for (who, _, end), answer in zip(work, answers, strict=True):
        assert answer.status_code in (200, 409), answer.text
        if answer.status_code == 200:
            size = int(answer.text.split("\n")[1])
            assert size >= end
            cosigned_time(answer.text, who.note(size), hq.vkey)
    assert hq.post(terminal, terminal.batch()).status_code == 200
    assert stored(hq, terminal) == terminal.entries
    for other in others:
        assert stored(hq, other) == other.entries[:7]


@pytest.mark.parametrize("size", [8_388_609, 30_000_000])
def test_a_body_far_over_the_limit_is_answered_413(hq, terminal, size):
    assert hq.post(terminal, bytes(size)).status_code == 413
    assert hq.post(terminal, terminal.batch()).status_code == 200


def test_an_endless_body_is_not_read_to_its_end(hq, terminal):
    """Chunked, without a length: at limit + 1 bytes the answer is ready."""
    port = int(hq.url.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.putrequest("POST", f"/v1/logs/{terminal.hash}/entries")
    connection.putheader("Content-Type", "application/cbor")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    for _ in range(9):
        connection.send(piece)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_torn_request_leaves_nothing_behind_and_a_slow_one_holds_nobody_up(hq, terminal):
    port = int(hq.url.rsplit(":", 1)[1])
    terminal.grow(50)
    body = terminal.batch()
    head = f"POST /v1/logs/{terminal.hash}/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/cbor\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    for line in slow:
        line.sendall(head.encode() + body[: len(body) // 2])
    for line in slow[:30]:
        line.close()
    assert hq.get(terminal).status_code == 404
    assert hq.post(terminal, terminal.batch(0, 1)).status_code == 200
    slow[30].sendall(body[len(body) // 2 :])
    assert slow[30].recv(15) == b"HTTP/1.1 200 OK"
    for line in slow[30:]:
        line.close()
    assert stored(hq, terminal) == terminal.entries


def test_it_ends_in_good_order_with_idle_lines_open(hq, terminal):
    assert hq.post(terminal, terminal.batch()).status_code == 200
    assert hq.stop() < 5
    assert hq.process.returncode in (0, -15)
    hq.start()
    assert hq.post(terminal, terminal.batch(1, 1)).status_code == 200


def test_nothing_of_the_framework_is_served(hq):
    for path in (
        "/docs",
        "/redoc",
        "/openapi.json",
        "/v1/logs",
        "/console.html",
        "/../hq.key",
        "/templates/console.html",
    ):
        assert hq.client.get(path).status_code == 404
    assert "server" not in hq.client.get("/").headers
    for path, method in (("/", "POST"), ("/days.csv", "DELETE")):
        assert hq.client.request(method, path).status_code == 405


def test_https_with_the_operators_own_certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    pem = made.sign(key, SHA256()).public_bytes(Encoding.PEM)
    (tmp_path / "hq.pem").write_bytes(pem)
    (tmp_path / "hq.key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with Server(tmp_path, "--certificate", tmp_path / "hq.pem", "--certificate-key", tmp_path / "hq.key.pem") as hq:
        assert hq.url.startswith("https://")
        assert httpx.get(hq.url, verify=ssl.create_default_context(cadata=pem.decode())).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(hq.url)
