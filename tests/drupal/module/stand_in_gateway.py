"""A stand-in for the gateway, for what the real one never says, or not on one site: answers that are wrong, names that are markup, sums that fall,
bytes in each place where they may be. It also writes down what exactly it is told. Everything else is tested with the gateway itself.

It speaks the contract of drupal-module/README.md as strictly as it is written: types, order, what is offered again; and refuses what the
contract does not allow. What it answers and what it was told lies in the directory it is given.

    python3 stand_in_gateway.py DIRECTORY TOKEN        prints its address and serves until it is killed
"""

import base64
import fcntl
import http.server
import json
import os
import sys
import time
import xmlrpc.client

KINDS = {"node", "term", "vocabulary", "user", "field", "settings", "all"}


def notes(path):
    """What was noted in a file, line by line."""
    try:
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


class Contract:
    """The methods, over the files of a directory."""

    def __init__(self, directory):
        self.directory = directory

    def read(self, name, otherwise):
        try:
            with open(os.path.join(self.directory, name), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return otherwise

    def note(self, name, entry):
        with open(os.path.join(self.directory, name), "a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(entry) + "\n")

    def call(self, method, arguments):
        known = {
            "audiospread.notify": self.notify,
            "audiospread.status": self.status,
            "audiospread.findings": self.findings,
            "audiospread.recordings.pending": self.pending,
            "audiospread.recordings.taken": self.taken,
            "audiospread.calls.totals": self.totals,
            "audiospread.prompts": self.prompts,
        }
        if method not in known:
            raise xmlrpc.client.Fault(-32601, f"there is no method {method}")
        try:
            return known[method](*arguments)
        except (TypeError, KeyError, AssertionError) as error:
            raise xmlrpc.client.Fault(400, f"{method}: {error!r}") from error

    def notify(self, changes):
        assert isinstance(changes, list) and len(changes) <= 500, "at most 500 changes"
        for change in changes:
            assert set(change) == {"kind", "id", "vid", "changed", "op"}, change
            assert change["kind"] in KINDS and change["op"] in ("save", "delete"), change
            assert all(isinstance(change[name], int) for name in ("id", "vid", "changed")), change
        self.note("notified", {"at": time.time(), "changes": changes})
        return len(changes)

    def status(self, nid=None):
        if nid is None:
            return self.read("status.json", [])
        assert isinstance(nid, int)
        return self.read("nodes.json", {}).get(str(nid), [])

    def findings(self, offset, limit, nid=None):
        assert isinstance(offset, int) and 1 <= limit <= 500
        all_of_them = self.read("findings.json", [])
        if nid is not None:
            all_of_them = [one for one in all_of_them if one["kind"] == "node" and one["id"] == nid]
        return all_of_them[offset : offset + limit]

    def pending(self, limit, wake_key):
        assert 1 <= limit <= 100 and len(wake_key) == 64 and int(wake_key, 16) >= 0
        self.note("wake_keys", wake_key)
        # Of a recording that was refused the last word is "refused", and an hour is longer than a test.
        gone = {one["uuid"] for one in notes(os.path.join(self.directory, "taken"))}
        return [one for one in self.read("recordings.json", []) if one["uuid"] not in gone][:limit]

    def taken(self, recordings):
        known = {one["uuid"] for one in self.read("recordings.json", [])}
        for one in recordings:
            assert set(one) == {"uuid", "nid", "state", "message"} and isinstance(one["nid"], int), one
            assert one["state"] in ("made", "refused") and (one["nid"] > 0) == (one["state"] == "made"), one
            self.note("taken", one)
        return sum(one["uuid"] in known for one in recordings)

    def prompts(self, offset, limit):
        assert isinstance(offset, int) and 1 <= limit <= 400
        return self.read("prompts.json", [])[offset : offset + limit]

    def totals(self, month, after, limit):
        assert len(month) == 7 and 1 <= limit <= 500
        rows = sorted(self.read("totals.json", {}).get(month, []), key=lambda one: one["number"])
        return [one for one in rows if one["number"] > after][:limit]


def serve(directory, token):
    contract = Contract(directory)
    expected = "Basic " + base64.b64encode(f"drupal:{token}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, body, kind="text/xml; charset=utf-8"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                pass  # whoever notifies does not wait for the answer

        def allowed(self):
            return self.headers.get("Authorization") == expected

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                if not self.allowed():
                    raise xmlrpc.client.Fault(401, "The gateway does not know this token.")
                arguments, method = xmlrpc.client.loads(body)
                answer = xmlrpc.client.dumps((contract.call(method, arguments),), methodresponse=True)
            except xmlrpc.client.Fault as fault:
                answer = xmlrpc.client.dumps(fault)
            self.answer(200, answer.encode())

        def do_GET(self):
            if not self.allowed():
                self.answer(401, b"token unknown", "text/plain")
                return
            name = self.path.rsplit("/", 2)[-2:]
            known = self.path.startswith(("/v1/recordings/", "/v1/blobs/"))
            path = os.path.join(directory, "sounds", "-".join(name) + ".mp3")
            if not known or not os.path.exists(path):
                self.answer(404, b"no such sound", "text/plain")
                return
            with open(path, "rb") as file:
                self.answer(200, file.read(), "audio/mpeg")

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
