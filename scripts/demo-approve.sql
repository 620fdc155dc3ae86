-- What Drupal writes when an editor approves a phone message, in Drupal's order: the two sounds as file nodes, the message as an unpublished node,
-- the module's row, and then the editor's publication. scripts/demo, where no Drupal runs, sets before:
-- @uuid of the recording, @sha1_title, @size_title, @sha1_body, @size_body of its sounds, @title, @language, @category, @now.

CREATE TABLE IF NOT EXISTS audiospread_recording (
  uuid VARCHAR(36) NOT NULL PRIMARY KEY, nid INT UNSIGNED NOT NULL DEFAULT 0, state VARCHAR(16) NOT NULL,
  reason VARCHAR(255) NOT NULL DEFAULT '', decided_at INT UNSIGNED NOT NULL DEFAULT 0, caller VARCHAR(32) NOT NULL DEFAULT '');
INSERT INTO audiospread_recording (uuid, state) VALUES (@uuid, 'claimed');

-- The files of fileframework.
INSERT INTO node (vid, type, title, uid, status, created, changed) VALUES (0, 'file', 'title.mp3', 1, 0, @now, @now);
SET @title_nid = LAST_INSERT_ID();
INSERT INTO node_revisions (nid, uid, title, body, teaser, log, timestamp) VALUES (@title_nid, 1, 'title.mp3', '', '', '', @now);
SET @title_vid = LAST_INSERT_ID();
UPDATE node SET vid = @title_vid WHERE nid = @title_nid;
INSERT INTO file_nodes (nid, vid, uri, size, type)
  VALUES (@title_nid, @title_vid, CONCAT('bitcache://', @sha1_title), @size_title, 'audio/mpeg');
INSERT INTO node (vid, type, title, uid, status, created, changed) VALUES (0, 'file', 'body.mp3', 1, 0, @now, @now);
SET @body_nid = LAST_INSERT_ID();
INSERT INTO node_revisions (nid, uid, title, body, teaser, log, timestamp) VALUES (@body_nid, 1, 'body.mp3', '', '', '', @now);
SET @body_vid = LAST_INSERT_ID();
UPDATE node SET vid = @body_vid WHERE nid = @body_nid;
INSERT INTO file_nodes (nid, vid, uri, size, type)
  VALUES (@body_nid, @body_vid, CONCAT('bitcache://', @sha1_body), @size_body, 'audio/mpeg');

-- The message, as node_save() and CCK write it.
INSERT INTO node_revisions (nid, uid, title, body, teaser, log, timestamp)
  VALUES (0, 1, @title, '', '', CONCAT('AudioSpread recording ', @uuid), @now);
SET @vid = LAST_INSERT_ID();
INSERT INTO node (vid, type, language, title, uid, status, created, changed)
  VALUES (@vid, 'phone_message', @language, @title, 1, 0, @now, @now);
SET @nid = LAST_INSERT_ID();
UPDATE node_revisions SET nid = @nid WHERE vid = @vid;
INSERT INTO content_type_phone_message (vid, nid, field_recorded_at_value) VALUES (@vid, @nid, @now);
INSERT INTO content_field_audio_title (vid, nid, field_audio_title_value) VALUES (@vid, @nid, @title_nid);
INSERT INTO content_field_audio_body (vid, nid, field_audio_body_value) VALUES (@vid, @nid, @body_nid);
INSERT INTO term_node (nid, vid, tid) VALUES (@nid, @vid, @category);
UPDATE audiospread_recording SET nid = @nid, state = 'made' WHERE uuid = @uuid;

-- Approve: the files and the message are published.
UPDATE node SET status = 1 WHERE nid IN (@title_nid, @body_nid);
UPDATE node SET status = 1, changed = @now WHERE nid = @nid;
UPDATE audiospread_recording SET decided_at = @now WHERE uuid = @uuid;
SELECT @nid;
