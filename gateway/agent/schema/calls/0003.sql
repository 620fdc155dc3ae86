-- What becomes of a recording that is done, on its way to the gateway; written by the agent. Without a row here nobody has looked at it yet.
CREATE TABLE delivery (
  uuid TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'confirmed', 'quarantined')),
  why TEXT NOT NULL DEFAULT '',      -- of one that waits: what went wrong last; of one in quarantine: why nobody takes it
  settled_at INTEGER,                -- when it was confirmed, or put into quarantine
  filed INTEGER NOT NULL DEFAULT 0 CHECK (filed IN (0, 1))  -- whether its files were put into recordings/archive or recordings/quarantine since
) WITHOUT ROWID;
CREATE INDEX delivery_unfiled ON delivery (uuid) WHERE filed = 0;

-- A part of it as it is sent: encoded once, and its digest written down before the first byte is.
CREATE TABLE delivery_part (
  uuid TEXT NOT NULL,
  part TEXT NOT NULL CHECK (part IN ('title', 'body')),
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes > 0),
  upload TEXT NOT NULL DEFAULT '',   -- the upload's name at the gateway; '' before it began
  uploaded INTEGER NOT NULL DEFAULT 0 CHECK (uploaded IN (0, 1)),
  PRIMARY KEY (uuid, part)
) WITHOUT ROWID;

-- Call records that the gateway did not take, or that make no sense. Those up to `calls_settled` of `meta` are either there or here.
CREATE TABLE refused_call (
  cdr_id INTEGER NOT NULL PRIMARY KEY,
  why TEXT NOT NULL,
  refused_at INTEGER NOT NULL
);

CREATE INDEX recordings_settled ON recordings (ended_at) WHERE state <> 'recording';
CREATE INDEX event_by_time ON event (at);
