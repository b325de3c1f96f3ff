"""A mail server for tests, on a loopback port that the system chooses.

Prints its port, then one line of JSON for every mail that it took. The arguments say how it
misbehaves: see the parser below. What it counts is per process.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("--refuse", action="append", default=[], help="a recipient without a mailbox")
parser.add_argument("--grey", type=int, default=0, help="mails that are put off first")
parser.add_argument("--hang-up", type=int, default=0, help="connections closed in mid-message")
parser.add_argument("--slow", type=float, default=0, help="seconds for a mail")
parser.add_argument("--login", help="user:password that is asked for")
parser.add_argument("--tls", choices=["none", "smtps", "starttls"], default="none")
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--port", type=int, default=0)
options = parser.parse_args()


def tell(what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def read(content):
    """What a reader sees, whatever the encoding."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    body = mail.get_body(("plain", "html"))
    return {
        "headers": {name.lower(): str(value) for name, value in mail.items()},
        "kind": body.get_content_type(),
        "body": body.get_content(),
        "attachments": [part.get_filename() for part in mail.iter_attachments()],
    }


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address in options.refuse:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if options.grey > 0:
            options.grey -= 1
            return "451 4.7.1 greylisted, try again later"
        if options.hang_up > 0:
            options.hang_up -= 1
            server.transport.close()
            return "421 gone"
        if options.slow:
            await asyncio.sleep(options.slow)
        tell({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "read": read(envelope.content),
            "data": envelope.content.decode("utf-8", "surrogateescape"),
        })
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    given = f"{data.login.decode()}:{data.password.decode()}"
    return AuthResult(success=given == options.login, handled=False)


def context():
    if options.tls == "none":
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(options.certificate, options.key)
    return made


def protocol():
    return SMTP(
        Handler(),
        hostname="mail.example.org",
        enable_SMTPUTF8=True,
        tls_context=context() if options.tls == "starttls" else None,
        require_starttls=options.tls == "starttls",
        authenticator=authenticate if options.login else None,
        auth_required=bool(options.login),
        auth_require_tls=options.tls == "starttls",
    )


async def main():
    loop = asyncio.get_running_loop()
    wrapped = context() if options.tls == "smtps" else None
    server = await loop.create_server(protocol, "127.0.0.1", options.port, ssl=wrapped)
    tell(server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
