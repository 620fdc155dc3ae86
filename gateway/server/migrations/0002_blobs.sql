-- The audio index: what is known of each source of audio that the site names. What is not in it was not looked at yet.
-- `source` is `sha1:` and bitcache's name, or `path:` and the path of a file; `id` is its SHA-256, since paths are longer than keys may be.
-- `directory` is where a file was found; it is NULL where the bytes are a copy of the gateway's own.
CREATE TABLE IF NOT EXISTS audio_source (
  id BINARY(32) NOT NULL,
  source VARBINARY(4096) NOT NULL,
  state ENUM('ready', 'missing', 'not_audio', 'corrupt', 'unreadable') NOT NULL,
  sha256 BINARY(32) NULL,
  size BIGINT UNSIGNED NOT NULL,
  mime VARCHAR(32) NULL,
  duration_ms INT UNSIGNED NULL,
  home ENUM('directory', 'store') NULL,
  directory VARBINARY(4096) NULL,
  mtime_ns BIGINT NOT NULL,
  inode BIGINT UNSIGNED NOT NULL,
  checked_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY blob_name (sha256)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
