"""E-mail over SMTP, with TLS unless the customer's relay is on this machine."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import Literal

from contracts.errors import InvalidInput, Unavailable

_TIMEOUT_S = 10.0
_PERMANENT = 500


class SmtpMail:
    """One relay and one sender. A connection per message: they are few, and none stays open half dead."""

    def __init__(  # noqa: PLR0913 - what the customer names
        self,
        host: str,
        port: int,
        sender: str,
        *,
        user: str = "",
        password: str = "",
        security: Literal["starttls", "tls", "none"] = "starttls",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port, self._sender = host, port, sender
        self._user, self._password, self._security = user, password, security
        self._context = context or ssl.create_default_context()

    def send(self, address: str, subject: str, text: str, key: str) -> str:
        """Send one message and return its Message-ID, which is equal for a message that is sent again.

        Raises:
            Unavailable: The relay does not answer, or not now.
            InvalidInput: It will never take this message for this address.

        """
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, address, " ".join(subject.split())
        message["Message-ID"] = f"<{key}@{self._sender.rpartition('@')[2]}>"
        message.set_content(text)
        try:
            with self._connected() as relay:
                relay.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code = max((code for code, _ in error.recipients.values()), default=_PERMANENT)
            raise _refused(code, f"The relay {self._host} refuses {address} ({code}).") from error
        except smtplib.SMTPResponseException as error:
            said = (
                error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            code = 0 if isinstance(error, smtplib.SMTPAuthenticationError) else error.smtp_code
            raise _refused(code, f"The relay {self._host} answers {error.smtp_code}: {said}.") from error
        except (smtplib.SMTPException, OSError) as error:
            said = f"The relay {self._host}:{self._port} does not answer: {error}."
            raise Unavailable(said, hint="It will be tried again; check CLOUD_SMTP_HOST.") from error
        return str(message["Message-ID"])

    def _connected(self) -> smtplib.SMTP:
        if self._security == "tls":
            relay: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=_TIMEOUT_S, context=self._context)
        else:
            relay = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            if self._security == "starttls":
                relay.starttls(context=self._context)
            if self._user:
                relay.login(self._user, self._password)
        except (smtplib.SMTPException, OSError):
            relay.close()
            raise
        return relay


def _refused(code: int, said: str) -> Unavailable | InvalidInput:
    if code >= _PERMANENT:
        return InvalidInput(said, hint="Mend the address in the rota.", field="email")
    return Unavailable(said, hint="It will be tried again.")
