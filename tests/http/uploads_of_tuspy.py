"""tuspy uploads: python uploads_of_tuspy.py URL TOKEN FILE HALF-DONE-UPLOAD"""

import sys

from tusclient import client

url, token, path, half_done = sys.argv[1:]
tus = client.TusClient(url, headers={"Authorization": "Bearer " + token})

# In pieces, each with its checksum, cut in the middle, and gone on with by another process of the client.
first = tus.uploader(path, chunk_size=30_000, upload_checksum=True, metadata={"filename": "über.mp3"})
first.upload(stop_at=60_000)
assert first.offset == 60_000, first.offset
again = tus.uploader(path, url=first.url, chunk_size=30_000, upload_checksum=True)
assert again.get_offset() == 60_000
again.upload()
assert again.get_offset() == len(open(path, "rb").read())

# What another connection had begun and lost.
other = tus.uploader(path, url=half_done)
assert 0 < other.get_offset() < len(open(path, "rb").read()), other.get_offset()
other.upload()
print("ok")
