-- What happens on the phone: written by the dialplan, read by the agent. Readable by SQLite 3.34 (Debian 11): no STRICT tables, CHECK instead.
-- Moments are Unix seconds in UTC, `*_ms` are milliseconds. A caller is an E.164 number, or '' for one who withheld it.

-- `uuid` is this database's own identity: with it and an ascending id each row is known for ever, whatever becomes of Asterisk's counters.
CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO meta (name, value)
VALUES ('uuid', lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
  || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))));

-- Call records, by Asterisk's cdr_adaptive_odbc: it fills each column that bears the name of a CDR variable.
CREATE TABLE cdr (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  start TEXT, answer TEXT, "end" TEXT,
  clid TEXT, src TEXT, dst TEXT, dcontext TEXT, channel TEXT, dstchannel TEXT, lastapp TEXT, lastdata TEXT,
  duration INTEGER, billsec INTEGER, disposition TEXT, amaflags TEXT, accountcode TEXT, peeraccount TEXT,
  uniqueid TEXT, linkedid TEXT, sequence INTEGER, userfield TEXT,
  -- Ours, set by the dialplan.
  call_id TEXT,    -- the uuid of the call; none for a try to call back that failed
  caller TEXT NOT NULL DEFAULT '',
  dialled TEXT,    -- what was dialled, before any Goto
  direction TEXT,  -- in, callback
  plan TEXT,       -- premium, standard
  trunk TEXT
);
CREATE INDEX cdr_by_call ON cdr (call_id);

-- What happened in a call.
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
  call_id TEXT NOT NULL,
  caller TEXT NOT NULL,
  -- menu, played (with program_id, from_ms, to_ms), code, missing, bookmark, language, recording, callback_*, sms_*, budget_refused, fault
  kind TEXT NOT NULL CHECK (kind <> ''),
  language TEXT NOT NULL DEFAULT '',
  category_id INTEGER,
  program_id INTEGER,
  from_ms INTEGER,
  to_ms INTEGER,
  detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX event_by_call ON event (call_id);

-- What callers left. The only hand-over of recordings.
CREATE TABLE recordings (
  uuid TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('recording', 'done', 'dropped')),
  title_path TEXT NOT NULL DEFAULT '',  -- absolute; '' where there is none
  body_path TEXT NOT NULL DEFAULT '',
  caller TEXT NOT NULL DEFAULT '',
  language TEXT NOT NULL DEFAULT '',
  category_id INTEGER,
  started_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
  ended_at INTEGER,
  hung_up INTEGER NOT NULL DEFAULT 0 CHECK (hung_up IN (0, 1)),
  channel TEXT NOT NULL DEFAULT ''      -- the Asterisk channel that records, while it does
);
CREATE INDEX recordings_by_caller ON recordings (caller, started_at);
CREATE INDEX recordings_open ON recordings (started_at) WHERE state = 'recording';

CREATE TABLE bookmark (
  caller TEXT NOT NULL,
  program_id INTEGER NOT NULL,
  set_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
  PRIMARY KEY (caller, program_id)
) WITHOUT ROWID;

-- Where a caller stopped listening; it holds only while the program's body is the same sound.
CREATE TABLE listening (
  caller TEXT NOT NULL,
  program_id INTEGER NOT NULL,
  body_sound TEXT NOT NULL,
  at_ms INTEGER NOT NULL CHECK (at_ms >= 0),
  noted_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
  PRIMARY KEY (caller, program_id)
) WITHOUT ROWID;

CREATE TABLE caller_language (
  caller TEXT NOT NULL PRIMARY KEY,
  language TEXT NOT NULL,
  chosen_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
) WITHOUT ROWID;

-- Calls back, pending and past: budgets are counted from here.
CREATE TABLE callback (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  number TEXT NOT NULL CHECK (number LIKE '+%'),
  reason TEXT NOT NULL CHECK (reason IN ('premium', 'missed', 'sms')),
  program_id INTEGER,
  state TEXT NOT NULL CHECK (state IN ('pending', 'answered', 'ended', 'failed')),
  asked_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
  tries INTEGER NOT NULL DEFAULT 0,  -- that failed
  settled_at INTEGER,                -- when it was answered, and then when it ended
  seconds INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX callback_by_number ON callback (number, asked_at);
CREATE INDEX callback_by_time ON callback (asked_at);
-- One pending call back a number.
CREATE UNIQUE INDEX callback_pending ON callback (number) WHERE state = 'pending';

-- Text messages that the dialplan could not send by itself: the agent posts them to the configured address.
CREATE TABLE sms_out (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  number TEXT NOT NULL,
  body TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
  written_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
  settled_at INTEGER,
  why TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sms_out_pending ON sms_out (id) WHERE state = 'pending';
CREATE INDEX sms_out_by_number ON sms_out (number, written_at);
