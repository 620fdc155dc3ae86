-- Text messages that came by the agent's HTTP hook, by the sender's own id: each goes to the dialplan once.
CREATE TABLE sms_in (
  id TEXT NOT NULL PRIMARY KEY,
  came_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
) WITHOUT ROWID;
CREATE INDEX sms_in_by_time ON sms_in (came_at);
