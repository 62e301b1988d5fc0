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
CREATE INDEX feature_by_area ON feature USING gist (point(longitude, latitude));

-- The order of storing over all locations. It tells which notes are the oldest, and where numbers begin.
CREATE SEQUENCE note_order;

-- A row is the lock of its location: whoever stores notes there updates it first, and sees what is stored
-- there only then. Rows are updated at every commit, so pages keep room for the next version.
CREATE TABLE location (
  latitude              integer NOT NULL CHECK (latitude BETWEEN -900000000 AND 900000000),
  longitude             integer NOT NULL CHECK (longitude BETWEEN -1800000000 AND 1800000000),
  begins_after          bigint NOT NULL,  -- numbers follow this one; more than any before the location was forgotten
  last_number           bigint NOT NULL,  -- of the newest note
  kept_after            bigint NOT NULL,  -- notes up to this number were dropped because the location keeps few
  previous_number       bigint NOT NULL,  -- what last_number was before the transaction that updated the row last
  previously_kept_after bigint NOT NULL,  -- what kept_after was before it
  emptied_at            timestamptz,  -- when the last of its notes was dropped; NULL while it keeps some
  PRIMARY KEY (latitude, longitude)
) WITH (fillfactor = 50);

-- Notes at locations that keep some change nothing in it, so their rows are still updated within their pages.
CREATE INDEX location_by_emptying ON location (emptied_at) WHERE emptied_at IS NOT NULL;

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

-- The statements of both functions find their few rows through an index, and read it in its order. A connection keeps
-- the plans that it made when the tables were perhaps empty, and would go on scanning them whole; and while a
-- backup holds its snapshot nothing that was dropped is cleared away, so a plan that collects all that an index
-- has of a location before it sorts takes longer with every commit. Hence what is off. The compiler is off because
-- it takes the cost that a scan is given then, where there is no index to use, for real.

-- Drops the oldest notes: those beyond `total` and those from before `outdated`, but at most 512 at once; forgets
-- locations that have had none for five minutes. Returns how many notes. It waits for nobody: what others hold stays.
--
-- Five minutes, because servers look once a second at the locations that their live streams follow: from the row they
-- learn that there were notes which they never saw. Clocks are the database's own, and taken so that it is no less.
CREATE FUNCTION drop_oldest_notes(total bigint, outdated timestamptz) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  latitudes  integer[];
  longitudes integer[];
  excess     bigint;
  dropped    bigint;
BEGIN
  -- One at a time, until it has committed: two would both drop what only one has to.
  IF NOT pg_try_advisory_xact_lock(hashtext('routeguide.drop_oldest_notes')) THEN
    RETURN 0;
  END IF;

  SELECT sum(kept)::bigint - total INTO excess FROM note_count;
  IF outdated IS NULL AND excess <= 0 THEN
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
  IF dropped = 0 THEN
    RETURN 0;
  END IF;

  -- Locked by one statement and looked at by the next, which sees the notes of whoever held them before.
  SELECT array_agg(latitude), array_agg(longitude) INTO latitudes, longitudes
  FROM (
    SELECT location.latitude, location.longitude
    FROM (SELECT DISTINCT * FROM unnest(latitudes, longitudes) AS each (latitude, longitude)) AS thinned
    JOIN location USING (latitude, longitude)
    FOR UPDATE OF location SKIP LOCKED
  ) AS locked;
  UPDATE location SET emptied_at = clock_timestamp()
  FROM unnest(latitudes, longitudes) AS locked (latitude, longitude)
  WHERE location.latitude = locked.latitude AND location.longitude = locked.longitude
    AND NOT EXISTS (
      SELECT FROM note
      WHERE note.latitude = location.latitude AND note.longitude = location.longitude
        AND note.number > location.kept_after
    );

  -- Twice as many as can be emptied at once, so that none are left behind.
  DELETE FROM location
  USING (
    SELECT latitude, longitude
    FROM location
    WHERE emptied_at < statement_timestamp() - interval '5 minutes'
    ORDER BY emptied_at
    LIMIT 1024
    FOR UPDATE SKIP LOCKED
  ) AS forgotten
  WHERE location.latitude = forgotten.latitude AND location.longitude = forgotten.longitude;
  UPDATE note_count SET kept = kept - dropped WHERE shard = pg_backend_pid() % 64;
  RETURN dropped;
END
$$;

-- Stores notes, in the order of the arrays, and returns for each of their locations the notes that were kept
-- there before, oldest first, and the numbers after which the first of all and the new ones are numbered; also how
-- many notes were kept in all before, as far as they were committed.
--
-- One function, so that one round trip does it all and locks are held no longer than its commit takes. Each
-- statement in it sees what was committed before it began; hence the first takes the locks, and only those
-- after it look at notes. They look at no number up to `kept_after`, and at the rows of locations no more.
CREATE FUNCTION post_notes(
  latitudes    integer[],
  longitudes   integer[],
  messages     bytea[],
  posted_at    timestamptz,
  outdated     timestamptz,  -- notes from before it are not returned; NULL where none is
  per_location integer
) RETURNS TABLE (
  latitude        integer,
  longitude       integer,
  begins_after    bigint,
  previous_number bigint,
  numbers         bigint[],
  earlier         bytea[],
  kept_in_all     bigint
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  held         location[];
  first_number bigint;
  kept_before  bigint;
  dropped      bigint;
BEGIN
  -- In the order of coordinates, so that two groups with several locations in common cannot wait for each other.
  -- What a larger limit than `per_location` has left goes by and by, 512 more than is new in each transaction.
  WITH locked AS (
    INSERT INTO location AS known
      (latitude, longitude, begins_after, last_number, kept_after, previous_number, previously_kept_after)
    SELECT latitude, longitude, 0, count(*), 0, 0, 0
    FROM unnest(latitudes, longitudes) AS posted (latitude, longitude)
    GROUP BY latitude, longitude
    ORDER BY latitude, longitude
    ON CONFLICT (latitude, longitude) DO UPDATE SET
      last_number = known.last_number + excluded.last_number,
      kept_after = greatest(known.kept_after, least(
        known.last_number + excluded.last_number - per_location,
        known.kept_after + excluded.last_number + 512
      )),
      previous_number = known.last_number,
      previously_kept_after = known.kept_after,
      emptied_at = NULL
    RETURNING known AS place
  )
  SELECT array_agg(place) INTO held FROM locked;

  -- A location that was forgotten and comes again begins above every number that it ever had: each of its notes
  -- took a value of the sequence, and none is on its way there now that the row is locked.
  IF 0 = ANY (SELECT previous_number FROM unnest(held)) THEN
    first_number := nextval('note_order');
    UPDATE location SET
      begins_after = first_number,
      last_number = first_number + location.last_number,
      kept_after = first_number + greatest(0, location.last_number - per_location),
      previous_number = first_number,
      previously_kept_after = first_number
    FROM unnest(held) AS place
    WHERE location.latitude = place.latitude AND location.longitude = place.longitude
      AND location.previous_number = 0;
    SELECT array_agg(location) INTO held
    FROM unnest(held) AS place
    JOIN location ON location.latitude = place.latitude AND location.longitude = place.longitude;
  END IF;

  SELECT sum(kept)::bigint INTO kept_before FROM note_count;

  RETURN QUERY
  SELECT
    place.latitude, place.longitude, place.begins_after, place.previous_number, kept.numbers, kept.messages, kept_before
  FROM unnest(held) AS place
  CROSS JOIN LATERAL (
    SELECT
      coalesce(array_agg(newest.number ORDER BY newest.number), '{}') AS numbers,
      coalesce(array_agg(newest.message ORDER BY newest.number), '{}') AS messages
    FROM (
      SELECT note.number, note.message
      FROM note
      WHERE note.latitude = place.latitude AND note.longitude = place.longitude
        AND note.number > place.previously_kept_after
        AND (outdated IS NULL OR note.stored_at >= outdated)
      ORDER BY note.number DESC
      LIMIT per_location
    ) AS newest
  ) AS kept;

  INSERT INTO note (latitude, longitude, number, stored_at, message)
  SELECT
    latitude,
    longitude,
    place.previous_number + row_number() OVER (PARTITION BY latitude, longitude ORDER BY posted.turn),
    posted_at,
    posted.message
  FROM unnest(latitudes, longitudes, messages) WITH ORDINALITY AS posted (latitude, longitude, message, turn)
  JOIN unnest(held) AS place USING (latitude, longitude)
  ORDER BY posted.turn;

  DELETE FROM note
  USING unnest(held) AS place
  WHERE note.latitude = place.latitude AND note.longitude = place.longitude
    AND note.number > place.previously_kept_after AND note.number <= place.kept_after;
  GET DIAGNOSTICS dropped = ROW_COUNT;

  -- Last, so that whoever waits for this row holds up nobody who waits for anything else.
  UPDATE note_count SET kept = kept + cardinality(messages) - dropped WHERE shard = pg_backend_pid() % 64;
END
$$;
