-- Spoken titles that nobody takes, of recordings that go without theirs. Written by the agent before it hands in such a recording, and never taken
-- back while the gateway may have that: with a title it would be another recording. A row goes with its recording's, once the file is gone too.
CREATE TABLE quarantined_title (
  uuid TEXT NOT NULL PRIMARY KEY,
  title_path TEXT NOT NULL,          -- where it was recorded
  why TEXT NOT NULL,
  since INTEGER NOT NULL,
  filed INTEGER NOT NULL DEFAULT 0 CHECK (filed IN (0, 1))  -- whether its file was put into recordings/quarantine since
) WITHOUT ROWID;
