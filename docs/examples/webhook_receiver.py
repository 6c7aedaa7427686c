"""Receives ordersite's webhooks. Needs Python 3.9 or newer and nothing else.

    WEBHOOK_SECRET=whsec_… python3 webhook_receiver.py 8080

It answers 204 once a message is its own to keep, so do your work afterwards, from your own queue or table. It must be
reached by https from outside: put it behind a web server that has the certificate.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
# Keep the ids in your database, with a unique constraint, in the transaction that keeps the message.
SEEN = set()


def is_genuine(headers, body):
    """Whether the message is signed with our secret, and no older than five minutes."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    right = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    # Several signatures while a secret rotates: one that fits is enough.
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one.encode(), right.encode()) for one in given)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if not is_genuine(self.headers, body):  # over the bytes as they arrived, before they are parsed
            self.answer(401)
            return
        message_id = self.headers["webhook-id"]
        if message_id not in SEEN:  # the same message may arrive twice
            SEEN.add(message_id)
            message = json.loads(body)
            print(message_id, message["type"], message["data"].get("number", ""), flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_args):
        """What arrived is printed above."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
