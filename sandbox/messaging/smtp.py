"""A mail server that keeps every mail: SMTP without TLS, with or without a login (any name and password)."""

import logging
import socketserver
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BufferedIOBase

from sandbox.messaging import inbox
from sandbox.messaging.inbox import NewMessage
from sandbox.world import World

TARGET, CHANNEL = "smtp.send", "email"
MAX_LINE, MAX_MAIL = 2000, 5_000_000
# What a fault is answered with, after RCPT or after the mail.
_AT_RECIPIENT = {
    "bad_number": "550 5.1.1 no such user here",
    "throttled": "451 4.7.1 greylisted, try again later",
}
_AT_MAIL = {"limit": "452 4.2.2 mailbox full", "refused": "554 5.7.1 message rejected"}
log = logging.getLogger(__name__)


class MailSink(socketserver.ThreadingTCPServer):
    """Listens for mail, a thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, world: World) -> None:
        self.world = world
        super().__init__((world.settings.host, world.settings.smtp_port), Connection)

    def run(self) -> None:
        """Serve until `shutdown`; meant for a thread of its own."""
        self.serve_forever(poll_interval=0.1)


def mail_sink(world: World) -> MailSink | None:
    """The mail server; None, with a line in the log, where its port is taken: all else works without it."""
    try:
        return MailSink(world)
    except OSError as error:
        log.warning("no mail is taken on port %s: %s", world.settings.smtp_port, error)
        return None


class Connection(socketserver.StreamRequestHandler):
    """One conversation."""

    timeout = 30
    server: MailSink

    def handle(self) -> None:
        """Talk until the client has nothing more to say."""
        self._recipients: list[str] = []
        self._say("220 sandbox ESMTP")
        while True:
            line = self.rfile.readline(MAX_LINE).decode("utf-8", "replace").strip()
            if not line or not self._obey(line):
                return

    def _obey(self, line: str) -> bool:
        """Answer one command; False ends the conversation."""
        verb = line.partition(" ")[0].upper()
        if verb == "QUIT":
            self._say("221 bye")
            return False
        if verb == "DATA":
            return self._take_mail()
        if verb == "RCPT":
            return self._take_recipient(line)
        answers = {
            "EHLO": "250-sandbox\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
            "AUTH": "235 2.7.0 accepted",
        }
        if verb in ("MAIL", "RSET"):
            self._recipients = []
        self._say(answers.get(verb, "250 ok"))
        return True

    def _take_recipient(self, line: str) -> bool:
        self._active = self.server.world.faults_at(TARGET)
        time.sleep(self._active.get("delay", 0))
        if "drop" in self._active:
            return False
        for fault, answer in _AT_RECIPIENT.items():
            if fault in self._active:
                self._say(answer)
                return True
        self._recipients.append(line.partition("<")[2].partition(">")[0])
        self._say("250 ok")
        return True

    def _take_mail(self) -> bool:
        if not self._recipients:
            self._say("503 no recipient")
            return True
        self._say("354 go on")
        raw = _read_mail(self.rfile)
        for fault, answer in _AT_MAIL.items():
            if fault in self._active:
                self._say(answer)
                return True
        self._keep(raw)
        if "timeout" in self._active:
            time.sleep(self._active["timeout"])
            return False
        self._say("250 queued")
        return True

    def _keep(self, raw: bytes) -> None:
        mail = message_from_bytes(raw, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        images = {
            str(part["Content-ID"]): part.get_content_type() for part in mail.walk() if part["Content-ID"]
        }
        params = {"subject": str(mail["Subject"]), "html": str(html.get_content()) if html else "", **images}
        for recipient in self._recipients:
            inbox.take_message(
                self.server.world.store,
                NewMessage(
                    channel=CHANNEL, recipient=recipient, vendor_id=str(mail["Message-ID"]), params=params,
                    text=str(plain.get_content()) if plain else "",
                ),
            )  # fmt: skip

    def _say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())


def _read_mail(file: BufferedIOBase) -> bytes:
    """Everything until the line with one dot; leading dots are those of the protocol."""
    found = bytearray()
    while (line := file.readline()) and line not in (b".\r\n", b".\n") and len(found) < MAX_MAIL:
        found += line[1:] if line.startswith(b".") else line
    return bytes(found)
