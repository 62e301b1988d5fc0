-- Coordinates are E7 degrees: integers, so that equality is exact. Texts are bytes of UTF-8, because a text of
-- PostgreSQL cannot hold U+0000, which the wire's strings can.

CREATE TABLE feature (
  id        bigint PRIMARY KEY,  -- rises in the order of import, without gaps; features are never deleted
  latitude  integer NOT NULL CHECK (latitude BETWEEN -900000000 AND 900000000),
  longitude integer NOT NULL CHECK (longitude BETWEEN -1800000000 AND 1800000000),
  name      bytea NOT NULL,
  UNIQUE (latitude, longitude)
);

-- A double holds every coordinate exactly.
CREATE INDEX feature_by_area ON feature USING spgist (point(longitude, latitude));

-- The order of storing over all locations. It tells which notes are the oldest, and where numbers begin.
CREATE SEQUENCE note_order;

-- A row is the lock of its location: whoever stores notes there updates it first, and sees what is stored
-- there only then. Rows are updated at every commit, so pages keep room for the next version.
CREATE TABLE location (
  latitude        integer NOT NULL CHECK (latitude BETWEEN -900000000 AND 900000000),
  longitude       integer NOT NULL CHECK (longitude BETWEEN -1800000000 AND 1800000000),
  last_number     bigint NOT NULL,  -- of the newest note
  previous_number bigint NOT NULL,  -- what last_number was before the transaction that updated the row last
  PRIMARY KEY (latitude, longitude)
) WITH (fillfactor = 50);

CREATE TABLE note (
  latitude     integer NOT NULL,
  longitude    integer NOT NULL,
  number       bigint NOT NULL,  -- the next one for each note at a location, in the order of commits
  stored_order bigint NOT NULL DEFAULT nextval('note_order'),
  stored_at    timestamptz NOT NULL,
  message      bytea NOT NULL,
  PRIMARY KEY (latitude, longitude, number),
  UNIQUE (stored_order)
);

-- How many notes are kept is the sum of all rows. Each connection counts in one of them: a single row would be
-- a lock that every commit, whatever its locations, has to wait for.
CREATE TABLE note_count (
  shard integer PRIMARY KEY,
  kept  bigint NOT NULL
) WITH (fillfactor = 10);

INSERT INTO note_count (shard, kept) SELECT shard, 0 FROM generate_series(0, 63) AS shard;

-- Drops the oldest notes, `excess` of them and those from before `outdated`, but at most 512 in one commit, and
-- forgets locations that have none left. Returns how many. It waits for nobody: what others hold stays.
CREATE FUNCTION drop_oldest_notes(excess bigint, outdated timestamptz) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  latitudes  integer[];
  longitudes integer[];
  dropped    bigint;
BEGIN
  -- One at a time, until it has committed: two would both drop what only one has to.
  IF NOT pg_try_advisory_xact_lock(hashtext('routeguide.drop_oldest_notes')) THEN
    RETURN 0;
  END IF;

  WITH oldest AS (
    SELECT stored_order, stored_at FROM note ORDER BY stored_order LIMIT 512
  ), due AS (
    SELECT stored_order
    FROM (SELECT *, row_number() OVER (ORDER BY stored_order) AS place FROM oldest) AS placed
    WHERE place <= excess OR stored_at < outdated
  ), free AS (
    SELECT stored_order FROM note JOIN due USING (stored_order) FOR UPDATE OF note SKIP LOCKED
  ), gone AS (
    DELETE FROM note USING free WHERE note.stored_order = free.stored_order
    RETURNING note.latitude, note.longitude
  )
  SELECT count(*), array_agg(latitude), array_agg(longitude) INTO dropped, latitudes, longitudes FROM gone;

  -- Locked by one statement and looked at by the next, which sees the notes of whoever held them before.
  SELECT array_agg(latitude), array_agg(longitude) INTO latitudes, longitudes
  FROM (
    SELECT location.latitude, location.longitude
    FROM (SELECT DISTINCT * FROM unnest(latitudes, longitudes) AS each (latitude, longitude)) AS thinned
    JOIN location USING (latitude, longitude)
    FOR UPDATE OF location SKIP LOCKED
  ) AS locked;
  DELETE FROM location
  USING unnest(latitudes, longitudes) AS locked (latitude, longitude)
  WHERE location.latitude = locked.latitude AND location.longitude = locked.longitude
    AND NOT EXISTS (
      SELECT FROM note WHERE note.latitude = location.latitude AND note.longitude = location.longitude
    );
  RETURN dropped;
END
$$;

-- Stores notes, in the order of the arrays, and returns for each of their locations the notes that were kept
-- there before, oldest first, and the number after which the new ones are numbered.
--
-- One function, so that one round trip does it all and locks are held no longer than its commit takes. Each
-- statement in it sees what was committed before it began; hence the first takes the locks, and only those
-- after it look at notes. Each finds its few rows through an index. A connection keeps the plans that it made when
-- the tables were perhaps empty, and would go on scanning them whole: hence what is off. The compiler is off because
-- it takes the cost that a scan is given then, where there is no index to use, for real.
CREATE FUNCTION post_notes(
  latitudes    integer[],
  longitudes   integer[],
  messages     bytea[],
  posted_at    timestamptz,
  outdated     timestamptz,  -- notes from before it are not returned and may be dropped; NULL where none is
  per_location integer,
  total        bigint
) RETURNS TABLE (
  latitude        integer,
  longitude       integer,
  previous_number bigint,
  numbers         bigint[],
  earlier         bytea[]
) LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  first_number bigint;
  dropped      bigint;
  kept_now     bigint;
BEGIN
  -- In the order of coordinates, so that two groups with several locations in common cannot wait for each other.
  INSERT INTO location AS known (latitude, longitude, previous_number, last_number)
  SELECT latitude, longitude, 0, count(*)
  FROM unnest(latitudes, longitudes) AS posted (latitude, longitude)
  GROUP BY latitude, longitude
  ORDER BY latitude, longitude
  ON CONFLICT (latitude, longitude) DO UPDATE SET
    previous_number = known.last_number,
    last_number = known.last_number + excluded.last_number;

  -- A location that was forgotten and comes again begins above every number that it ever had: each of its notes
  -- took a value of the sequence, and none is on its way there now that the row is locked.
  first_number := nextval('note_order');
  UPDATE location SET previous_number = first_number, last_number = first_number + last_number
  FROM unnest(latitudes, longitudes) AS posted (latitude, longitude)
  WHERE location.latitude = posted.latitude AND location.longitude = posted.longitude
    AND location.previous_number = 0;

  RETURN QUERY
  SELECT location.latitude, location.longitude, location.previous_number, kept.numbers, kept.messages
  FROM (SELECT DISTINCT * FROM unnest(latitudes, longitudes) AS each (latitude, longitude)) AS posted
  JOIN location USING (latitude, longitude)
  CROSS JOIN LATERAL (
    SELECT
      coalesce(array_agg(newest.number ORDER BY newest.number), '{}') AS numbers,
      coalesce(array_agg(newest.message ORDER BY newest.number), '{}') AS messages
    FROM (
      SELECT note.number, note.message
      FROM note
      WHERE note.latitude = location.latitude AND note.longitude = location.longitude
        AND (outdated IS NULL OR note.stored_at >= outdated)
      ORDER BY note.number DESC
      LIMIT per_location
    ) AS newest
  ) AS kept;

  INSERT INTO note (latitude, longitude, number, stored_at, message)
  SELECT
    latitude,
    longitude,
    location.previous_number + row_number() OVER (PARTITION BY latitude, longitude ORDER BY posted.place),
    posted_at,
    posted.message
  FROM unnest(latitudes, longitudes, messages) WITH ORDINALITY AS posted (latitude, longitude, message, place)
  JOIN location USING (latitude, longitude)
  ORDER BY posted.place;

  DELETE FROM note
  USING (SELECT DISTINCT * FROM unnest(latitudes, longitudes) AS each (latitude, longitude)) AS posted
  JOIN location USING (latitude, longitude)
  WHERE note.latitude = location.latitude AND note.longitude = location.longitude
    AND note.number <= location.last_number - per_location;
  GET DIAGNOSTICS dropped = ROW_COUNT;

  SELECT sum(kept)::bigint + cardinality(messages) - dropped INTO kept_now FROM note_count;
  IF outdated IS NOT NULL OR kept_now > total THEN
    dropped := dropped + drop_oldest_notes(kept_now - total, outdated);
  END IF;

  -- Last, so that whoever waits for this row holds up nobody who waits for anything else.
  UPDATE note_count SET kept = kept + cardinality(messages) - dropped WHERE shard = pg_backend_pid() % 64;
END
$$;
