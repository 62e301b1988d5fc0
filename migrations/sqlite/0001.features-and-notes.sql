-- Coordinates are E7 degrees: integers, so that equality is exact.

CREATE TABLE feature (
  id        INTEGER PRIMARY KEY,  -- rises in the order of import; features are never deleted
  latitude  INTEGER NOT NULL CHECK (latitude BETWEEN -900000000 AND 900000000),
  longitude INTEGER NOT NULL CHECK (longitude BETWEEN -1800000000 AND 1800000000),
  name      TEXT NOT NULL,
  UNIQUE (latitude, longitude)
) STRICT;

-- The import fills it in the same transaction as feature. No trigger: one statement for a thousand
-- features costs far less than a thousand triggers.
CREATE VIRTUAL TABLE feature_index USING rtree_i32 (id, south, north, west, east);

CREATE TABLE note (
  id        INTEGER PRIMARY KEY,  -- rises in the order of storing
  latitude  INTEGER NOT NULL CHECK (latitude BETWEEN -900000000 AND 900000000),
  longitude INTEGER NOT NULL CHECK (longitude BETWEEN -1800000000 AND 1800000000),
  message   TEXT NOT NULL,
  stored_at INTEGER NOT NULL      -- milliseconds since 1970 in UTC
) STRICT;

CREATE INDEX note_by_location ON note (latitude, longitude, id);

-- Counting a million notes for every batch that is stored would cost more than storing it.
CREATE TABLE note_count (
  kept INTEGER NOT NULL CHECK (kept >= 0)
) STRICT;

INSERT INTO note_count (kept) VALUES (0);

CREATE TRIGGER note_stored AFTER INSERT ON note
BEGIN
  UPDATE note_count SET kept = kept + 1;
END;

CREATE TRIGGER note_dropped AFTER DELETE ON note
BEGIN
  UPDATE note_count SET kept = kept - 1;
END;
