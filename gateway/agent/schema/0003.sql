-- Text messages: derived from what callers get, at the end of each pull that changed it.
CREATE TABLE sms_keyword (
  keyword TEXT NOT NULL PRIMARY KEY,
  category_id INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sms_part (
  category_id INTEGER NOT NULL,
  language TEXT NOT NULL,
  part INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (category_id, language, part)
) WITHOUT ROWID;

CREATE TABLE sms_text (
  key TEXT NOT NULL,
  language TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (key, language)
) WITHOUT ROWID;

CREATE VIEW phone_sms_keyword AS SELECT keyword, category_id FROM sms_keyword;

CREATE VIEW phone_sms_part AS
SELECT k.keyword AS keyword, p.language AS language, p.part AS part, p.text AS text
FROM sms_keyword k JOIN sms_part p ON p.category_id = k.category_id;

CREATE VIEW phone_sms_text AS SELECT key, language, text FROM sms_text;
