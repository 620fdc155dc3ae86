"""The stand-in for the gateway, and the recordings that it offers. It is there for what the real one never says, or not on one site: answers that
are wrong, bytes in each place where they may be; and to see what exactly it is told."""

import atexit
import hashlib
import json
import os
import subprocess
import time
import uuid

from drupal_site import HERE, TOKEN
from sounds import an_mp3
from stand_in_gateway import notes


class StandIn:
    """Speaks for the gateway, and remembers what it was told."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(os.path.join(directory, "sounds"), exist_ok=True)
        self.process = subprocess.Popen(
            ["python3", os.path.join(HERE, "stand_in_gateway.py"), directory, TOKEN], stdout=subprocess.PIPE, text=True
        )
        atexit.register(self.stop)
        self.address = self.process.stdout.readline().strip()

    def write(self, name, value):
        path = os.path.join(self.directory, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(value, file)
        os.replace(path + ".new", path)

    def notes(self, name):
        return notes(os.path.join(self.directory, name))

    def changes(self):
        return [change for call in self.notes("notified") for change in call["changes"]]

    def stop(self):
        atexit.unregister(self.stop)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Recordings:
    """Recordings as the gateway has them: bytes where it says, and a struct of recordings.pending."""

    def __init__(self, site, gateway):
        self.site, self.gateway, self.all = site, gateway, []

    def add(self, store="bitcache", title=True, **facts):
        name = str(uuid.uuid4())
        one = {
            "uuid": name, "recorded_at": int(time.time()) - 60, "received_at": int(time.time()), "server": "thies",
            "caller": "+221775550107", "language": "fr", "category": 2, "hung_up": 0, "silent": 0,
        }  # fmt: skip
        for part, there in (("title", title), ("body", True)):
            one.update(self.sound(name, part, store) if there else self.no_sound(part))
        one.update(facts)
        self.all.append(one)
        self.gateway.write("recordings.json", self.all)
        return one

    def no_sound(self, part):
        texts = {f"{part}_{name}": "" for name in ("store", "ref", "sha256", "mime")}
        return {**texts, f"{part}_size": 0, f"{part}_seconds": 0}

    def sound(self, name, part, store):
        content = an_mp3()
        files = os.path.join(self.site.root, "sites", "default", "files")
        if store == "bitcache":
            digest = hashlib.sha1(content).hexdigest()
            path, ref = os.path.join(files, "bitcache", "file", digest), f"bitcache://{digest}"
        elif store == "files":
            path, ref = os.path.join(files, "audiospread", f"{name}-{part}.mp3"), f"sites/default/files/audiospread/{name}-{part}.mp3"
        else:
            path, ref = os.path.join(self.gateway.directory, "sounds", f"{name}-{part}.mp3"), f"/v1/recordings/{name}/{part}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return {
            f"{part}_store": store, f"{part}_ref": ref, f"{part}_size": len(content), f"{part}_seconds": 4,
            f"{part}_sha256": hashlib.sha256(content).hexdigest(), f"{part}_mime": "audio/mpeg",
        }  # fmt: skip
