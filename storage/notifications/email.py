"""Sending a message as e-mail: one plain text in UTF-8, over TLS, with a Message-ID that is the same in every attempt.

Mail servers have no idempotency key: a message that was taken over while the connection broke is sent again, with the same Message-ID, by
which many mailboxes know it. Messages of one case refer to the same thread.

The mail server is one that the operator names for this purpose, usually inside the own network, so its address is not judged.
"""

from __future__ import annotations

import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

from storage.notifications.documents import Message
from storage.notifications.message import subject_of, to_text
from storage.notifications.outcome import SENT, Outcome, failed
from storage.notifications.receivers import EmailReceiver
from storage.notifications.webhook import tls_context
from veilocity.logs import get_logger

__all__ = ["compose", "send"]

_PERMANENT = 500
_log = get_logger(__name__)


def compose(receiver: EmailReceiver, message: Message, dashboard_url: str, now_ms: int) -> EmailMessage:
    """Return the e-mail; but for its date the same for the same message.

    Args:
        receiver: from whom and to whom.
        message: what to tell.
        dashboard_url: where its links lead.
        now_ms: wall clock: the date.
    """
    domain = receiver.sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = receiver.sender
    mail["To"] = ", ".join(receiver.to)
    mail["Subject"] = subject_of(message)
    mail["Date"] = datetime.fromtimestamp(now_ms // 1000, tz=UTC)
    mail["Message-ID"] = f"<msg_{message.id}@{domain}>"
    if message.case:
        mail["References"] = f"<case_{message.case}@{domain}>"
    # RFC 3834: nobody's absence is to be answered to us.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(to_text(message, dashboard_url), charset="utf-8", cte="quoted-printable")
    return mail


def send(receiver: EmailReceiver, mail: EmailMessage) -> Outcome:
    """Hand an e-mail to the mail server and say what became of it; raises nothing that a server or a network can cause."""
    try:
        with _session(receiver) as session:
            refused = session.send_message(mail, receiver.sender, list(receiver.to))
    except (smtplib.SMTPException, OSError, ValueError) as cause:
        return _failure(cause)
    if refused:
        _log.warning("a mail server refused some recipients of a message; the others have it", receiver=receiver.name, count=len(refused))
    return SENT


def _session(receiver: EmailReceiver) -> smtplib.SMTP:
    if receiver.security == "tls":
        context = tls_context(receiver.ca_file)
        session: smtplib.SMTP = smtplib.SMTP_SSL(receiver.host, receiver.port, timeout=receiver.timeout_s, context=context)
    else:
        session = smtplib.SMTP(receiver.host, receiver.port, timeout=receiver.timeout_s)
    try:
        if receiver.security == "starttls":
            # Raises where the server does not offer it: an answer that was tampered with must not turn encryption off.
            session.starttls(context=tls_context(receiver.ca_file))
        if receiver.username:
            session.login(receiver.username, receiver.password)
    except BaseException:
        session.close()
        raise
    return session


def _failure(cause: Exception) -> Outcome:
    match cause:
        case smtplib.SMTPRecipientsRefused():
            return _answered(min((code for code, _ in cause.recipients.values()), default=_PERMANENT), "at every recipient")
        case smtplib.SMTPAuthenticationError():
            return failed(f"SMTP {cause.smtp_code}: the mail server refuses user name and password")
        case smtplib.SMTPResponseException():
            return _answered(cause.smtp_code, "at the message")
        case ssl.SSLError():
            return failed(f"TLS failed ({type(cause).__name__})")
        case TimeoutError():
            return failed("timeout")
    return failed(f"no answer ({type(cause).__name__})")


def _answered(code: int, where: str) -> Outcome:
    if code >= _PERMANENT:
        return Outcome("refused", f"SMTP {code} {where}")
    return failed(f"SMTP {code} {where}")
