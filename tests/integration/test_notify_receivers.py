"""Webhooks over TLS and e-mail to real servers on loopback, with certificates of our own; and receivers that misbehave."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from storage.notifications.addresses import networks_of
from storage.notifications.documents import Line, Message, MessageKind, News
from storage.notifications.email import compose, send
from storage.notifications.message import trial_message
from storage.notifications.outcome import SENT
from storage.notifications.receivers import EmailReceiver, WebhookReceiver
from storage.notifications.webhook import post
from tests.integration.notify_world import MAIL_PASSWORD
from tests.integration.storage_world import START_MS
from veilocity.contracts import Severity

NOW_MS = 1_795_305_600_000


class Certificate(NamedTuple):
    """A certificate for `localhost` alone, which is its own authority."""

    file: Path
    context: ssl.SSLContext


@pytest.fixture(name="certificate", scope="module")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    file, private = folder / "server.pem", folder / "server.key"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    return Certificate(file, context)


def loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def receiver(url: str, ca_file: Path | None = None, timeout_s: float = 5.0) -> WebhookReceiver:
    return WebhookReceiver(
        name="hook", url=urlsplit(url), keys=(bytes(32),), allowed=networks_of(["127.0.0.1/32"]), ca_file=ca_file, timeout_s=timeout_s
    )


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@contextmanager
def https(certificate: Certificate) -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a handshake that fails is what is tested
        server.socket = certificate.context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def test_a_webhook_goes_over_tls_that_is_verified(certificate: Certificate) -> None:
    with https(certificate) as port:
        assert post(receiver(f"https://localhost:{port}/", certificate.file), "msg_1", b"{}", NOW_MS, loopback) == SENT
        for url, ca_file in ((f"https://localhost:{port}/", None), (f"https://hooks.example.com:{port}/", certificate.file)):
            outcome = post(receiver(url, ca_file), "msg_1", b"{}", NOW_MS, loopback)
            assert (outcome.result, outcome.reason) == ("failed", "TLS failed (SSLCertVerificationError)")


@contextmanager
def speaking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Accept one connection and let `talk` answer it."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            try:
                connection.recv(65_536)
                talk(connection)
            except OSError:
                # Cut off, as it should be.
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


def drip(first: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        connection.settimeout(0.05)
        while True:
            try:
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                connection.sendall(b"x")

    return talk


def test_a_receiver_that_answers_by_the_byte_is_cut_off() -> None:
    with speaking(drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")) as url:
        assert post(receiver(url, timeout_s=0.5), "msg_1", b"{}", NOW_MS).reason == "timeout"


def test_a_receiver_that_has_said_yes_may_say_the_rest_as_it_likes() -> None:
    with speaking(drip(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
        assert post(receiver(url, timeout_s=0.5), "msg_1", b"{}", NOW_MS) == SENT


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "no answer (RemoteDisconnected)"),
        (b"SSH-2.0-OpenSSH\r\n", "no answer (BadStatusLine)"),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\r\n\r\n", "HTTP 301: redirects are not followed, write the new address"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "no answer (HTTPException)"),
        (b"HTTP/1.1 429 Slow\r\n\r\n" + b"x" * 100_000, "HTTP 429"),
    ],
)
def test_an_answer_that_is_no_yes_is_told_in_our_words(answer: bytes, reason: str) -> None:
    with speaking(lambda connection: connection.sendall(answer)) as url:
        outcome = post(receiver(url), "msg_1", b"{}", NOW_MS)
    assert (outcome.result, outcome.reason[: len(reason)]) == ("failed", reason)


class Mails:
    """What the mail server does with mail: keeps it, or refuses as it is told."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refuse: dict[str, str] = {}
        self.refuse_data = ""

    async def handle_RCPT(self, server: object, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:
        if self.refuse_data:
            return self.refuse_data
        self.envelopes.append(envelope)
        return "250 taken"

    @property
    def mails(self) -> list[Any]:
        return [message_from_bytes(envelope.original_content or b"", policy=default) for envelope in self.envelopes]


def _authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, login: object) -> AuthResult:
    good = isinstance(login, LoginPassword) and (login.login, login.password) == (b"notifier", MAIL_PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@contextmanager
def mail_server(mails: Mails, certificate: Certificate | None) -> Iterator[int]:
    secure: dict[str, Any] = {}
    if certificate is not None:
        secure = {
            "tls_context": certificate.context,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": _authenticate,
        }
    controller = Controller(mails, hostname="127.0.0.1", port=_free(), **secure)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mailbox(port: int, certificate: Certificate | None = None, **changes: Any) -> EmailReceiver:
    made = EmailReceiver(
        name="mail",
        host="localhost",
        port=port,
        security="starttls" if certificate else "none",
        username="notifier" if certificate else "",
        password=MAIL_PASSWORD if certificate else "",
        sender="veilocity@example.com",
        to=("fraud@example.com", "desk@example.com"),
        ca_file=certificate.file if certificate else None,
        timeout_s=5.0,
    )
    return msgspec.structs.replace(made, **changes)


def message() -> Message:
    line = Line(
        "ab" * 16, 1, News.NEW, Severity.HIGH, "impossible-travel", "impossible_travel", START_MS, 2, "9,000 km in 1 h: Zürich, Łódź."
    )
    return msgspec.structs.replace(
        trial_message("cd" * 16, "mail", NOW_MS),
        kind=MessageKind.UPDATED,
        case="ef" * 16,
        generation=2,
        severity=Severity.HIGH,
        cases=1,
        alerts=1,
        standing=3,
        by_news={"new": 1},
        by_rule={"impossible-travel": 1},
        lines=(line,),
    )


def test_a_mail_goes_over_tls_with_an_id_that_stays(certificate: Certificate) -> None:
    mails = Mails()
    with mail_server(mails, certificate) as port:
        for now_ms in (NOW_MS, NOW_MS + 60_000):
            box = mailbox(port, certificate)
            assert send(box, compose(box, message(), "https://fraud.example.com", now_ms)) == SENT
    first, second = mails.mails
    assert mails.envelopes[0].rcpt_tos == ["fraud@example.com", "desk@example.com"]
    assert first["Message-ID"] == second["Message-ID"] == f"<msg_{'cd' * 16}@example.com>"
    assert first["References"] == f"<case_{'ef' * 16}@example.com>"
    assert first["Subject"] == "Veilocity, high: 1 alert about one person (impossible-travel)"
    assert first["Auto-Submitted"] == "auto-generated"
    text = first.get_content()
    assert "9,000 km in 1 h: Zürich, Łódź." in text
    assert f"https://fraud.example.com/#alert={'ab' * 16}" in text
    assert text == second.get_content()


def test_a_mail_server_that_is_not_who_it_says_gets_nothing(certificate: Certificate) -> None:
    mails = Mails()
    with mail_server(mails, certificate) as port:
        box = mailbox(port, certificate, ca_file=None)
        mail = compose(box, message(), "https://fraud.example.com", NOW_MS)
        assert send(box, mail).reason == "TLS failed (SSLCertVerificationError)"
        wrong = mailbox(port, certificate, password="wrong")  # noqa: S106  # it is
        assert send(wrong, mail).reason == "SMTP 535: the mail server refuses user name and password"
    with mail_server(mails, None) as port:
        assert send(mailbox(port, certificate), mail).reason == "no answer (SMTPNotSupportedError)", "no fall-back to plain text"
    assert mails.envelopes == []


def test_what_a_mail_server_refuses_for_good_is_not_tried_again() -> None:
    mails = Mails()
    with mail_server(mails, None) as port:
        box = mailbox(port)
        mail = compose(box, message(), "https://fraud.example.com", NOW_MS)
        mails.refuse = {"desk@example.com": "550 nobody of that name"}
        assert send(box, mail) == SENT, "the other recipient has it"
        mails.refuse |= {"fraud@example.com": "550 nobody of that name"}
        assert (send(box, mail).result, send(box, mail).reason) == ("refused", "SMTP 550 at every recipient")
        mails.refuse |= {"fraud@example.com": "451 later"}
        assert (send(box, mail).result, send(box, mail).reason) == ("failed", "SMTP 451 at every recipient")
        mails.refuse, mails.refuse_data = {}, "452 full"
        assert (send(box, mail).result, send(box, mail).reason) == ("failed", "SMTP 452 at the message")
        mails.refuse_data = "554 no"
        assert send(box, mail).result == "refused"
    assert send(box, mail).reason == "no answer (ConnectionRefusedError)"
