-- The phone renditions that were made: `source` is the SHA-256 of the sound, `sha256` that of its rendition.
CREATE TABLE IF NOT EXISTS rendition (
  source BINARY(32) NOT NULL,
  sha256 BINARY(32) NOT NULL,
  size BIGINT UNSIGNED NOT NULL,
  duration_ms INT UNSIGNED NOT NULL,
  made_at BIGINT NOT NULL,
  PRIMARY KEY (source),
  KEY blob_name (sha256)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
