"""The gateway itself beside a site, and what a phone server sends to it."""

import atexit
import hashlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
import uuid

from drupal_site import PROJECT, TOKEN, TOWN, free_port, moment, wait_for


class RealGateway:
    """`audiospread serve` beside a site."""

    def __init__(self, program, directory, site):
        self.program, self.directory, self.port = program, os.path.join(directory, "gateway"), free_port()
        os.makedirs(self.directory)
        self.address = f"http://127.0.0.1:{self.port}"
        site.sql_as_root(
            f"CREATE DATABASE {site.name}_gateway CHARACTER SET utf8mb4; CREATE USER IF NOT EXISTS reader@localhost; CREATE USER IF NOT EXISTS own@localhost; "
            f"GRANT SELECT ON {site.name}.* TO reader@localhost; GRANT ALL ON {site.name}_gateway.* TO own@localhost"
        )
        scopes = {"drupal": ["feed", "blobs", "recordings", "calls", "admin"], "town": ["feed", "subscribers", "blobs", "recordings", "calls"]}
        tokens = [
            f'[[token]]\nname = "{name}"\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\nscopes = {json.dumps(scopes[name])}\n'
            for name, token in (("drupal", TOKEN), ("town", TOWN))
        ]
        self.put("tokens.toml", "".join(tokens))
        self.put("gateway.toml", f"""
listen = "127.0.0.1:{self.port}"
tokens_file = "tokens.toml"
data_dir = "data"
packs_dir = "{PROJECT}/scripts/asterisk/packs"
[drupal]
url = "mysql://reader@localhost/{site.name}?socket={site.socket}"
root = "{site.root}"
site_url = "{site.url}"
[database]
url = "mysql://own@localhost/{site.name}_gateway?socket={site.socket}"
[numbers]
country_code = "221"
[intake]
web_user = "{os.geteuid()}"
""")
        os.mkdir(os.path.join(self.directory, "data"))
        self.log = open(os.path.join(self.directory, "log"), "wb")
        self.process = subprocess.Popen(
            [program, "serve", "--config", os.path.join(self.directory, "gateway.toml")], stdout=self.log, stderr=self.log
        )
        atexit.register(self.stop)
        wait_for(self.is_ready, f"the gateway to be ready; see {self.log.name}", 120)

    def put(self, name, content):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(content)

    def ask(self, path, timeout=60):
        request = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read().decode()

    def send(self, method, path, content, kind="application/json", **headers):
        """Sends something as the phone server `town` does; gives where the answer says that it is."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, content, {"Authorization": f"Bearer {TOWN}", "Content-Type": kind, **names}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers.get("Location")

    def leave(self, body, title, **facts):
        """A recording as a phone server hands it in; there may be no title."""
        one = {"uuid": str(uuid.uuid4()), "body_sha256": hashlib.sha256(body).hexdigest()}
        for sound in filter(None, (body, title)):
            self.send("POST", "/v1/uploads", sound, "application/offset+octet-stream", Tus_Resumable="1.0.0", Upload_Length=str(len(sound)))
        known = {"recorded_at": moment(time.time() - 60), "language": "fr", "category": "2", "caller": "+221775550107", **facts}
        known["body"] = one["body_sha256"]
        if title:
            known["title"] = hashlib.sha256(title).hexdigest()
        self.send("PUT", f"/v1/recordings/{one['uuid']}", json.dumps(known).encode())
        return one

    def report(self, cursor, **members):
        """What `town` says of itself, having the feed up to a cursor."""
        receipt = {"software": "0.4.0", "cursor": cursor, "applied_at": moment(time.time()), "backlog": 0, "calls_backlog": 0, "waiting_count": 0}
        self.send("PUT", "/v1/receipt", json.dumps({**receipt, **members}).encode())

    def is_ready(self):
        assert self.process.poll() is None, open(self.log.name, encoding="utf-8").read()
        try:
            return bool(self.ask("/readyz"))
        except urllib.error.URLError:
            return False

    def feed(self, since, wait=30):
        """The lines of the feed since a cursor, as soon as there are some."""
        return [json.loads(line) for line in self.ask(f"/v1/feed?since={since}&wait={wait}").splitlines()]

    def until(self, cursor, wanted, seconds=60):
        """Follows the feed from a cursor until a line is there."""
        patience = time.monotonic() + seconds
        while time.monotonic() < patience:
            lines = self.feed(cursor)
            for line in lines:
                if wanted(line):
                    return line
            cursor = lines[-1]["cursor"]
        raise AssertionError(f"not in the feed within {seconds} s")

    def settled(self):
        """A cursor behind which nothing comes any more: all audio is indexed, all that changed was read twice."""
        def is_done():
            status = self.ask("/v1/status")
            return re.search(r'"audio_pending":0[,}]', status) and re.search(r'"waiting":0[,}]', status)

        wait_for(is_done, "everything to be published", 120)
        return self.cursor()

    def state(self, recording):
        """How a recording stands, by what the gateway reads of Drupal."""
        return json.loads(self.ask(f"/v1/recordings/{recording['uuid']}"))["state"]

    def cursor(self):
        """Where the feed is now; the snapshot may be a minute old."""
        snapshot = json.loads(self.ask("/v1/feed").splitlines()[-1])
        return self.feed(snapshot["cursor"], 0)[-1]["cursor"]

    def accept(self):
        """Lets a refresh go on that is held since it removes much."""
        command = [self.program, "feed", "--accept", "--config", os.path.join(self.directory, "gateway.toml")]
        subprocess.run(command, check=True, capture_output=True)

    def stop(self):
        atexit.unregister(self.stop)
        self.process.terminate()
        self.process.wait()
        self.log.close()
