-- Makes a site of @programs programs out of the fixture's: revisions, CCK rows, terms and two file nodes each, as Drupal 6 leaves them.
-- Needs bench.blob (k from 0, sha1, size), and @programs, @blobs, @terms; run by scripts/bench. The fixture's own nodes stay.

SET SESSION sql_mode = '', autocommit = 1, unique_checks = 0, foreign_key_checks = 0;

-- Program i has nid 1000 + 3i, and its files the two after it. Its first revision is vid 1000 + 4i, its files' the two after that; every
-- fifth program was revised once and has vid 1000 + 4i + 3 now.
CREATE TEMPORARY TABLE bench.program (
  i INT UNSIGNED PRIMARY KEY, nid INT UNSIGNED, first_vid INT UNSIGNED, vid INT UNSIGNED, tid INT UNSIGNED, created INT
) ENGINE = MyISAM;
INSERT INTO bench.program
SELECT seq, 1000 + 3 * seq, 1000 + 4 * seq, 1000 + 4 * seq + IF(seq % 5 = 0, 3, 0), 1000 + seq % @terms, 1230000000 + 30 * seq
FROM seq_1_to_10000000 WHERE seq <= @programs;

INSERT INTO term_data (tid, vid, name, description, weight)
SELECT 1000 + seq, (SELECT v.vid FROM vocabulary v WHERE v.name = 'Categories'), CONCAT('Subject ', 1 + seq), '', 20 + seq
FROM seq_0_to_9999 WHERE seq < @terms;
INSERT INTO term_hierarchy (tid, parent) SELECT 1000 + seq, 0 FROM seq_0_to_9999 WHERE seq < @terms;

INSERT INTO node (nid, vid, type, language, title, uid, status, created, changed, comment, promote)
SELECT nid, vid, 'program', '', CONCAT('Program ', i, ', what the people of the river say'), 3 + i % 8, 1, created, created + IF(i % 5, 0, 900), 0, 0
FROM bench.program;
INSERT INTO node (nid, vid, type, language, title, uid, status, created, changed, comment, promote)
SELECT nid + part.k, first_vid + part.k, 'file', '', CONCAT('program_', i, IF(part.k = 1, '_title', '_body'), '.mp3'), 3 + i % 8, 1, created, created, 0, 0
FROM bench.program JOIN (SELECT 1 AS k UNION ALL SELECT 2) part;

INSERT INTO node_revisions (nid, vid, uid, title, body, teaser, log, timestamp, format)
SELECT nid, first_vid, 3, CONCAT('Program ', i), REPEAT('What was said by the river, and what was answered. ', 1 + i % 12), '', '', created, 1
FROM bench.program;
INSERT INTO node_revisions (nid, vid, uid, title, body, teaser, log, timestamp, format)
SELECT nid, vid, 3, CONCAT('Program ', i), REPEAT('What was said by the river, and what was answered. ', 1 + i % 12), '', 'corrected', created + 900, 1
FROM bench.program WHERE vid <> first_vid;
INSERT INTO node_revisions (nid, vid, uid, title, body, teaser, log, timestamp, format)
SELECT nid + part.k, first_vid + part.k, 3, CONCAT('program_', i, '.mp3'), '', '', '', created, 0
FROM bench.program JOIN (SELECT 1 AS k UNION ALL SELECT 2) part;

-- CCK keeps a row for each revision.
CREATE TEMPORARY TABLE bench.revision (vid INT UNSIGNED PRIMARY KEY, nid INT UNSIGNED, i INT UNSIGNED, tid INT UNSIGNED) ENGINE = MyISAM;
INSERT INTO bench.revision SELECT first_vid, nid, i, tid FROM bench.program;
INSERT INTO bench.revision SELECT vid, nid, i, tid FROM bench.program WHERE vid <> first_vid;
INSERT INTO content_type_program (vid, nid, field_weight_value) SELECT vid, nid, i % 7 FROM bench.revision;
INSERT INTO content_field_audio_title (vid, nid, field_audio_title_value) SELECT vid, nid, nid + 1 FROM bench.revision;
INSERT INTO content_field_audio_body (vid, nid, field_audio_body_value) SELECT vid, nid, nid + 2 FROM bench.revision;
INSERT INTO content_field_language (vid, nid, field_language_value) SELECT vid, nid, IF(i % 3, 'en', 'fr') FROM bench.revision;
INSERT INTO content_field_related (vid, nid, delta, field_related_nid) SELECT vid, nid, 0, NULL FROM bench.revision;
INSERT INTO term_node (nid, vid, tid) SELECT nid, vid, tid FROM bench.revision;
INSERT INTO term_node (nid, vid, tid) SELECT nid, vid, 1000 + (i + 1) % @terms FROM bench.revision WHERE i % 10 = 0 AND @terms > 1;

INSERT INTO file_nodes (nid, vid, uri, size, type)
SELECT p.nid + part.k, p.first_vid + part.k, CONCAT('bitcache://', b.sha1), b.size, 'audio/mpeg'
FROM bench.program p JOIN (SELECT 1 AS k UNION ALL SELECT 2) part JOIN bench.blob b ON b.k = (2 * p.i + part.k) % @blobs;
