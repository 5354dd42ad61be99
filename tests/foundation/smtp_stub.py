"""A mail server on the loopback address that does what a test tells it to. Threads and sockets, nothing else."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast


@dataclass
class SmtpStub:
    """`moods` are used up one per connection, the last one stays: ok, silent, busy (4xx), refuse (5xx), drip, hang_up,
    accept_and_die (takes the mail and cuts the line before saying so)."""

    moods: list[str] = field(default_factory=lambda: ["ok"])
    received: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    offers: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "AUTH PLAIN")

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.received]


@contextmanager
def smtp_stub(*moods: str) -> Iterator[SmtpStub]:
    stub = SmtpStub(moods=list(moods) or ["ok"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stub.port = listener.getsockname()[1]
        open_lines: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    line, _peer = listener.accept()
                    open_lines.append(line)
                    threading.Thread(target=_talk, args=(stub, line), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield stub
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for line in open_lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
                line.close()
            thread.join(5)


def _talk(stub: SmtpStub, line: socket.socket) -> None:
    stub.connections += 1
    mood = stub.moods.pop(0) if len(stub.moods) > 1 else stub.moods[0]
    with suppress(OSError), line, line.makefile("rwb") as stream:
        if mood == "silent":
            stream.read(1)
            return
        if mood == "hang_up":
            return
        if mood == "drip":
            while True:
                stream.write(b"2")
                stream.flush()
                time.sleep(0.05)

        def say(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        say("220 stub")
        while command := stream.readline().decode("utf-8", "replace").rstrip("\r\n"):
            word = command.split(" ")[0].upper()
            if word in ("EHLO", "HELO"):
                for offer in stub.offers:
                    stream.write(f"250-{offer}\r\n".encode())
                say("250 stub")
            elif word == "AUTH":
                stub.logins.append(command)
                say("235 welcome")
            elif word == "RCPT" and mood in ("busy", "refuse"):
                say("451 try later" if mood == "busy" else "550 no such person")
            elif word == "DATA":
                say("354 go on")
                content = b""
                while (part := stream.readline()) not in (b".\r\n", b""):
                    content += part[1:] if part.startswith(b"..") else part
                stub.received.append(cast(EmailMessage, message_from_bytes(content, policy=default)))
                if mood == "accept_and_die":
                    return
                say("250 taken")
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
