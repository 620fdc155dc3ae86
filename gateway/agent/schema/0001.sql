-- The mirror's first schema. Readable by SQLite 3.34 (Debian 11): no STRICT tables, CHECK instead.

CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- What the gateway publishes, byte for byte; the digest is over this.
CREATE TABLE entity (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('settings', 'prompt', 'category', 'program', 'subscriber')),
  id TEXT NOT NULL CHECK (id <> ''),
  version INTEGER NOT NULL CHECK (version >= 0),
  value TEXT NOT NULL CHECK (typeof(value) = 'text'),
  leaf BLOB NOT NULL CHECK (length(leaf) = 32),
  bucket INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 255),
  is_shown INTEGER NOT NULL CHECK (is_shown IN (0, 1)),
  UNIQUE (kind, id)
);
CREATE INDEX entity_by_bucket ON entity (bucket, leaf);
CREATE INDEX entity_waiting ON entity (kind, id) WHERE is_shown = 0;

CREATE TABLE bucket (
  number INTEGER PRIMARY KEY CHECK (number BETWEEN 0 AND 255),
  hash BLOB NOT NULL CHECK (length(hash) = 32)
);

CREATE TABLE tombstone (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- Codes are asked for as numbers.
CREATE INDEX tombstone_of_program ON tombstone (CAST(id AS INTEGER)) WHERE kind = 'program';
CREATE INDEX entity_waiting_program ON entity (CAST(id AS INTEGER)) WHERE kind = 'program' AND is_shown = 0;

-- What callers get: the last state of each entity whose audio is complete. All tables below are derived from it.
CREATE TABLE shown (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  leaf BLOB NOT NULL CHECK (length(leaf) = 32),
  value TEXT NOT NULL CHECK (typeof(value) = 'text'),
  PRIMARY KEY (kind, id)
);

CREATE TABLE setting (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE language (
  code TEXT NOT NULL PRIMARY KEY,
  position INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE menu_key (
  context TEXT NOT NULL CHECK (context IN ('menu', 'playing')),
  action TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (context, action)
) WITHOUT ROWID;

CREATE TABLE home (
  position INTEGER NOT NULL PRIMARY KEY,
  category_id INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE category (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  position INTEGER NOT NULL
);

CREATE TABLE category_parent (
  parent_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  category_id INTEGER NOT NULL,
  PRIMARY KEY (parent_id, position, category_id)
) WITHOUT ROWID;
CREATE INDEX category_parent_by_category ON category_parent (category_id);

CREATE TABLE category_sound (
  category_id INTEGER NOT NULL,
  language TEXT NOT NULL,
  title_sound TEXT,
  header_sound TEXT,
  footer_sound TEXT,
  PRIMARY KEY (category_id, language)
) WITHOUT ROWID;

CREATE TABLE program (
  id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  language TEXT NOT NULL,
  translation_set INTEGER,
  weight INTEGER NOT NULL,
  created INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  title_sound TEXT,
  title_ms INTEGER,
  body_sound TEXT NOT NULL,
  body_ms INTEGER NOT NULL
);
CREATE INDEX program_by_set ON program (translation_set, language, id) WHERE translation_set IS NOT NULL;

-- In the order in which a menu reads them out.
CREATE TABLE program_category (
  category_id INTEGER NOT NULL,
  weight INTEGER NOT NULL,
  created INTEGER NOT NULL,
  program_id INTEGER NOT NULL,
  language TEXT NOT NULL,
  translation_set INTEGER,
  PRIMARY KEY (category_id, weight, created DESC, program_id)
) WITHOUT ROWID;
CREATE INDEX program_category_by_program ON program_category (program_id);
CREATE INDEX program_category_by_set ON program_category (category_id, translation_set, language, program_id)
  WHERE translation_set IS NOT NULL;

CREATE TABLE prompt (
  context TEXT NOT NULL,
  key TEXT NOT NULL,
  language TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('site', 'pack', 'default')),
  sound TEXT NOT NULL,
  duration_ms INTEGER NOT NULL,
  PRIMARY KEY (context, key, language)
) WITHOUT ROWID;

CREATE TABLE subscriber (
  id INTEGER PRIMARY KEY,
  plan TEXT NOT NULL CHECK (plan IN ('premium', 'standard')),
  language TEXT NOT NULL,
  balance_seconds INTEGER
);

CREATE TABLE subscriber_number (
  number TEXT NOT NULL,
  subscriber_id INTEGER NOT NULL,
  PRIMARY KEY (number, subscriber_id)
) WITHOUT ROWID;
CREATE INDEX subscriber_number_by_subscriber ON subscriber_number (subscriber_id);

-- The digests of the files of the language packs, so that they are read once and not at each pull.
CREATE TABLE pack_file (
  path TEXT NOT NULL PRIMARY KEY,
  size INTEGER NOT NULL,
  modified_ns INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32)
) WITHOUT ROWID;

-- The views are the contract with the phone menus: README.md of the agent.

CREATE VIEW phone_mirror AS
SELECT
  CAST((SELECT value FROM meta WHERE name = 'version') AS INTEGER) AS version,
  CAST((SELECT value FROM meta WHERE name = 'content') AS INTEGER) AS content,
  (SELECT value FROM meta WHERE name = 'audio_dir') AS audio_dir,
  (SELECT value FROM meta WHERE name = 'pulled_at') AS pulled_at;

CREATE VIEW phone_setting AS SELECT name, value FROM setting;

CREATE VIEW phone_language AS SELECT code, position FROM language;

CREATE VIEW phone_key AS SELECT context, action, key FROM menu_key;

CREATE VIEW phone_home AS
SELECT h.position AS position, c.id AS category_id, c.name AS name
FROM home h JOIN category c ON c.id = h.category_id
UNION ALL
SELECT p.position, c.id, c.name
FROM category_parent p JOIN category c ON c.id = p.category_id
WHERE p.parent_id = 0 AND NOT EXISTS (SELECT 1 FROM home);

CREATE VIEW phone_category AS SELECT id, name, description, position FROM category;

CREATE VIEW phone_subcategory AS
SELECT p.parent_id AS parent_id, p.position AS position, c.id AS category_id, c.name AS name
FROM category_parent p JOIN category c ON c.id = p.category_id;

-- Each in the language, else in the default language, else in any.
-- (SQLite 3.34 knows no columns of an outer query in ORDER BY; so the preferences are asked for one after the other.)
CREATE VIEW phone_category_sound AS
SELECT
  c.id AS category_id,
  l.code AS language,
  coalesce(
    (SELECT s.title_sound FROM category_sound s WHERE s.category_id = c.id AND s.language = l.code),
    (SELECT s.title_sound FROM category_sound s
      WHERE s.category_id = c.id AND s.language = (SELECT value FROM setting WHERE name = 'default_language')),
    (SELECT s.title_sound FROM category_sound s
      WHERE s.category_id = c.id AND s.title_sound IS NOT NULL ORDER BY s.language LIMIT 1)) AS title_sound,
  coalesce(
    (SELECT s.header_sound FROM category_sound s WHERE s.category_id = c.id AND s.language = l.code),
    (SELECT s.header_sound FROM category_sound s
      WHERE s.category_id = c.id AND s.language = (SELECT value FROM setting WHERE name = 'default_language')),
    (SELECT s.header_sound FROM category_sound s
      WHERE s.category_id = c.id AND s.header_sound IS NOT NULL ORDER BY s.language LIMIT 1)) AS header_sound,
  coalesce(
    (SELECT s.footer_sound FROM category_sound s WHERE s.category_id = c.id AND s.language = l.code),
    (SELECT s.footer_sound FROM category_sound s
      WHERE s.category_id = c.id AND s.language = (SELECT value FROM setting WHERE name = 'default_language')),
    (SELECT s.footer_sound FROM category_sound s
      WHERE s.category_id = c.id AND s.footer_sound IS NOT NULL ORDER BY s.language LIMIT 1)) AS footer_sound
FROM language l CROSS JOIN category c;

CREATE VIEW phone_program AS
SELECT id, title, language, translation_set, weight, created, changed, title_sound, title_ms, body_sound, body_ms
FROM program;

-- Of a translation set that is in the category, the member in the call's language, else the source, else the lowest nid.
CREATE VIEW phone_category_program AS
SELECT
  pc.category_id AS category_id, l.code AS language, pc.weight AS weight, pc.created AS created,
  pc.program_id AS program_id, p.title AS title, p.language AS program_language,
  p.title_sound AS title_sound, p.title_ms AS title_ms, p.body_sound AS body_sound, p.body_ms AS body_ms
FROM language l
CROSS JOIN program_category pc
CROSS JOIN program p ON p.id = pc.program_id
WHERE pc.translation_set IS NULL
  OR pc.program_id = coalesce(
    (SELECT min(m.program_id) FROM program_category m
      WHERE m.category_id = pc.category_id AND m.translation_set = pc.translation_set AND m.language = l.code),
    (SELECT m.program_id FROM program_category m
      WHERE m.category_id = pc.category_id AND m.translation_set = pc.translation_set
        AND m.program_id = m.translation_set),
    (SELECT min(m.program_id) FROM program_category m
      WHERE m.category_id = pc.category_id AND m.translation_set = pc.translation_set));

CREATE VIEW phone_translation AS
SELECT
  p.id AS program_id, l.code AS language,
  CASE WHEN p.translation_set IS NULL THEN p.id ELSE coalesce(
    (SELECT min(m.id) FROM program m WHERE m.translation_set = p.translation_set AND m.language = l.code),
    (SELECT m.id FROM program m WHERE m.id = p.translation_set AND m.translation_set = p.translation_set),
    (SELECT min(m.id) FROM program m WHERE m.translation_set = p.translation_set)) END AS member_id
FROM language l CROSS JOIN program p;

-- In the language, else in the default language.
CREATE VIEW phone_prompt AS
SELECT p.context AS context, p.key AS key, l.code AS language, p.language AS prompt_language,
  p.source AS source, p.sound AS sound, p.duration_ms AS duration_ms
FROM language l CROSS JOIN prompt p
WHERE p.language = l.code
  OR (p.language = (SELECT value FROM setting WHERE name = 'default_language')
    AND NOT EXISTS (SELECT 1 FROM prompt o WHERE o.context = p.context AND o.key = p.key AND o.language = l.code));

CREATE VIEW phone_caller AS
SELECT n.number AS number, s.id AS subscriber_id, s.plan AS plan, s.language AS language,
  s.balance_seconds AS balance_seconds
FROM subscriber_number n JOIN subscriber s ON s.id = n.subscriber_id
WHERE s.id = (SELECT min(o.subscriber_id) FROM subscriber_number o WHERE o.number = n.number);

-- Programs that were on the phone, or will be: what a bookmark or a code that leads nowhere may mean.
CREATE VIEW phone_gone AS
SELECT CAST(t.id AS INTEGER) AS program_id, t.reason AS reason FROM tombstone t WHERE t.kind = 'program'
UNION ALL
SELECT CAST(e.id AS INTEGER), 'audio_pending' FROM entity e
WHERE e.kind = 'program' AND e.is_shown = 0
  AND NOT EXISTS (SELECT 1 FROM shown s WHERE s.kind = 'program' AND s.id = e.id);
