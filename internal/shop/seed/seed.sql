-- The statements that fill the shop, one a table. A line "-- fill: NAME" begins a
-- statement; "after" names those that must have ended before it.
--
-- Each choice is a hash of what it is made for, so that it depends on no order:
-- seed.dice takes a topic, the number of the thing, and the number of the choice.
-- Numbers of parts come from arrays of ten, in which ten neighbours always have
-- the same sum.

-- fill: seed
CREATE SCHEMA seed;

-- dice returns a number from 0 to sides-1.
CREATE FUNCTION seed.dice(topic int, id bigint, choice int, sides bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT abs(hashint8extended(id, topic * 1000 + choice) % sides)';

-- skewed returns a number from 0 to sides-1, the lower ones far more often: half
-- of the throws fall on the first eighth.
CREATE FUNCTION seed.skewed(topic int, id bigint, choice int, sides bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	'SELECT floor(power(seed.dice(topic, id, choice, 1000000) / 1e6::float8, 3) * sides)::bigint';

CREATE FUNCTION seed.pick(words text[], topic int, id bigint, choice int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT words[1 + seed.dice(topic, id, choice, cardinality(words))]';

-- parts returns how many parts thing number id has.
CREATE FUNCTION seed.parts(cycle int[], id bigint) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT cycle[1 + id * 7 % 10]';

CREATE FUNCTION seed.epoch() RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT timestamptz ''2026-01-01 00:00:00+00''';

-- later returns an instant from a given one to the epoch.
CREATE FUNCTION seed.later(since timestamptz, topic int, id bigint, choice int) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	'SELECT since + interval ''1 s'' * seed.dice(topic, id, choice, greatest(1, date_part(''epoch'', seed.epoch() - since)::bigint))';

-- Catalog and customers grew evenly over three years: added returns when thing
-- number id of total was added, added_by how many of them were there.
CREATE FUNCTION seed.added(id bigint, total bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	'SELECT seed.epoch() - interval ''1 s'' * (94608000 - 94608000 * (id - 1) / total)';
CREATE FUNCTION seed.added_by(instant timestamptz, total bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	'SELECT greatest(1, least(total, (94608000 - date_part(''epoch'', seed.epoch() - instant)::bigint) * total / 94608000))';

CREATE UNLOGGED TABLE seed.size AS SELECT $products::bigint AS products, $customers::bigint AS customers,
	$orders::bigint AS orders, $carts::bigint AS carts;

CREATE UNLOGGED TABLE seed.words AS SELECT
	string_to_array('bestseller new sale refurbished handmade organic recycled vegan waterproof wireless rechargeable foldable '
		'lightweight heavy-duty gift limited premium budget kids professional travel indoor outdoor local', ' ') AS tags,
	string_to_array('everyday compact durable elegant classic modern quiet fast portable ergonomic washable stackable '
		'adjustable dishwasher-safe fair-trade made-to-last vintage minimal colourful weekend', ' ') AS keywords,
	string_to_array('Alder Birkholm Corvane Dunmere Eastley Fennick Galloway Hartwell Ivorsen Juniper Kestrel Lindqvist '
		'Marlowe Norrland Oakhurst Pemberton Quillon Ravensby Sorrel Thornbury Umbra Vesterby Wexcombe Yarrow', ' ') AS brands,
	string_to_array('compact sturdy quiet slim folding classic lightweight insulated adjustable wireless reinforced '
		'foldable minimalist polished handmade travel', ' ') AS adjectives,
	string_to_array('steel aluminium oak bamboo walnut ceramic cotton linen wool leather glass titanium cork copper', ' ') AS materials,
	string_to_array('black white graphite navy forest sand terracotta ochre plum ice', ' ') AS colours,
	string_to_array('small rooms|long journeys|every day|beginners|demanding hands|cold mornings|the office|weekends away|two|'
		'the whole family', '|') AS uses,
	string_to_array('Built to be repaired, not replaced.|Tested by people who use it daily.|Comes with a two-year guarantee.|'
		'Packed without plastic.|A quiet favourite of our staff.|Easy to clean and easy to store.|Made in small batches.|'
		'Spare parts are available for ten years.', '|') AS praises,
	string_to_array('Ada Anton Beatriz Bruno Clara Cyril Dagny David Elena Emil Freya Felix Greta Goran Hanna Hugo Ines '
		'Ivan Jana Jonas Karin Kamil Lena Lars Maja Marco Nadia Nils Olga Oscar Paula Pavel Renata Rafael Sofia Simon Tilda '
		'Tomas Vera Viktor', ' ') AS given,
	string_to_array('Albrecht Andersen Bakker Bianchi Costa Dubois Eriksson Fischer Garcia Hansen Horvath Ivanova Jansen '
		'Kaminski Keller Kowalska Lambert Larsen Lopez Moreau Moretti Nagy Nilsson Novak Olsen Pereira Petrov Ricci Rossi '
		'Santos Schmidt Silva Svoboda Torres Urban Vasquez Visser Weber Wagner Zielinski', ' ') AS family,
	string_to_array('DE DE DE DE FR FR FR NL NL IT IT ES ES PL PL SE AT BE DK CZ', ' ') AS countries,
	string_to_array('Hauptstrasse Lindenweg Kerkstraat Berggasse Storgatan Kirkevej Rynek Mlynska', ' ') AS streets,
	string_to_array('Berlin Hamburg Lyon Utrecht Torino Valencia Gdansk Uppsala Graz Gent Aarhus Brno', ' ') AS cities,
	string_to_array('Broke within a week|Not what was shown|Disappointing|Worse than the old one|It does the job|'
		'Neither good nor bad|Good value|Nearly perfect|Exactly right|Would buy again', '|') AS verdicts, -- two for each rating
	string_to_array('Arrived on time.|The colour is a little darker than in the picture.|I use it every day.|'
		'Bought it for a friend, who is happy with it.|The instructions could be clearer.|Feels solid.', '|') AS remarks,
	string_to_array('seasonal sale|supplier price|clearance|end of sale', '|') AS reasons,
	string_to_array('Please leave with the neighbours.|Gift, no invoice in the parcel.|Ring twice.|Deliver after six.', '|') AS notes;

-- What the shop sells: the beginning of SKUs, three levels of the catalog, what a
-- product is called, its usual price in cents and weight in grams, 0 for what is
-- not shipped.
CREATE UNLOGGED TABLE seed.kinds (
	n int GENERATED ALWAYS AS IDENTITY, code text, department text, section text, name text, noun text, cents int, grams int);
INSERT INTO seed.kinds (code, department, section, name, noun, cents, grams) VALUES
	('AUD', 'Audio', 'Headphones', 'In-Ear Headphones', 'earbuds', 7900, 60),
	('AUD', 'Audio', 'Headphones', 'Over-Ear Headphones', 'headphones', 14900, 280),
	('AUD', 'Audio', 'Speakers', 'Bookshelf Speakers', 'speaker', 22900, 5200),
	('AUD', 'Audio', 'Speakers', 'Portable Speakers', 'speaker', 8900, 640),
	('AUD', 'Audio', 'Recording', 'Microphones', 'microphone', 11900, 410),
	('AUD', 'Audio', 'Recording', 'Audio Software', 'mixing software', 9900, 0),
	('COM', 'Computers', 'Input Devices', 'Keyboards', 'keyboard', 8400, 900),
	('COM', 'Computers', 'Input Devices', 'Mice', 'mouse', 4500, 110),
	('COM', 'Computers', 'Input Devices', 'Trackballs', 'trackball', 5900, 190),
	('COM', 'Computers', 'Storage', 'Solid State Drives', 'drive', 9600, 70),
	('COM', 'Computers', 'Storage', 'Memory Cards', 'memory card', 2400, 5),
	('COM', 'Computers', 'Displays', 'Monitors', 'monitor', 27900, 5400),
	('COM', 'Computers', 'Displays', 'Monitor Arms', 'monitor arm', 9900, 3100),
	('KIT', 'Kitchen', 'Coffee', 'Coffee Grinders', 'grinder', 6900, 1300),
	('KIT', 'Kitchen', 'Coffee', 'Kettles', 'kettle', 5400, 1100),
	('KIT', 'Kitchen', 'Coffee', 'Coffee Cups', 'cup', 1200, 320),
	('KIT', 'Kitchen', 'Cookware', 'Frying Pans', 'pan', 4900, 1500),
	('KIT', 'Kitchen', 'Cookware', 'Saucepans', 'saucepan', 4400, 1400),
	('KIT', 'Kitchen', 'Cutlery', 'Kitchen Knives', 'knife', 6400, 210),
	('KIT', 'Kitchen', 'Cutlery', 'Cutting Boards', 'board', 2900, 1700),
	('OUT', 'Outdoor', 'Camping', 'Tents', 'tent', 25900, 2900),
	('OUT', 'Outdoor', 'Camping', 'Sleeping Bags', 'sleeping bag', 13900, 1200),
	('OUT', 'Outdoor', 'Camping', 'Camp Stoves', 'stove', 5900, 380),
	('OUT', 'Outdoor', 'Hiking', 'Backpacks', 'backpack', 11900, 1350),
	('OUT', 'Outdoor', 'Hiking', 'Trekking Poles', 'pole', 6900, 460),
	('OUT', 'Outdoor', 'Cycling', 'Bicycle Lights', 'light', 3900, 90),
	('OUT', 'Outdoor', 'Cycling', 'Panniers', 'pannier', 7900, 950),
	('HOM', 'Home', 'Lighting', 'Desk Lamps', 'lamp', 5900, 1600),
	('HOM', 'Home', 'Lighting', 'Floor Lamps', 'lamp', 12900, 6400),
	('HOM', 'Home', 'Textiles', 'Blankets', 'blanket', 4900, 1100),
	('HOM', 'Home', 'Textiles', 'Towels', 'towel', 1900, 520),
	('HOM', 'Home', 'Textiles', 'Cushions', 'cushion', 2400, 480),
	('HOM', 'Home', 'Furniture', 'Chairs', 'chair', 18900, 7800),
	('HOM', 'Home', 'Furniture', 'Shelves', 'shelf', 9900, 9600),
	('BOK', 'Books', 'Fiction', 'Novels', 'novel', 1600, 380),
	('BOK', 'Books', 'Fiction', 'Short Stories', 'collection', 1400, 300),
	('BOK', 'Books', 'Non-Fiction', 'Cookbooks', 'cookbook', 2800, 940),
	('BOK', 'Books', 'Non-Fiction', 'Travel Guides', 'travel guide', 1900, 420),
	('BOK', 'Books', 'Audiobooks', 'Audiobook Downloads', 'audiobook', 1700, 0),
	('GAR', 'Garden', 'Garden Tools', 'Pruning Shears', 'shears', 3400, 240),
	('GAR', 'Garden', 'Garden Tools', 'Spades', 'spade', 3900, 1900),
	('GAR', 'Garden', 'Plants', 'Seeds', 'seeds', 400, 15),
	('GAR', 'Garden', 'Plants', 'Bulbs', 'bulbs', 800, 180),
	('GAR', 'Garden', 'Plants', 'Plant Pots', 'pot', 1800, 1500),
	('GAR', 'Garden', 'Watering', 'Garden Hoses', 'hose', 4400, 2600),
	('GAR', 'Garden', 'Watering', 'Watering Cans', 'watering can', 2600, 800),
	('OFF', 'Office', 'Paper', 'Notebooks', 'notebook', 1100, 290),
	('OFF', 'Office', 'Paper', 'Calendars', 'calendar', 1500, 350),
	('OFF', 'Office', 'Writing', 'Fountain Pens', 'fountain pen', 4600, 25),
	('OFF', 'Office', 'Writing', 'Pencils', 'pencil', 300, 8),
	('OFF', 'Office', 'Writing', 'Ink', 'ink', 1300, 120),
	('OFF', 'Office', 'Bags', 'Briefcases', 'briefcase', 15900, 1400),
	('OFF', 'Office', 'Bags', 'Laptop Sleeves', 'sleeve', 3400, 260);

-- The nodes of the catalog, parents first.
CREATE UNLOGGED TABLE seed.nodes AS
WITH nodes AS (
	SELECT 1 AS level, department AS name, NULL AS parent, min(n) AS n FROM seed.kinds GROUP BY department
	UNION ALL SELECT 2, section, department, min(n) FROM seed.kinds GROUP BY section, department
	UNION ALL SELECT 3, name, section, n FROM seed.kinds
)
SELECT row_number() OVER (ORDER BY level, n) AS id, level, name, parent,
	row_number() OVER (PARTITION BY level, parent ORDER BY n) AS position FROM nodes;

-- What other tables have to know of products: most prices end in 99, as in shops.
CREATE UNLOGGED TABLE seed.goods AS
SELECT p.id, k.n AS kind, k.cents * (50 + seed.dice(1, p.id, 1, 151)) / 10000 * 100 + CASE WHEN seed.dice(1, p.id, 2, 100) < 20 THEN 50 ELSE 99 END AS cents,
	seed.added(p.id, products) AS added
FROM seed.size, generate_series(1, products) AS p(id)
JOIN seed.kinds AS k ON k.n = 1 + seed.dice(1, p.id, 0, 53);

-- Where products lie: the last warehouse is not open yet.
CREATE UNLOGGED TABLE seed.places AS
SELECT p.id AS product, 1 + (seed.dice(2, p.id, 0, 7) + i * (1 + seed.dice(2, p.id, 1, 2))) % 7 AS warehouse, quantity,
	seed.dice(2, p.id, 20 + i, quantity / 8 + 1) AS reserved, seed.dice(2, p.id, 30 + i, 4) AS reorder_at
FROM seed.size, generate_series(1, products) AS p(id), generate_series(1, seed.parts('{1,2,3,2,1,2,2,3,2,2}', p.id)) AS i,
	LATERAL (SELECT seed.skewed(2, p.id, 10 + i, 200) AS quantity) AS q;

ANALYZE seed.goods, seed.places;

-- fill: customers after: seed
INSERT INTO customers (id, email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at)
SELECT id, lower(format('%s.%s%s@example.com', given_name, family_name, id)), given_name || ' ' || family_name,
	CASE WHEN seed.dice(3, id, 2, 100) < 60 THEN '+49 555 ' || lpad(seed.dice(3, id, 3, 10000000)::text, 7, '0') END,
	seed.pick(countries, 3, id, 4),
	CASE WHEN tier < 5 THEN 'gold' WHEN tier < 20 THEN 'silver' ELSE 'standard' END::customer_tier,
	CASE WHEN seed.dice(3, id, 6, 100) < 50 THEN date '1940-01-01' + seed.dice(3, id, 7, 67 * 365)::int END,
	seed.dice(3, id, 8, 100) < 35, added, seed.later(added, 3, id, 9)
FROM seed.size, seed.words, generate_series(1, customers) AS c(id),
	LATERAL (SELECT seed.pick(given, 3, id, 0) AS given_name, seed.pick(family, 3, id, 1) AS family_name,
		seed.dice(3, id, 5, 100) AS tier, seed.added(id, customers) AS added) AS v;

-- fill: categories after: seed
INSERT INTO categories (id, parent_id, slug, name, position, created_at, updated_at)
SELECT c.id, p.id, replace(lower(c.name), ' ', '-'), c.name, c.position, seed.added(1, 1), seed.added(1, 1)
FROM seed.nodes AS c LEFT JOIN seed.nodes AS p ON p.name = c.parent AND p.level = c.level - 1;

-- fill: products after: categories
INSERT INTO products (id, category_id, sku, name, description, price_cents, stock, weight_grams, tags, attributes,
	created_at, updated_at, deleted_at)
SELECT g.id, n.id, k.code || '-' || lpad(g.id::text, greatest(6, length(g.id::text)), '0'),
	format('%s %s %s %s %s', brand, adjective, material, k.noun, 20 + 10 * seed.dice(4, g.id, 3, 98)),
	format('A %s %s made of %s, for %s. %s', adjective, k.noun, material, seed.pick(uses, 4, g.id, 4), seed.pick(praises, 4, g.id, 5)),
	g.cents, s.stock, CASE WHEN k.grams > 0 THEN greatest(1, k.grams * (70 + seed.dice(4, g.id, 6, 71)) / 100) END,
	ARRAY(SELECT keywords[1 + (seed.dice(4, g.id, 8, 20) + i * (1 + seed.dice(4, g.id, 9, 4))) % 20]
		FROM generate_series(1, seed.dice(4, g.id, 7, 5)) AS i),
	jsonb_build_object('brand', brand, 'material', material, 'color', seed.pick(colours, 4, g.id, 10),
		'warranty_months', 12 + 12 * seed.dice(4, g.id, 11, 5)) || CASE WHEN seed.dice(4, g.id, 12, 100) < 25
		THEN jsonb_build_object('energy', jsonb_build_object('class', chr(65 + seed.dice(4, g.id, 13, 5)::int), 'watts', 2 + seed.dice(4, g.id, 14, 1799)))
		ELSE '{}' END,
	g.added, updated, CASE WHEN seed.dice(4, g.id, 16, 100) < 2 THEN updated END
FROM seed.words, seed.goods AS g
JOIN seed.kinds AS k ON k.n = g.kind
JOIN seed.nodes AS n ON n.level = 3 AND n.name = k.name
JOIN (SELECT product, sum(quantity - reserved) AS stock FROM seed.places GROUP BY product) AS s ON s.product = g.id,
	LATERAL (SELECT seed.pick(brands, 4, g.id, 0) AS brand, seed.pick(adjectives, 4, g.id, 1) AS adjective,
		seed.pick(materials, 4, g.id, 2) AS material, seed.later(g.added, 4, g.id, 15) AS updated) AS v;

-- fill: price_history after: products
INSERT INTO price_history (id, product_id, old_price_cents, new_price_cents, reason, changed_at)
SELECT row_number() OVER (ORDER BY id, i), id, cents + before, cents + before - step,
	CASE WHEN seed.dice(5, id, 20 + i, 100) < 80 THEN seed.pick(reasons, 5, id, 30 + i) END,
	date_trunc('second', added + (seed.epoch() - added) * ((i - 1 + seed.dice(5, id, 10 + i, 1000) / 1000.0) / changes))
FROM (
	SELECT g.id, g.cents, g.added, i, changes, step, sum(step) OVER (PARTITION BY g.id ORDER BY i DESC) AS before
	FROM seed.goods AS g, LATERAL (SELECT seed.parts('{0,1,0,0,2,0,0,1,0,1}', g.id) AS changes) AS c,
		generate_series(1, changes) AS i, LATERAL (SELECT 50 + 50 * seed.dice(5, g.id, i, 20) AS step) AS s
) AS h, seed.words;

-- fill: tags after: seed
INSERT INTO tags (id, name, created_at)
SELECT t.id, t.name, seed.added(1, 1) FROM seed.words, unnest(tags) WITH ORDINALITY AS t(name, id);

-- fill: product_tags after: products tags
INSERT INTO product_tags (product_id, tag_id)
SELECT id, 1 + (seed.dice(6, id, 0, 24) + i * (1 + seed.dice(6, id, 1, 4))) % 24
FROM seed.goods, generate_series(1, seed.parts('{2,1,3,2,0,4,2,1,3,2}', id)) AS i;

-- fill: warehouses after: seed
INSERT INTO warehouses (id, code, name, country, latitude, longitude, active, created_at, updated_at)
SELECT row_number() OVER (), w.*, latitude IS NOT NULL, seed.added(1, 1), seed.added(1, 1)
FROM (VALUES ('HAM1', 'Hamburg Harbour', 'DE', 53.541, 9.984), ('RTM1', 'Rotterdam Europoort', 'NL', 51.953, 4.133),
	('LYS1', 'Lyon Est', 'FR', 45.721, 5.081), ('POZ1', 'Poznan South', 'PL', 52.331, 16.872),
	('MAD1', 'Madrid Coslada', 'ES', 40.426, -3.558), ('MMA1', 'Malmo North', 'SE', 55.627, 13.021),
	('MIL1', 'Milan Segrate', 'IT', 45.492, 9.297), ('VIE2', 'Vienna Extension', 'AT', NULL, NULL)
) AS w(code, name, country, latitude, longitude);

-- fill: inventory after: warehouses products
INSERT INTO inventory (warehouse_id, product_id, quantity, reserved, reorder_at, updated_at)
SELECT warehouse, product, quantity, reserved, reorder_at, seed.epoch() FROM seed.places;

-- Business picked up: towards the end orders come twice as often as on the
-- average day. What is bought together has numbers near one another, and most
-- often low ones.

-- fill: lines after: seed
CREATE UNLOGGED TABLE seed.lines AS
SELECT order_id, placed, i AS line_no, product, quantity, cents,
	CASE WHEN seed.dice(7, order_id, 60 + i, 100) < 10 THEN quantity * cents / 10 ELSE 0 END AS discount
FROM (
	SELECT order_id, placed, i, 1 + (first + i * step) % offered AS product, 1 + seed.skewed(7, order_id, 40 + i, 5) AS quantity
	FROM (
		SELECT order_id, placed, offered, seed.skewed(7, order_id, 1, offered) AS first,
			1 + seed.dice(7, order_id, 2, greatest(1, least(5, (offered - 1) / 9))) AS step
		FROM (
			SELECT order_id, placed, seed.added_by(placed, products) AS offered
			FROM (
				SELECT o.id AS order_id, products, seed.epoch() - interval '1 s' * (63072000 - floor(63072000 *
					sqrt((o.id - 1 + seed.dice(7, o.id, 0, 1000000) / 1e6::float8) / orders))) AS placed
				FROM seed.size, generate_series(1, orders) AS o(id) OFFSET 0
			) AS o OFFSET 0 -- which keeps what is below from being computed for each line
		) AS o OFFSET 0
	) AS o, generate_series(1, seed.parts('{1,3,2,8,1,4,10,2,6,3}', order_id)) AS i
) AS l
JOIN seed.goods AS g ON g.id = product;
ANALYZE seed.lines;

-- fill: orders after: lines customers
INSERT INTO orders (id, customer_id, status, version, total_cents, note, shipping_address, placed_at, paid_at, shipped_at, updated_at)
SELECT id, 1 + seed.skewed(8, id, 0, seed.added_by(placed, customers)), state::order_status, coalesce(array_position('{pending,paid,shipped,delivered}', state), 2),
	total, CASE WHEN seed.dice(8, id, 1, 100) < 8 THEN seed.pick(notes, 8, id, 2) END,
	CASE WHEN seed.dice(8, id, 3, 100) >= 3 THEN jsonb_build_object(
		'street', seed.pick(streets, 8, id, 4) || ' ' || 1 + seed.dice(8, id, 5, 180), 'city', seed.pick(cities, 8, id, 6),
		'postcode', lpad(seed.dice(8, id, 7, 100000)::text, 5, '0'), 'country', seed.pick(countries, 8, id, 8)) END,
	placed, CASE WHEN state IN ('paid', 'shipped', 'delivered') THEN paid END,
	CASE WHEN state IN ('shipped', 'delivered') THEN shipped END,
	CASE state WHEN 'cancelled' THEN cancelled WHEN 'paid' THEN paid WHEN 'shipped' THEN shipped WHEN 'delivered' THEN delivered ELSE placed END
FROM seed.size, seed.words, (
	SELECT order_id AS id, placed, sum(quantity * cents - discount) AS total FROM seed.lines GROUP BY order_id, placed ORDER BY order_id
) AS o,
	LATERAL (SELECT placed + interval '1 s' * seed.dice(8, id, 10, 86400) AS cancelled,
		placed + interval '1 s' * seed.dice(8, id, 11, 2 * 86400) AS paid) AS a,
	LATERAL (SELECT paid + interval '1 s' * seed.dice(8, id, 12, 3 * 86400) AS shipped) AS b,
	LATERAL (SELECT shipped + interval '1 s' * (86400 + seed.dice(8, id, 13, 4 * 86400)) AS delivered) AS c,
	LATERAL (SELECT CASE
		WHEN seed.dice(8, id, 14, 100) < 4 THEN CASE WHEN cancelled <= seed.epoch() THEN 'cancelled' ELSE 'pending' END
		WHEN delivered <= seed.epoch() THEN 'delivered' WHEN shipped <= seed.epoch() THEN 'shipped'
		WHEN paid <= seed.epoch() THEN 'paid' ELSE 'pending' END AS state) AS d;

-- fill: order_items after: orders products
INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents)
SELECT order_id, line_no, product, quantity, cents, discount FROM seed.lines;

-- The authors of a product's reviews are a fifth of all customers apart, so that
-- none writes two.

-- fill: reviews after: products customers
INSERT INTO reviews (id, product_id, customer_id, rating, title, body, verified, created_at, updated_at)
SELECT row_number() OVER (ORDER BY g.id, i), g.id, author, rating,
	CASE WHEN seed.dice(9, g.id, 10 + i, 100) < 70 THEN verdicts[2 * rating - seed.dice(9, g.id, 20 + i, 2)] END,
	seed.pick(remarks, 9, g.id, 30 + i), seed.dice(9, g.id, 40 + i, 100) < 75, written, written
FROM seed.size, seed.words, seed.goods AS g, generate_series(1, seed.parts('{0,1,0,3,1,0,5,1,2,2}', g.id)) AS i,
	LATERAL (SELECT 1 + (seed.dice(9, g.id, 0, customers) + i * (customers / 5)) % customers AS author, 5 - seed.skewed(9, g.id, i, 5) AS rating) AS a,
	LATERAL (SELECT seed.later(greatest(g.added, seed.added(author, customers)), 9, g.id, 50 + i) AS written) AS w;

-- fill: carts after: customers
INSERT INTO carts (id, customer_id, created_at, updated_at, expires_at)
SELECT md5('cart ' || id)::uuid, CASE WHEN seed.dice(10, id, 1, 100) < 70 THEN 1 + seed.dice(10, id, 2, seed.added_by(created, customers)) END,
	created, created, created + interval '30 days'
FROM seed.size, generate_series(1, carts) AS c(id),
	LATERAL (SELECT seed.epoch() - interval '1 s' * (1 + seed.dice(10, id, 0, 60 * 86400)) AS created) AS v;

-- fill: cart_items after: carts products
INSERT INTO cart_items (cart_id, product_id, quantity, added_at)
SELECT md5('cart ' || id)::uuid, 1 + (seed.skewed(10, id, 3, offered) + i * (1 + seed.dice(10, id, 4, greatest(1, least(5, (offered - 1) / 9))))) % offered,
	1 + seed.dice(10, id, 10 + i, 3), created
FROM seed.size, generate_series(1, carts) AS c(id), generate_series(1, seed.parts('{1,2,0,4,3,1,6,2,5,1}', id)) AS i,
	LATERAL (SELECT seed.epoch() - interval '1 s' * (1 + seed.dice(10, id, 0, 60 * 86400)) AS created) AS v,
	LATERAL (SELECT seed.added_by(created, products) AS offered) AS w;
