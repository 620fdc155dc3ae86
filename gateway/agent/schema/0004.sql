-- What was made for the phone: a file below phone/ is whole only with the bytes that stand here. Written before the file gets its name.
CREATE TABLE phone_sound (
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),  -- of the sound that it was made of
  format TEXT NOT NULL CHECK (format <> ''),
  bytes INTEGER NOT NULL CHECK (bytes > 0),
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  PRIMARY KEY (sha256, format)
) WITHOUT ROWID;
