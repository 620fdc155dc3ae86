-- Call records, as phone servers sent them: by the uuid of a `calls.db` and its ascending ids. Moments are Unix seconds; `month` is that in which
-- the call began, in UTC, such as 202611. `content` is the SHA-256 of the record, by which a repeated one is known; it goes with the number.
CREATE TABLE IF NOT EXISTS call_record (
  source BINARY(16) NOT NULL,
  id BIGINT NOT NULL,
  content BINARY(32) NULL,
  server VARBINARY(191) NOT NULL,
  call_id VARBINARY(64) NOT NULL,
  caller VARCHAR(32) NULL,
  direction ENUM('in', 'callback') NOT NULL,
  plan ENUM('premium', 'standard') NOT NULL,
  month INT UNSIGNED NOT NULL,
  started_at BIGINT NOT NULL,
  answered_at BIGINT NULL,
  ended_at BIGINT NOT NULL,
  billable_seconds INT UNSIGNED NOT NULL,
  disposition ENUM('answered', 'no_answer', 'busy', 'failed', 'congestion') NOT NULL,
  received_at BIGINT NOT NULL,
  PRIMARY KEY (source, id),
  KEY callers (month, caller),
  KEY numbers (started_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was listened to in a call, from and to in milliseconds of the program's body.
CREATE TABLE IF NOT EXISTS call_listened (
  source BINARY(16) NOT NULL,
  id BIGINT NOT NULL,
  position INT UNSIGNED NOT NULL,
  month INT UNSIGNED NOT NULL,
  program INT UNSIGNED NOT NULL,
  from_ms INT UNSIGNED NOT NULL,
  to_ms INT UNSIGNED NOT NULL,
  PRIMARY KEY (source, id, position),
  KEY programs (month, program)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
