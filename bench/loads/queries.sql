-- SPDX-License-Identifier: MIT
-- for pgbench: sorting, hashing, text, JSON; read-only, so that every run finds the same
SELECT i % 10, count(*), sum(length(r)), min(m) FROM load_text GROUP BY 1 ORDER BY 1;
SELECT length(string_agg(m, ',' ORDER BY r, m)) FROM load_text WHERE i < 6000;
SELECT count(*) FROM load_text a JOIN load_text b ON b.i = a.i + 1 AND a.m > b.m WHERE a.r ~ '^[A-F]+$';
SELECT length(jsonb_agg(to_jsonb(t) ORDER BY i)::text) FROM load_text t WHERE i < 1500;
SELECT count(DISTINCT substr(m, 1, 3)), max(upper(m) || lower(r)) FROM load_text WHERE i % 3 = 0;
