"""Every statement that features and notes need. Values travel as parameters, never in the text.

Many rows travel as one array for each column, so that a text does not depend on their number.
"""

FIND_FEATURES = """
SELECT feature.latitude, feature.longitude, feature.name
FROM unnest($1::integer[], $2::integer[]) AS wanted (latitude, longitude)
JOIN feature USING (latitude, longitude)
"""

COUNT_FEATURES_AT = """
SELECT wanted.request, count(*) AS found
FROM unnest($1::integer[], $2::integer[], $3::integer[]) AS wanted (request, latitude, longitude)
JOIN feature USING (latitude, longitude)
GROUP BY wanted.request
"""

COUNT_FEATURES = "SELECT count(*) FROM feature"
LAST_FEATURE = "SELECT coalesce(max(id), 0) FROM feature"

_INSIDE_INDEX = """
point(longitude, latitude) <@ box(point($1::integer, $2::integer), point($3::integer, $4::integer))
"""
"""West, south, east, north. The text of the left side is that of the index."""

FEW_WITHIN = f"""
WITH hit AS MATERIALIZED (SELECT id FROM feature WHERE {_INSIDE_INDEX} LIMIT $5)
SELECT feature.latitude, feature.longitude, feature.name
FROM hit JOIN feature USING (id) ORDER BY feature.id
"""  # noqa: S608  # made of constants

IDS_WITHIN = f"SELECT id FROM feature WHERE {_INSIDE_INDEX} LIMIT $5"  # noqa: S608  # made of constants

FEATURES_BY_ID = "SELECT latitude, longitude, name FROM feature WHERE id = ANY($1::bigint[]) ORDER BY id"

SCAN_WITHIN = """
SELECT latitude, longitude, name, id FROM feature
WHERE id > $1 AND id <= $2 AND longitude BETWEEN $3 AND $5 AND latitude BETWEEN $4 AND $6
ORDER BY id LIMIT $7
"""

STAGE_FEATURES = """
CREATE TEMPORARY TABLE staged_feature (
  place     bigint NOT NULL,  -- in the order of import
  latitude  integer NOT NULL,
  longitude integer NOT NULL,
  name      bytea NOT NULL
) ON COMMIT DROP
"""

TAKE_TURN_AT_IMPORTING = "SELECT pg_advisory_xact_lock(hashtext('routeguide.import'))"
"""Ids have no gaps and rise in the order of import: each import begins where the one before it ended."""

MERGE_FEATURES = """
WITH ordered AS (
  SELECT
    staged_feature.*,
    lag(name) OVER here AS previous_name,
    first_value(place) OVER here AS first_place,
    lead(place) OVER here IS NULL AS is_last
  FROM staged_feature
  WINDOW here AS (PARTITION BY latitude, longitude ORDER BY place)
), compared AS MATERIALIZED (
  SELECT ordered.*, feature.id, coalesce(ordered.previous_name, feature.name) AS old_name
  FROM ordered LEFT JOIN feature USING (latitude, longitude)
), renamed AS (
  UPDATE feature SET name = compared.name
  FROM compared
  WHERE feature.id = compared.id AND compared.is_last AND feature.name <> compared.name
), added AS (
  INSERT INTO feature (id, latitude, longitude, name)
  SELECT
    (SELECT coalesce(max(id), 0) FROM feature) + row_number() OVER (ORDER BY first_place),
    latitude,
    longitude,
    name
  FROM compared
  WHERE id IS NULL AND is_last
  ORDER BY first_place
)
SELECT
  count(*) FILTER (WHERE old_name IS NULL) AS added,
  count(*) FILTER (WHERE old_name <> name) AS renamed,
  count(*) FILTER (WHERE old_name = name) AS unchanged
FROM compared
"""
"""The last row at a location gives it its name, the first one its place in the order."""

UPDATE_STATISTICS = "ANALYZE feature"
"""Or plans for the few features of before would be followed until the server looks at the table by itself.
Whoever does not own the table gets a warning, and has to wait for that."""

POST_NOTES = "SELECT * FROM post_notes($1, $2, $3, $4, $5, $6)"

DROP_OLDEST_NOTES = "SELECT drop_oldest_notes($1, $2)"

COUNT_NOTES = "SELECT sum(kept)::bigint FROM note_count"

LOCK_SOMETHING = "SELECT kept FROM note_count WHERE shard = 0 FOR KEY SHARE"
"""Writes as little as can be written, and fails where nothing can. Nobody waits for it, nor it for others."""

NEWS_AT = """
SELECT latitude, longitude, location.last_number IS NULL AS is_forgotten
FROM unnest($1::integer[], $2::integer[], $3::bigint[]) AS followed (latitude, longitude, known)
LEFT JOIN location USING (latitude, longitude)
WHERE location.last_number > followed.known OR location.last_number IS NULL
"""

NOTES_BEYOND = """
SELECT
  followed.latitude, followed.longitude,
  location.begins_after, location.last_number,
  note.number, note.message
FROM unnest($1::integer[], $2::integer[], $3::bigint[]) AS followed (latitude, longitude, known)
LEFT JOIN location
  ON location.latitude = followed.latitude AND location.longitude = followed.longitude
LEFT JOIN note
  ON note.latitude = followed.latitude AND note.longitude = followed.longitude
  AND note.number > followed.known
  AND ($4::timestamptz IS NULL OR note.stored_at >= $4)
WHERE location.last_number > followed.known OR location.last_number IS NULL
ORDER BY followed.latitude, followed.longitude, note.number
"""
"""One statement sees one moment: the last number of a location, and all of its notes up to that. A location
that was forgotten has no numbers."""

ANNOUNCE = "SELECT pg_notify($1, $2)"
