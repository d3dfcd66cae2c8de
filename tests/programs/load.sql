-- SPDX-License-Identifier: MIT
PRAGMA journal_mode = memory;
PRAGMA cache_size = -20000;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, size INTEGER, body BLOB);
CREATE TABLE link (a INTEGER, b INTEGER, weight REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)
INSERT INTO item SELECT i, 'item ' || (i * 7919 % 100003), i * 31 % 997, zeroblob(i * 13 % 700) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO link SELECT i * 17 % 120000, i * 29 % 120000, (i % 1000) / 7.0 FROM n;
COMMIT;
CREATE INDEX item_name ON item (name);
CREATE INDEX link_a ON link (a);
SELECT count(*), sum(size), sum(length(body)) FROM item;
SELECT size, count(*), min(name), max(name) FROM item GROUP BY size HAVING size % 100 = 3 ORDER BY size;
SELECT i.size % 10, count(*), round(sum(l.weight), 3) FROM item i JOIN link l ON l.a = i.id GROUP BY 1 ORDER BY 1;
UPDATE item SET name = name || ' changed', body = zeroblob(size) WHERE id % 3 = 0;
DELETE FROM item WHERE id % 7 = 0;
SELECT count(*), sum(length(name)), sum(length(body)) FROM item;
SELECT group_concat(name, ';') FROM (SELECT name FROM item WHERE name LIKE '%99%' ORDER BY name LIMIT 200);
WITH RECURSIVE path(id, depth) AS (
  SELECT 17, 0 UNION SELECT l.b, depth + 1 FROM path p JOIN link l ON l.a = p.id WHERE depth < 12)
SELECT depth, count(*) FROM path GROUP BY depth;
SELECT json_group_array(json_object('id', id, 'name', name)) FROM (SELECT * FROM item ORDER BY size, id LIMIT 500);
VACUUM;
PRAGMA integrity_check;
