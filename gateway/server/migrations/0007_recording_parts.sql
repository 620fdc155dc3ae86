-- Where the sounds of recordings are. `store` says where the gateway put them in Drupal, `gateway` for nowhere; `kept` is 1 while the gateway has
-- a copy of its own, `gone_since` when the recording's node was first seen to be deleted, in Unix seconds.
CREATE TABLE IF NOT EXISTS recording_part (
  uuid BINARY(16) NOT NULL,
  part ENUM('title', 'body') NOT NULL,
  sha1 BINARY(20) NOT NULL,
  store ENUM('gateway', 'bitcache', 'files') NOT NULL,
  kept TINYINT UNSIGNED NOT NULL,
  gone_since BIGINT NULL,
  PRIMARY KEY (uuid, part),
  KEY kept (kept, uuid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
