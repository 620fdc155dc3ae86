-- What phone servers last said of themselves, by the names of their tokens. `epoch`, `version` and `applied_at` say where they stand in a feed,
-- of which the first is NULL where they stand in none. `listed` is 1 where all that waits there was named. `receipts` numbers their receipts.
CREATE TABLE IF NOT EXISTS phone_server (
  name VARBINARY(191) NOT NULL,
  software VARCHAR(64) NOT NULL DEFAULT '',
  epoch BIGINT UNSIGNED NULL,
  version BIGINT UNSIGNED NOT NULL DEFAULT 0,
  applied_at BIGINT NOT NULL DEFAULT 0,
  seen_at BIGINT NOT NULL DEFAULT 0,
  backlog INT UNSIGNED NOT NULL DEFAULT 0,
  calls_backlog INT UNSIGNED NOT NULL DEFAULT 0,
  message VARCHAR(500) NOT NULL DEFAULT '',
  waiting INT UNSIGNED NOT NULL DEFAULT 0,
  listed TINYINT UNSIGNED NOT NULL DEFAULT 1,
  subscribers TINYINT UNSIGNED NOT NULL DEFAULT 0,
  receipts BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Which versions of the feed a phone server took over, and when: since when something is there.
CREATE TABLE IF NOT EXISTS phone_server_version (
  server VARBINARY(191) NOT NULL,
  version BIGINT UNSIGNED NOT NULL,
  applied_at BIGINT NOT NULL,
  PRIMARY KEY (server, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The entities that waited on a phone server, and what became of them. `receipt` is the number of the last receipt that named them.
CREATE TABLE IF NOT EXISTS phone_server_entity (
  server VARBINARY(191) NOT NULL,
  kind ENUM('settings', 'prompt', 'category', 'program', 'subscriber') NOT NULL,
  id VARBINARY(191) NOT NULL,
  state ENUM('coming', 'absent', 'shown') NOT NULL,
  why VARCHAR(500) NOT NULL,
  since BIGINT NOT NULL,
  receipt BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (server, kind, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
