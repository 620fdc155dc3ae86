-- Sounds that came whole and that no decoder here understands: they are findings, and hold nothing else back.
CREATE TABLE undecodable (
  sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
  why TEXT NOT NULL
) WITHOUT ROWID;
