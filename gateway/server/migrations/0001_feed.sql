-- The feed: what is published, in numbered versions. Each statement may be run again: a migration that was cut off is begun anew.

-- One row: where the feed stands. The digests and counts are those of the whole catalogue, and of the one without subscribers.
CREATE TABLE IF NOT EXISTS feed_head (
  id TINYINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  version BIGINT UNSIGNED NOT NULL,
  floor_version BIGINT UNSIGNED NOT NULL,
  digest BINARY(32) NOT NULL,
  digest_public BINARY(32) NOT NULL,
  entities BIGINT UNSIGNED NOT NULL,
  entities_public BIGINT UNSIGNED NOT NULL,
  committed_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The digests of each version from the floor on: by them a reader's cursor is known.
CREATE TABLE IF NOT EXISTS feed_version (
  version BIGINT UNSIGNED NOT NULL,
  digest BINARY(32) NOT NULL,
  digest_public BINARY(32) NOT NULL,
  committed_at BIGINT NOT NULL,
  PRIMARY KEY (version),
  KEY committed (committed_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Each entity's last change. A tombstone has a reason, and neither value nor leaf. The kinds stand in the order in which phones want them.
CREATE TABLE IF NOT EXISTS feed_entity (
  kind ENUM('settings', 'prompt', 'category', 'program', 'subscriber') NOT NULL,
  id VARBINARY(191) NOT NULL,
  version BIGINT UNSIGNED NOT NULL,
  value MEDIUMBLOB NULL,
  leaf BINARY(32) NULL,
  reason VARCHAR(32) NULL,
  PRIMARY KEY (kind, id),
  KEY changes (version, kind, id),
  KEY gone (reason, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Which entity names which blob, and in which version it last did; NULL: it still does.
CREATE TABLE IF NOT EXISTS feed_blob (
  sha256 BINARY(32) NOT NULL,
  kind ENUM('settings', 'prompt', 'category', 'program', 'subscriber') NOT NULL,
  id VARBINARY(191) NOT NULL,
  last_version BIGINT UNSIGNED NULL,
  PRIMARY KEY (sha256, kind, id),
  KEY entity (kind, id),
  KEY ended (last_version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Why something is not, or not well, on the phone. The owner is whatever the finding was derived from, and is replaced as a whole.
CREATE TABLE IF NOT EXISTS feed_finding (
  number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  owner VARBINARY(255) NOT NULL,
  code VARCHAR(64) NOT NULL,
  severity ENUM('info', 'warning', 'error') NOT NULL,
  subject_type ENUM('site', 'node', 'term', 'prompt') NOT NULL,
  subject_id MEDIUMBLOB NOT NULL,
  message MEDIUMTEXT NOT NULL,
  PRIMARY KEY (number),
  KEY owner (owner)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- At most one row: a refresh that would remove much, and waits.
CREATE TABLE IF NOT EXISTS feed_hold (
  id TINYINT UNSIGNED NOT NULL,
  since BIGINT NOT NULL,
  removals TEXT NOT NULL,
  accepted TINYINT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: which gateway refreshes at the moment. It saves work, and decides nothing.
CREATE TABLE IF NOT EXISTS feed_lease (
  id TINYINT UNSIGNED NOT NULL,
  holder VARBINARY(191) NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
