package catalog

// relationSQL selects, for each row of asked, what Relation holds, as JSON. Columns
// that not all versions of PostgreSQL have are read from the row as JSON.
const relationSQL = `SELECT CASE WHEN c.oid IS NOT NULL THEN pg_catalog.json_build_object(
	'asked', asked.name, 'oid', c.oid::int8, 'schema', s.nspname, 'name', c.relname, 'kind', c.relkind,
	'quoted', pg_catalog.quote_ident(s.nspname) || '.' || pg_catalog.quote_ident(c.relname),
	'partition', c.relispartition, 'role', pg_catalog.quote_ident(current_user), 'usable', pg_catalog.has_schema_privilege(s.oid, 'USAGE'),
	'inherited', c.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid),
	'schema_quoted', pg_catalog.quote_ident(s.nspname),
	'forceable', pg_catalog.pg_has_role(c.relowner, 'USAGE') AND NOT (SELECT o.rolsuper OR o.rolbypassrls FROM pg_catalog.pg_roles o WHERE o.rolname = current_user),
	'columns', ` + columnsSQL + `,
	'indexes', ` + indexesSQL + `,
	'foreign', ` + foreignSQL + `,
	'checks', ` + checksSQL + `,
	'triggers', ` + triggersSQL + `,
	'rules', (SELECT pg_catalog.json_agg(r.rulename ORDER BY r.rulename) FROM pg_catalog.pg_rewrite r
		WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN' AND r.ev_enabled <> 'D'),
	'privileges', (SELECT pg_catalog.json_agg(p.name) FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p(name)
		WHERE pg_catalog.has_table_privilege(c.oid, p.name)),
	'writable', (SELECT pg_catalog.json_agg(w.name) FROM (VALUES ('INSERT', 8), ('UPDATE', 4), ('DELETE', 16)) AS w(name, bit)
		WHERE pg_catalog.pg_relation_is_updatable(c.oid::regclass, true) & w.bit > 0),
	'policed', (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attname) FROM pg_catalog.pg_attribute a
		WHERE a.attrelid = c.oid AND a.attnum > 0 AND EXISTS (SELECT 1 FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive)
		AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND NOT EXISTS (
			SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
			AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum))),
	'secured', pg_catalog.row_security_active(c.oid),
	'exempt', c.relrowsecurity AND NOT pg_catalog.row_security_active(c.oid)
)::text END
FROM asked LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace) ON c.oid = asked.oid
ORDER BY asked.at`

const columnsSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'type_name', pg_catalog.format_type(a.atttypid, NULL),
		'declared', y.oid::int8, 'base', b.oid::int8,
		'element', CASE WHEN b.typcategory = 'A' THEN b.typelem::int8 ELSE 0 END,
		'modifier', CASE WHEN b.typmod >= 0 THEN b.typmod ELSE a.atttypmod END,
		'not_null', a.attnotnull OR b.not_null,
		'default', coalesce(pg_catalog.pg_get_expr(f.adbin, f.adrelid), b.domain_default, ''),
		'privileges', (SELECT pg_catalog.json_agg(p.name) FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p(name)
			WHERE pg_catalog.has_column_privilege(c.oid, a.attnum, p.name)),
		'identity', a.attidentity, 'generated', a.attgenerated,
		'labels', (SELECT pg_catalog.json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid IN (b.oid, b.typelem)),
		'enum', CASE WHEN b.typtype = 'e' THEN pg_catalog.format_type(b.oid, NULL)
			ELSE coalesce((SELECT pg_catalog.format_type(l.oid, NULL) FROM pg_catalog.pg_type l WHERE l.oid = b.typelem AND l.typtype = 'e'), '') END,
		'exact', coalesce((SELECT o.collisdeterministic FROM pg_catalog.pg_collation o WHERE o.oid = a.attcollation), true),
		'sequence', coalesce(q.name, ''), 'may_ask', coalesce(q.usable, false),
		'comment', coalesce(pg_catalog.col_description(c.oid, a.attnum), '')
	) ORDER BY a.attnum)
	FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
	CROSS JOIN LATERAL (
		WITH RECURSIVE d AS (
			SELECT y.oid, y.typtype, y.typbasetype, y.typelem, y.typcategory, y.typnotnull AS not_null, -1 AS typmod, y.typdefault AS domain_default
			UNION ALL
			SELECT t.oid, t.typtype, t.typbasetype, t.typelem, t.typcategory, d.not_null OR t.typnotnull,
				CASE WHEN d.typmod >= 0 THEN d.typmod ELSE (SELECT u.typtypmod FROM pg_catalog.pg_type u WHERE u.oid = d.oid) END,
				coalesce(d.domain_default, t.typdefault)
			FROM d JOIN pg_catalog.pg_type t ON t.oid = d.typbasetype WHERE d.typtype = 'd')
		SELECT * FROM d WHERE d.typtype <> 'd') b
	LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
	LEFT JOIN LATERAL (
		SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(k.relname) AS name, pg_catalog.has_sequence_privilege(k.oid, 'USAGE, UPDATE') AS usable
		FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class k ON k.oid = d.refobjid AND k.relkind = 'S'
		JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
		WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
		LIMIT 1) q ON true
	WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`

const indexesSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'name', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(x.relname), 'method', m.amname,
		'keys', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
				'column', coalesce(a.attname, ''), 'desc', k.option & 1 > 0, 'nulls_first', k.option & 2 > 0,
				'plain', o.opcdefault AND k.sorting = coalesce(a.attcollation, k.sorting)
			) ORDER BY k.n)
			FROM ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indoption::int2[]),
				pg_catalog.unnest(i.indclass::oid[]), pg_catalog.unnest(i.indcollation::oid[])) WITH ORDINALITY AS k(att, option, class, sorting, n)
			JOIN pg_catalog.pg_opclass o ON o.oid = k.class
			LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.att AND k.att <> 0
			WHERE k.n <= i.indnkeyatts),
		'constraint', coalesce((SELECT k.conname FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = c.oid AND k.contype IN ('u', 'p', 'x')), ''),
		'referenced', EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype = 'f'),
		'excludes', coalesce((SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype = 'x'), ''),
		'includes', i.indnatts > i.indnkeyatts,
		'unique', i.indisunique, 'primary', i.indisprimary, 'valid', i.indisvalid AND i.indisready AND i.indislive,
		'immediate', i.indimmediate,
		'nulls_equal', coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
		'predicate', coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), ''),
		'depends', (SELECT pg_catalog.json_agg(DISTINCT a.attname) FROM pg_catalog.pg_depend d
			JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
			WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
			AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid > 0)
	) ORDER BY x.relname)
	FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam
	JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace WHERE i.indrelid = c.oid)`

// foreignSQL leaves out the copies that a foreign key to a partitioned table has
// for each of the partitions.
const foreignSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'name', k.conname, 'target', k.confrelid::int8,
		'target_name', (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname)
			FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace WHERE t.oid = k.confrelid),
		'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY u.n) FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u(att, n)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.att),
		'references', (SELECT pg_catalog.json_agg(a.attname ORDER BY u.n) FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u(att, n)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.att),
		'validated', k.convalidated, 'enforced', coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true),
		'deferrable', k.condeferrable, 'on_delete', k.confdeltype
	) ORDER BY k.conname)
	FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'
	AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint o WHERE o.oid = k.conparentid AND o.conrelid = c.oid))`

const checksSQL = `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
		'name', k.conname, 'sql', pg_catalog.pg_get_constraintdef(k.oid),
		'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY u.n) FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u(att, n)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.att)
	) ORDER BY k.conname)
	FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')`

const triggersSQL = `(SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_object(
		'name', g.tgname, 'function', g.tgfoid::regproc::text, 'before', g.tgtype & 2 > 0, 'row', g.tgtype & 1 > 0,
		'insert', g.tgtype & 4 > 0, 'delete', g.tgtype & 8 > 0, 'update', g.tgtype & 16 > 0
	))
	FROM pg_catalog.pg_trigger g WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'
	AND (g.tgrelid = c.oid OR c.relkind = 'p' AND g.tgparentid = 0 AND g.tgrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) p)))`
