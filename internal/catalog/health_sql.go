package catalog

// healthSQL selects what Health holds, as JSON. It asks no more than any role may: what
// one may not see is NULL or left out. Columns that not all versions of PostgreSQL have
// are read from the row as JSON.
const healthSQL = `WITH stores AS MATERIALIZED (
	SELECT c.*, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
	AND c.relname NOT IN ('goose_db_version', 'goose_lock', 'smrt_backfill') -- of migrations, and not the program's
	AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
building AS MATERIALIZED (
	SELECT p.index_relid FROM pg_catalog.pg_stat_progress_create_index p
	WHERE p.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
SELECT pg_catalog.json_build_object(
	'database', current_database(), 'major', current_setting('server_version_num')::int / 10000,
	'age', ` + ageSQL + `,
	'standby', pg_catalog.pg_is_in_recovery(),
	'standbys', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication),
	'sees_all', pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
	'hypothetical', coalesce((SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
		WHERE x.extname = 'hypopg' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')), ''),
	'identities', EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a JOIN stores c ON c.oid = a.attrelid WHERE a.attidentity <> '' AND NOT a.attisdropped),
	'tables', ` + storesSQL + `,
	'indexes', ` + searchesSQL + `,
	'foreign', ` + referencesSQL + `,
	'unchecked', ` + uncheckedSQL + `,
	'counters', ` + countersSQL + `,
	'dated', ` + datedSQL + `,
	'holders', ` + holdersSQL + `)::text`

// ageSQL is for how many seconds uses have been counted: since they were reset, or for as
// long as the server has surely kept them. Of a database where they were never reset it is
// not recorded since when.
const ageSQL = `coalesce((SELECT extract(epoch FROM clock_timestamp() - coalesce(s.stats_reset, pg_catalog.pg_postmaster_start_time()))
		FROM pg_catalog.pg_stat_database s WHERE s.datname = current_database()), 0)::float8`

const storesSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'oid', c.oid::int8, 'name', c.name, 'kind', c.relkind,
		'parent', coalesce((SELECT i.inhparent::int8 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition), 0),
		'rows', c.reltuples, 'pages', CASE WHEN c.relkind = 'p' THEN 0 ELSE coalesce(pg_catalog.pg_relation_size(c.oid), 0) / current_setting('block_size')::int8 END,
		'live', coalesce(s.n_live_tup, 0), 'dead', coalesce(s.n_dead_tup, 0), 'modified', coalesce(s.n_mod_since_analyze, 0),
		'written', coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0), 'read', coalesce(s.seq_tup_read + coalesce(s.idx_tup_fetch, 0), 0),
		'texts', (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.atttypid IN (19, 25, 1042, 1043)),
		'partition', (SELECT pg_catalog.json_agg(a.attname ORDER BY u.n) FROM pg_catalog.pg_partitioned_table p
			CROSS JOIN LATERAL pg_catalog.unnest(p.partattrs::int2[]) WITH ORDINALITY AS u(att, n)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.att WHERE p.partrelid = c.oid)
	) ORDER BY c.name)
	FROM stores c LEFT JOIN pg_catalog.pg_stat_user_tables s ON s.relid = c.oid)`

// searchesSQL tells keys apart by their text, operator class, collation and order.
const searchesSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'oid', x.oid::int8, 'table', c.oid::int8, 'name', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(x.relname), 'method', m.amname,
		'keys', k.keys, 'columns', k.columns, 'collations', k.collations,
		'included', (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS u(att, n)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.att WHERE u.n > i.indnkeyatts),
		'predicate', coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), ''),
		'unique', i.indisunique,
		'needed', i.indisprimary OR i.indisreplident OR i.indisexclusion OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint o WHERE o.conindid = x.oid),
		'valid', i.indisvalid AND i.indisready AND i.indislive,
		'building', EXISTS (SELECT 1 FROM building b WHERE coalesce(b.index_relid IN (x.oid, 0), true)),
		'partition', x.relispartition,
		'scans', coalesce((SELECT pg_catalog.sum(s.idx_scan) FROM pg_catalog.pg_stat_user_indexes s
			WHERE s.indexrelid = x.oid OR x.relkind = 'I' AND s.indexrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(x.oid) p)), 0),
		'bytes', CASE WHEN x.relkind = 'I' THEN coalesce((SELECT pg_catalog.sum(pg_catalog.pg_relation_size(p.relid)) FROM pg_catalog.pg_partition_tree(x.oid) p WHERE p.isleaf), 0)
			ELSE coalesce(pg_catalog.pg_relation_size(x.oid), 0) END
	) ORDER BY n.nspname, x.relname)
	FROM stores c JOIN pg_catalog.pg_index i ON i.indrelid = c.oid JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
	JOIN pg_catalog.pg_am m ON m.oid = x.relam JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
	CROSS JOIN LATERAL (
		SELECT pg_catalog.json_agg(pg_catalog.concat_ws(' ', pg_catalog.pg_get_indexdef(x.oid, u.n::int, false), u.class, u.sorting, u.option) ORDER BY u.n) AS keys,
			pg_catalog.json_agg(coalesce(a.attname, '') ORDER BY u.n) AS columns,
			pg_catalog.json_agg(u.sorting <> 0 AND (pg_catalog.to_jsonb(l) ->> 'collcollate') IS DISTINCT FROM 'C' AND o.opcdefault
				AND NOT (l.collprovider = 'd' AND w.datcollate IN ('C', 'POSIX')) ORDER BY u.n) AS collations
		FROM ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indoption::int2[]),
			pg_catalog.unnest(i.indclass::oid[]), pg_catalog.unnest(i.indcollation::oid[])) WITH ORDINALITY AS u(att, option, class, sorting, n)
		JOIN pg_catalog.pg_opclass o ON o.oid = u.class
		LEFT JOIN pg_catalog.pg_collation l ON l.oid = u.sorting
		LEFT JOIN pg_catalog.pg_database w ON w.datname = current_database()
		LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.att AND u.att <> 0
		WHERE u.n <= i.indnkeyatts) k)`

// IndexedSQL is whether an index finds the rows that refer by the foreign key k of
// pg_constraint: its first keys are the columns, in whatever order, and it has all rows but
// those in which one of the columns is NULL, which refer to none.
const IndexedSQL = `EXISTS (
		SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam
		WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indisready AND i.indislive AND i.indnkeyatts >= pg_catalog.cardinality(k.conkey)
			AND (m.amname = 'btree' OR m.amname = 'hash' AND i.indnkeyatts = 1)
			AND (SELECT pg_catalog.array_agg(n ORDER BY n) FROM pg_catalog.unnest((i.indkey::pg_catalog.int2[])[0:pg_catalog.cardinality(k.conkey) - 1]) n)
				= (SELECT pg_catalog.array_agg(n ORDER BY n) FROM pg_catalog.unnest(k.conkey) n)
			AND (i.indpred IS NULL OR pg_catalog.pg_get_expr(i.indpred, i.indrelid) IN (
				SELECT '(' || pg_catalog.quote_ident(a.attname) || ' IS NOT NULL)' FROM pg_catalog.pg_attribute a
				WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))))`

const referencesSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'table', c.oid::int8, 'name', pg_catalog.quote_ident(k.conname), 'target', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname),
		'columns', u.columns, 'quoted', u.quoted, 'indexed', ` + IndexedSQL + `, 'follows', k.confdeltype IN ('c', 'n', 'd')
	) ORDER BY c.name, k.conname)
	FROM stores c JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0
	JOIN pg_catalog.pg_class t ON t.oid = k.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
	CROSS JOIN LATERAL (SELECT pg_catalog.json_agg(a.attname ORDER BY u.n) AS columns, pg_catalog.json_agg(pg_catalog.quote_ident(a.attname) ORDER BY u.n) AS quoted
		FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u(att, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.att) u)`

const uncheckedSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'table', c.oid::int8, 'name', pg_catalog.quote_ident(k.conname), 'sql', pg_catalog.pg_get_constraintdef(k.oid),
		'enforced', coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true)
	) ORDER BY c.name, k.conname)
	FROM stores c JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND NOT k.convalidated AND k.conparentid = 0)`

// countersSQL finds a column's sequence as its own, or as what its default asks. One that
// goes round, or down, is left out. pg_sequences has no last value for who may not see it.
const countersSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'table', e.relid::int8, 'column', pg_catalog.quote_ident(a.attname), 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
		'sequence', q.name, 'last', q.last, 'hidden', NOT pg_catalog.has_sequence_privilege(q.oid, 'SELECT, USAGE'), 'serial', e.relid = q.relid AND a.attidentity = '', 'refers', e.relid <> q.relid OR e.att <> q.att,
		'most', least(q.most, CASE coalesce(nullif(y.typbasetype, 0), y.oid) WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 ELSE 9223372036854775807 END)
	) ORDER BY c.name, a.attname, q.name)
	FROM (SELECT DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(x.relname) AS name, x.oid, o.relid, o.att, s.seqmax AS most,
			(SELECT v.last_value FROM pg_catalog.pg_sequences v WHERE v.schemaname = n.nspname AND v.sequencename = x.relname) AS last
		FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class x ON x.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
		CROSS JOIN LATERAL (
			SELECT d.refobjid AS relid, d.refobjsubid AS att FROM pg_catalog.pg_depend d
			WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = x.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
			UNION
			SELECT f.adrelid, f.adnum FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
			WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = x.oid) o
		WHERE NOT s.seqcycle AND s.seqincrement > 0) q
	CROSS JOIN LATERAL (
		SELECT q.relid, q.att::int AS att
		UNION
		SELECT k.conrelid, k.conkey[u.n::int]::int FROM pg_catalog.pg_constraint k CROSS JOIN LATERAL pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u(att, n)
		WHERE k.contype = 'f' AND k.confrelid = q.relid AND u.att = q.att) e
	JOIN stores c ON c.oid = e.relid
	JOIN pg_catalog.pg_attribute a ON a.attrelid = e.relid AND a.attnum = e.att
	JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
	WHERE NOT c.relispartition AND coalesce(nullif(y.typbasetype, 0), y.oid) IN (20, 21, 23))`

// datedSQL looks below domains that are made of such a type.
const datedSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'table', c.oid::int8, 'column', pg_catalog.quote_ident(a.attname), 'type', pg_catalog.format_type(coalesce(nullif(y.typbasetype, 0), y.oid), NULL)
	) ORDER BY c.name, a.attname)
	FROM stores c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
	WHERE NOT c.relispartition AND coalesce(nullif(y.typbasetype, 0), y.oid) IN (114, 790, 1042, 1114, 1266))`

// holdersSQL has what holds back the oldest transaction that VACUUM must keep rows for.
const holdersSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object('kind', h.kind, 'name', h.name, 'state', h.state,
		'program', h.program, 'seconds', h.seconds, 'age', h.age) ORDER BY h.age DESC, h.kind, h.name)
	FROM (
		SELECT 'transaction' AS kind, a.pid::text AS name, coalesce(a.state, '') AS state, coalesce(a.application_name, '') AS program,
			coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0) AS seconds,
			greatest(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)) AS age
		FROM pg_catalog.pg_stat_activity a
		WHERE a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type IN ('client backend', 'background worker') AND a.datname = current_database()
		AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
		UNION ALL
		SELECT 'prepared transaction', p.gid, '', p.owner::text, extract(epoch FROM clock_timestamp() - p.prepared), pg_catalog.age(p.transaction)
		FROM pg_catalog.pg_prepared_xacts p WHERE p.database = current_database()
		UNION ALL
		SELECT 'slot', s.slot_name, CASE WHEN s.active THEN 'active' ELSE 'inactive' END, coalesce(s.plugin, ''), 0, coalesce(greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)), 0)
		FROM pg_catalog.pg_replication_slots s WHERE NOT s.active AND (s.database IS NULL OR s.database = current_database())) h)`
