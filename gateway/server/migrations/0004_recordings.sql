-- What callers left. A row is `storing` until its files are on the disk, then `pending`: visible, all at once. `content` is the SHA-256 of what the
-- phone server said, by which a repeated submission is known. Moments are Unix seconds. What became of a recording is in Drupal's tables.
-- `taken_at` says when Drupal had it, `offer_at` when it is offered to Drupal again after a refusal.
CREATE TABLE IF NOT EXISTS recording (
  uuid BINARY(16) NOT NULL,
  content BINARY(32) NOT NULL,
  state ENUM('storing', 'pending') NOT NULL,
  server VARBINARY(191) NOT NULL,
  caller VARCHAR(32) NULL,
  language VARCHAR(12) NOT NULL,
  category INT UNSIGNED NOT NULL,
  recorded_at BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  hung_up TINYINT UNSIGNED NOT NULL,
  silent TINYINT UNSIGNED NOT NULL,
  body_sha256 BINARY(32) NOT NULL,
  body_size BIGINT UNSIGNED NOT NULL,
  body_ms BIGINT UNSIGNED NOT NULL,
  title_sha256 BINARY(32) NULL,
  title_size BIGINT UNSIGNED NOT NULL,
  title_ms BIGINT UNSIGNED NOT NULL,
  taken_at BIGINT NULL,
  offer_at BIGINT NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (uuid),
  KEY waiting (taken_at, received_at),
  KEY received (received_at, uuid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- At most one row: the key that the gateway shows to Drupal's module when it wakes it, as the module gave it last.
CREATE TABLE IF NOT EXISTS recording_wake (
  id TINYINT UNSIGNED NOT NULL,
  wake_key CHAR(64) NOT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
