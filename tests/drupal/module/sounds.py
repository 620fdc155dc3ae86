"""Sounds that no other recording has."""

import os
import uuid

from drupal_site import FIXTURE

BLOBS = os.path.join(FIXTURE, "files", "bitcache", "file")


def an_mp3():
    """Bytes of the fixture that are an mp3, made different from all others."""
    for name in sorted(os.listdir(BLOBS)):
        with open(os.path.join(BLOBS, name), "rb") as file:
            content = file.read()
        if content[:3] == b"ID3" or content[:2] == b"\xff\xfb":
            return content + uuid.uuid4().bytes
    raise AssertionError("the fixture has no mp3")
